use diesel_tenants::prelude::*;
use schema::*;

fn saves<Ctx: diesel_tenants::WriteContext>(_: &mut Ctx) {}

pub fn case(ctx: &mut TenantContext) -> QueryResult<i64> {
    saves(ctx);
    patients::table.count().get_result(ctx)
}
