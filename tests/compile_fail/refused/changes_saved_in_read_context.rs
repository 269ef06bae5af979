//~ E0277
//~ message: this writes, and a `ReadContext` only reads

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut ReadContext, changes: &PatientChanges<'_>) -> QueryResult<Patient> {
    changes.save_changes::<Patient>(ctx)
}
