use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    ctx.unrouted("no other way", |raw| {
        diesel::sql_query("ANALYZE").execute(raw)
    })
}
