use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut ReadContext) -> QueryResult<i64> {
    wards::table.count().get_result(ctx)
}
