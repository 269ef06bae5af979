use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    ctx.unrouted("a look", |ctx| diesel::delete(patients::table).execute(ctx))
}
