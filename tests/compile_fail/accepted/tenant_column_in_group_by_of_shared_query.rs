use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<i64>> {
    users::table
        .group_by(users::name)
        .select(diesel::dsl::count_star())
        .load(ctx)
}
