use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    ctx.unrouted("a look", |raw| {
        diesel::RunQueryDsl::execute(patients::table, raw.connection())
    })
}
