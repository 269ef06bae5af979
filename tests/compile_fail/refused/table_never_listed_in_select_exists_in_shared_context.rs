//~ E0277
//~ message: `schema::drafts::table` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(drafts::table.find(7))).get_result(ctx)
}
