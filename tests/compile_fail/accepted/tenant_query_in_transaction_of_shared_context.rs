use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    ctx.transaction(|ctx| patients::table.load::<Patient>(ctx))
}
