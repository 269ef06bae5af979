use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    let query = users::table.select(users::id);
    (&query).execute(ctx)
}
