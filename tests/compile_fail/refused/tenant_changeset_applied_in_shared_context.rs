//~ E0277
//~ message: `schema::patients::table` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext, changes: PatientChanges<'_>) -> QueryResult<usize> {
    diesel::update(patients::table.find(7))
        .set(changes)
        .execute(ctx)
}
