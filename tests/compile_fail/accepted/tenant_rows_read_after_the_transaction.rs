use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    let rows = ctx.transaction(|ctx| patients::table.load::<Patient>(ctx))?;
    Ok(rows.len())
}
