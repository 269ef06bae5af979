//~ E0277
//~ message: `schema::patients::table` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<Patient>> {
    patients::table
        .filter(patients::name.eq("Ada").or(patients::phone.is_null()))
        .load(ctx)
}
