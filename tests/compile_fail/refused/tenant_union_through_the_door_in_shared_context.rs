//~ E0277
//~ message: `schema::patients::table` is not in the shared database

use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<String>> {
    doors::union(
        patients::table.select(patients::name),
        wards::table.select(wards::name),
    )
    .load(ctx)
}
