//~ E0277
//~ message: `schema::users::table` is not in a tenant database
//~ E0277
//~ message: `schema::hospitals::table` is not in a tenant database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(User, Hospital)>> {
    users::table.inner_join(hospitals::table).load(ctx)
}
