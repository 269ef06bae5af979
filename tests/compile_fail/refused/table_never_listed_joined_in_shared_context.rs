//~ E0277
//~ message: `schema::drafts::table` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<i32>> {
    users::table
        .inner_join(drafts::table.on(drafts::name.eq(users::name)))
        .select(users::id)
        .load(ctx)
}
