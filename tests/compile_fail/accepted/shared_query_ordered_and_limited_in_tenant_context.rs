use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    users::table
        .order(users::name.desc())
        .then_order_by(users::id)
        .limit(10)
        .offset(20)
        .load(ctx)
}
