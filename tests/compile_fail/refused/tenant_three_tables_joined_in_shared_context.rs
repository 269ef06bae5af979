//~ E0277
//~ message: `schema::visits::table` is not in the shared database
//~ E0277
//~ message: `schema::patients::table` is not in the shared database
//~ E0277
//~ message: `schema::wards::table` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<(Visit, Patient, Ward)>> {
    visits::table
        .inner_join(patients::table.inner_join(wards::table))
        .select((Visit::as_select(), Patient::as_select(), Ward::as_select()))
        .load(ctx)
}
