use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    ctx.transaction(|ctx| diesel::delete(users::table).execute(ctx))
}
