use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<i32>> {
    let namesake = diesel::alias!(users as namesake);
    users::table
        .inner_join(namesake.on(users::name.eq(namesake.field(users::name))))
        .select(namesake.field(users::id))
        .load(ctx)
}
