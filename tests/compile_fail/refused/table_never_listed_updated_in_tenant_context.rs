//~ E0277
//~ message: `schema::drafts::table` is not in a tenant database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    diesel::update(drafts::table)
        .set(drafts::name.eq("Ada"))
        .execute(ctx)
}
