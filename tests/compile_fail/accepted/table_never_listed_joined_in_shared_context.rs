use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<i32>> {
    users::table
        .inner_join(hospitals::table.on(hospitals::name.eq(users::name)))
        .select(users::id)
        .load(ctx)
}
