use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    let row = |name| NewPatient { ward_id: 1, name };
    diesel::insert_into(patients::table)
        .values(vec![row("Ada"), row("Ben")])
        .execute(ctx)
}
