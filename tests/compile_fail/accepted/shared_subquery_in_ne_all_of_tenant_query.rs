use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    patients::table
        .filter(patients::ward_id.ne_all(wards::table.select(wards::id)))
        .load(ctx)
}
