use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    let rows = users::table.select((users::id, users::name));
    doors::insert_select(hospitals::table, (hospitals::id, hospitals::name), rows).execute(ctx)
}
