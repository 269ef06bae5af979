//~ E0277
//~ message: `schema::patients::table` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<Patient>> {
    patients::table
        .filter(patients::ward_id.eq_any(wards::table.select(wards::id)))
        .load(ctx)
}
