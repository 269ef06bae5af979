use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext, user: &User) -> QueryResult<Vec<Session>> {
    Session::belonging_to(user).load::<Session>(ctx)
}
