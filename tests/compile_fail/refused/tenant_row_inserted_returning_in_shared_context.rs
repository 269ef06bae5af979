//~ E0277
//~ message: `schema::patients::table` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Patient> {
    diesel::insert_into(patients::table)
        .values(NewPatient {
            ward_id: 1,
            name: "Ada",
        })
        .returning(Patient::as_returning())
        .get_result(ctx)
}
