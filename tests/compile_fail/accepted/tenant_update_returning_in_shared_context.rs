use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    diesel::update(patients::table)
        .set(patients::name.eq("Ada"))
        .returning(Patient::as_returning())
        .get_results(ctx)
}
