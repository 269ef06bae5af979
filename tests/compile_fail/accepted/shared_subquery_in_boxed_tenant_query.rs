use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    patients::table
        .into_boxed()
        .filter(patients::ward_id.eq_any(wards::table.select(wards::id)))
        .load(ctx)
}
