use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    users::table
        .filter(users::name.eq("Ada").or(users::email.is_null()))
        .load(ctx)
}
