use diesel::sql_types::Integer;
use diesel_tenants::prelude::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    ctx.unrouted("a probe", |ctx| {
        diesel::sql_query("SELECT ?")
            .bind::<Integer, _>(7)
            .execute(ctx)
    })
}
