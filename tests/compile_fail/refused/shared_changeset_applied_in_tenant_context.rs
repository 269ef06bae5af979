//~ E0277
//~ message: `schema::users::table` is not in a tenant database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext, changes: UserChanges<'_>) -> QueryResult<usize> {
    diesel::update(users::table.find(7))
        .set(changes)
        .execute(ctx)
}
