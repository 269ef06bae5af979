use diesel::connection::SimpleConnection;
use diesel_tenants::prelude::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<()> {
    ctx.unrouted("ANALYZE", |raw| raw.connection().batch_execute("ANALYZE"))
}
