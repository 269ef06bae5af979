use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<i64> {
    ctx.transaction(|ctx| patients::table.count().get_result(ctx))
}
