//~ E0277
//~ message: `schema::drafts::table` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<(i32, String)>> {
    drafts::table.load(ctx)
}
