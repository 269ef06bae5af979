use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    patients::table
        .order(wards::table.select(wards::name).single_value())
        .load(ctx)
}
