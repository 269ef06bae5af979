use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<String>> {
    doors::except(
        users::table.select(users::name),
        hospitals::table.select(hospitals::name),
    )
    .load(ctx)
}
