use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    diesel_tenants::RunQueryDsl::load::<Patient>(patients::table, ctx)
}
