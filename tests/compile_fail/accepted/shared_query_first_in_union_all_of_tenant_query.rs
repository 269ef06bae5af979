use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<String>> {
    doors::union_all(
        wards::table.select(wards::name),
        patients::table.select(patients::name),
    )
    .load(ctx)
}
