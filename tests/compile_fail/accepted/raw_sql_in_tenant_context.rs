use diesel_tenants::prelude::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    ctx.unrouted("ANALYZE has no Diesel form", |ctx| {
        diesel::sql_query("ANALYZE patients").execute(ctx)
    })
}
