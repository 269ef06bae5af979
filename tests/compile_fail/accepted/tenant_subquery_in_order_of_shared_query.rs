use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    users::table
        .order(hospitals::table.select(hospitals::name).single_value())
        .load(ctx)
}
