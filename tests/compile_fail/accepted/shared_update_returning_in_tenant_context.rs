use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    diesel::update(users::table)
        .set(users::name.eq("Ada"))
        .returning(User::as_returning())
        .get_results(ctx)
}
