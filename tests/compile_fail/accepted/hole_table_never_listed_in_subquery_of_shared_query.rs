// What stands inside an expression is checked by Diesel only, which allows a table without a route
// if `allow_tables_to_appear_in_same_query!` does.
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    users::table
        .filter(users::name.eq_any(drafts::table.select(drafts::name)))
        .load(ctx)
}
