use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<String>> {
    doors::intersect(
        hospitals::table.select(hospitals::name),
        users::table.select(users::name),
    )
    .load(ctx)
}
