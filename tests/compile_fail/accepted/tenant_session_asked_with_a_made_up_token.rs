use diesel_tenants::prelude::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    ctx.transaction(|_| Ok(0))
}
