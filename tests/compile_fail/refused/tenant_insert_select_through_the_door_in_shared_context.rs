//~ E0277
//~ message: `schema::wards::table` is not in the shared database

use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    doors::insert_select(
        wards::table,
        (wards::id, wards::name),
        patients::table.select((patients::id, patients::name)),
    )
    .execute(ctx)
}
