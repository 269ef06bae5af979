use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Option<User>> {
    users::table.first::<User>(ctx).optional()
}
