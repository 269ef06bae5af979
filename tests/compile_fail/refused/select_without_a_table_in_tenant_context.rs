//~ E0277
//~ message: now` is not in a tenant database

use diesel_tenants::prelude::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    diesel::select(diesel::dsl::now).execute(ctx)
}
