use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<(Session, User, Hospital)>> {
    sessions::table
        .inner_join(users::table)
        .inner_join(hospitals::table.on(users::name.eq(hospitals::name)))
        .load(ctx)
}
