use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel::update(users::table.filter(users::id.gt(7)))
        .set(users::name.eq("Ada"))
        .execute(ctx)
}
