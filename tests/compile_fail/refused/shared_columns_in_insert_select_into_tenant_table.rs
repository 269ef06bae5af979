//~ E0271
//~ mentions: schema::users::table

use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    doors::insert_select(
        wards::table,
        (users::id, users::name),
        patients::table.select((patients::id, patients::name)),
    )
    .execute(ctx)
}
