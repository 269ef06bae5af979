//~ E0277
//~ message: `schema::drafts::table` is not in a tenant database
//~ E0277
//~ message: this statement writes

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut ReadContext) -> QueryResult<i64> {
    drafts::table.count().get_result(ctx)
}
