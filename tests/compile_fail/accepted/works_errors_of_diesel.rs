use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Option<Patient>> {
    use diesel::result::{DatabaseErrorKind, Error};
    match patients::table.find(7).first::<Patient>(ctx) {
        Err(Error::NotFound) => Ok(None),
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Ok(None),
        found => found.optional(),
    }
}
