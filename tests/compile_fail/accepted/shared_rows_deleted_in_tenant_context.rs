use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel::delete(users::table.filter(users::email.is_null())).execute(ctx)
}
