//~ E0277
//~ message: `schema::wards::table` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel::insert_into(wards::table)
        .default_values()
        .execute(ctx)
}
