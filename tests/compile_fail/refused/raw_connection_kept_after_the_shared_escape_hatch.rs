//~ error

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    let conn = ctx.unrouted("a look", |raw| QueryResult::Ok(raw.connection()))?;
    diesel::RunQueryDsl::execute(users::table, conn)
}
