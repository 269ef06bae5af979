use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Option<Patient>> {
    patients::table.first::<Patient>(ctx).optional()
}
