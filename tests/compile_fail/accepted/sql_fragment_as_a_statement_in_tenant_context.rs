use diesel::dsl::sql;
use diesel::sql_types::Integer;
use diesel_tenants::prelude::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<i32> {
    ctx.unrouted("a count", |ctx| {
        sql::<Integer>("SELECT count(*) FROM patients").get_result(ctx)
    })
}
