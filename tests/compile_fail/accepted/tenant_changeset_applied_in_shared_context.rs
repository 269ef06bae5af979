use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext, changes: PatientChanges<'_>) -> QueryResult<usize> {
    diesel::update(patients::table.find(7))
        .set(changes)
        .execute(ctx)
}
