//~ E0277
//~ message: `schema::patients::table` is not in the shared database

use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<String>> {
    doors::union_all(
        users::table.select(users::name),
        patients::table.select(patients::name),
    )
    .load(ctx)
}
