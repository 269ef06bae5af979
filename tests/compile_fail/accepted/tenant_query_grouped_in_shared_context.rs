use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(i32, i64)>> {
    patients::table
        .group_by(patients::ward_id)
        .having(diesel::dsl::count_star().gt(1))
        .select((patients::ward_id, diesel::dsl::count_star()))
        .load(ctx)
}
