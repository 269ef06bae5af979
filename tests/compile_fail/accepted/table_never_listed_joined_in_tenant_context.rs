use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<i32>> {
    patients::table
        .inner_join(wards::table.on(wards::name.eq(patients::name)))
        .select(patients::id)
        .load(ctx)
}
