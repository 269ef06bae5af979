use diesel_tenants::prelude::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    ctx.unrouted("statistics are stale", |ctx| {
        diesel::sql_query("ANALYZE").execute(ctx)
    })
}
