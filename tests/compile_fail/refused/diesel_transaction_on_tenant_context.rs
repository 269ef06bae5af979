//~ E0277
//~ mentions: TenantContext

use diesel_tenants::prelude::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    diesel::Connection::transaction(ctx, |_| Ok(0))
}
