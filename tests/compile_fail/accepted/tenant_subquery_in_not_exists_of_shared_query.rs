use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    users::table
        .filter(diesel::dsl::not(diesel::dsl::exists(
            hospitals::table.find(7),
        )))
        .load(ctx)
}
