use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<String>> {
    let names = doors::union(
        users::table.select(users::name),
        hospitals::table.select(hospitals::name),
    );
    doors::union(names, hospitals::table.select(hospitals::name)).load(ctx)
}
