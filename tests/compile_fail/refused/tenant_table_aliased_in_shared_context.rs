//~ E0277
//~ message: `schema::patients::table` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<Patient>> {
    let namesake = diesel::alias!(patients as namesake);
    namesake
        .filter(namesake.field(patients::id).gt(7))
        .load(ctx)
}
