use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<(Session, User)>> {
    sessions::table
        .inner_join(users::table.on(diesel::dsl::exists(hospitals::table.find(7))))
        .load(ctx)
}
