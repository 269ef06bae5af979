//~ E0599
//~ message: batch_execute

use diesel::connection::SimpleConnection;
use diesel_tenants::prelude::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<()> {
    ctx.batch_execute("ANALYZE")
}
