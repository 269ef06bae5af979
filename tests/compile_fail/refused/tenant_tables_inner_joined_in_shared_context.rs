//~ E0277
//~ message: `schema::patients::table` is not in the shared database
//~ E0277
//~ message: `schema::wards::table` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<(Patient, Ward)>> {
    patients::table.inner_join(wards::table).load(ctx)
}
