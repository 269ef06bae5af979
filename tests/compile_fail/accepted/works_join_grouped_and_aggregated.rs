use diesel::dsl::{count, max};
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(String, Option<i32>)>> {
    patients::table
        .inner_join(wards::table)
        .group_by(wards::name)
        .select((wards::name, max(patients::id)))
        .order(count(patients::id).desc())
        .load(ctx)
}
