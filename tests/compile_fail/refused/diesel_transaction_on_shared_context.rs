//~ E0277
//~ mentions: SharedContext

use diesel_tenants::prelude::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel::Connection::transaction(ctx, |_| Ok(0))
}
