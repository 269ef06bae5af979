use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<i64>> {
    patients::table
        .group_by(patients::name)
        .select(diesel::dsl::count_star())
        .load(ctx)
}
