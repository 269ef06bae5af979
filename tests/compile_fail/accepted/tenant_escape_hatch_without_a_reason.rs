use diesel_tenants::prelude::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    ctx.unrouted("statistics are stale", |ctx| {
        diesel::sql_query("ANALYZE").execute(ctx)
    })
}
