//~ E0061

use diesel_tenants::prelude::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    ctx.unrouted(|ctx| diesel::sql_query("ANALYZE").execute(ctx))
}
