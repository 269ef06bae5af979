use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext, user: &User) -> QueryResult<usize> {
    diesel::delete(user).execute(ctx)
}
