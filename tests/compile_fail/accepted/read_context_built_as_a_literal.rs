use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut ReadContext) -> QueryResult<i64> {
    let _ = ctx.generation();
    patients::table.count().get_result(ctx)
}
