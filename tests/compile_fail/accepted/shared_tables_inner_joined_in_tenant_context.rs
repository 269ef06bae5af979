use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<(User, Hospital)>> {
    users::table.inner_join(hospitals::table).load(ctx)
}
