use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    ctx.unrouted("a look", |raw| {
        diesel::RunQueryDsl::execute(users::table, raw.connection())
    })
}
