//~ E0277
//~ message: `schema::patients::table` is not in the shared database

use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    let names = doors::union(
        patients::table.select((patients::id, patients::name)),
        patients::table.select((patients::id, patients::name)),
    );
    doors::insert_select(hospitals::table, (hospitals::id, hospitals::name), names).execute(ctx)
}
