//~ E0277
//~ message: `schema::users::table` is not in a tenant database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext, changes: &UserChanges<'_>) -> QueryResult<User> {
    changes.save_changes::<User>(ctx)
}
