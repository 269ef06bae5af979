//~ E0277
//~ message: `schema::sessions::table` is not in a tenant database
//~ E0277
//~ message: `schema::users::table` is not in a tenant database
//~ E0277
//~ message: `schema::hospitals::table` is not in a tenant database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(Session, User, Hospital)>> {
    sessions::table
        .inner_join(users::table.inner_join(hospitals::table))
        .select((
            Session::as_select(),
            User::as_select(),
            Hospital::as_select(),
        ))
        .load(ctx)
}
