use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel_tenants::RunQueryDsl::execute(diesel::delete(users::table), ctx)
}
