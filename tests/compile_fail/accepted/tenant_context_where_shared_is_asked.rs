use diesel_tenants::prelude::*;
use schema::*;

fn clear(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel::delete(users::table).execute(ctx)
}

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    clear(ctx)
}
