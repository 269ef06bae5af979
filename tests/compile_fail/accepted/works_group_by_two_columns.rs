use diesel::dsl::{count_star, max};
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(i32, String, i64)>> {
    patients::table
        .group_by((patients::ward_id, patients::name))
        .select((patients::ward_id, patients::name, count_star()))
        .having(count_star().gt(1).and(max(patients::id).gt(7)))
        .load(ctx)
}
