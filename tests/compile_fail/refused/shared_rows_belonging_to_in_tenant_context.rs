//~ E0277
//~ message: `schema::sessions::table` is not in a tenant database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext, user: &User) -> QueryResult<Vec<Session>> {
    Session::belonging_to(user).load::<Session>(ctx)
}
