//~ E0277
//~ message: `schema::drafts::table` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel::insert_into(drafts::table)
        .values(drafts::name.eq("Ada"))
        .execute(ctx)
}
