//~ E0277
//~ message: `schema::hospitals::table` is not in a tenant database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    diesel::insert_into(hospitals::table)
        .default_values()
        .execute(ctx)
}
