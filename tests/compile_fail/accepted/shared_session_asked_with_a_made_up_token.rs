use diesel_tenants::prelude::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    ctx.transaction(|_| Ok(0))
}
