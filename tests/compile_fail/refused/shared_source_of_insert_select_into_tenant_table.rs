//~ E0277
//~ message: `schema::users::table` is not in a tenant database

use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    doors::insert_select(
        wards::table,
        (wards::id, wards::name),
        users::table.select((users::id, users::name)),
    )
    .execute(ctx)
}
