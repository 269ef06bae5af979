use diesel_tenants::Unrouted;
use diesel_tenants::prelude::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    ctx.unrouted("a look", |raw: &mut Unrouted<'_>| Ok(raw.reason().len()))
}
