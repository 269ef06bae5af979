//~ E0277
//~ message: `schema::patients::table` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<Patient>> {
    diesel::update(patients::table)
        .set(patients::name.eq("Ada"))
        .returning(Patient::as_returning())
        .get_results(ctx)
}
