use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Patient> {
    patients::table.find(7).get_result::<Patient>(ctx)
}
