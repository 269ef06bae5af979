use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    let names = doors::union(
        users::table.select((users::id, users::name)),
        users::table.select((users::id, users::name)),
    );
    doors::insert_select(hospitals::table, (hospitals::id, hospitals::name), names).execute(ctx)
}
