//~ E0277
//~ message: `schema::drafts::table` is not in a tenant database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<i32>> {
    patients::table
        .inner_join(drafts::table.on(drafts::name.eq(patients::name)))
        .select(patients::id)
        .load(ctx)
}
