use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<i64> {
    users::table.count().get_result(ctx)
}
