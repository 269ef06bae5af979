use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<User> {
    users::table.find(7).get_result::<User>(ctx)
}
