use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    let namesake = diesel::alias!(users as namesake);
    namesake.filter(namesake.field(users::id).gt(7)).load(ctx)
}
