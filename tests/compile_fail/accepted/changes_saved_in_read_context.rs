use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext, changes: &PatientChanges<'_>) -> QueryResult<Patient> {
    changes.save_changes::<Patient>(ctx)
}
