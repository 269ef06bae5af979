use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    diesel_tenants::RunQueryDsl::load::<User>(users::table, ctx)
}
