//~ E0277
//~ message: `schema::drafts::table` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<i32>> {
    let namesake = diesel::alias!(drafts as namesake);
    namesake.select(namesake.field(drafts::id)).load(ctx)
}
