//~ E0277
//~ message: `schema::hospitals::table` is not in a tenant database

use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    doors::insert_select(
        hospitals::table,
        (hospitals::id, hospitals::name),
        users::table.select((users::id, users::name)),
    )
    .execute(ctx)
}
