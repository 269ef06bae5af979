use diesel_tenants::prelude::*;
use schema::*;

pub fn case(
    ctx: &mut TenantContext,
    changes: PatientChanges<'_>,
) -> QueryResult<(Patient, Patient)> {
    let first = changes.save_changes(ctx)?;
    let second = (&changes).save_changes::<Patient>(ctx)?;
    Ok((first, second))
}
