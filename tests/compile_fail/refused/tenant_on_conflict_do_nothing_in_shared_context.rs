//~ E0277
//~ message: `schema::patients::table` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel::insert_into(patients::table)
        .values(NewPatient {
            ward_id: 1,
            name: "Ada",
        })
        .on_conflict(patients::id)
        .do_nothing()
        .execute(ctx)
}
