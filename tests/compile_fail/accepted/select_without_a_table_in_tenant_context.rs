use diesel_tenants::prelude::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    ctx.unrouted("the clock", |ctx| {
        diesel::select(diesel::dsl::now).execute(ctx)
    })
}
