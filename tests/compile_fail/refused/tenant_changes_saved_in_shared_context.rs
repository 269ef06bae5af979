//~ E0277
//~ message: `schema::patients::table` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext, changes: &PatientChanges<'_>) -> QueryResult<Patient> {
    changes.save_changes::<Patient>(ctx)
}
