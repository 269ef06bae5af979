use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<String>> {
    doors::intersect(
        patients::table.select(patients::name),
        wards::table.select(wards::name),
    )
    .load(ctx)
}
