//~ E0277
//~ message: SqlQuery` is not in a tenant database

use diesel_tenants::prelude::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    diesel::sql_query("ANALYZE patients").execute(ctx)
}
