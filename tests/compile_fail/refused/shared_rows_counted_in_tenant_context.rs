//~ E0277
//~ message: `schema::users::table` is not in a tenant database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<i64> {
    users::table.count().get_result(ctx)
}
