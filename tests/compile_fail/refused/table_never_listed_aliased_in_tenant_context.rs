//~ E0277
//~ message: `schema::drafts::table` is not in a tenant database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<i32>> {
    let namesake = diesel::alias!(drafts as namesake);
    namesake.select(namesake.field(drafts::id)).load(ctx)
}
