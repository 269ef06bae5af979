use diesel::dsl::sql;
use diesel::sql_types::Integer;
use diesel_tenants::prelude::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<i32> {
    ctx.unrouted("a count", |ctx| {
        sql::<Integer>("SELECT count(*) FROM users").get_result(ctx)
    })
}
