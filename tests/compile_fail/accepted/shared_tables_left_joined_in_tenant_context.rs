use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<(User, Option<Hospital>)>> {
    users::table.left_join(hospitals::table).load(ctx)
}
