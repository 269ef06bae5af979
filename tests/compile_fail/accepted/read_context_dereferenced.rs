use diesel_tenants::prelude::*;
use schema::*;

pub fn case(mut ctx: ReadContext<'_>) -> QueryResult<i64> {
    patients::table.count().get_result(&mut ctx)
}
