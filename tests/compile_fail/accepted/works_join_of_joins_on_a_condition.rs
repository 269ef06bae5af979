use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(i32, Option<String>)>> {
    patients::table
        .left_join(wards::table.on(wards::id.eq(patients::ward_id).and(wards::name.ne("X"))))
        .select((patients::id, wards::name.nullable()))
        .load(ctx)
}
