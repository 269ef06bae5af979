use diesel_tenants::prelude::*;
use schema::*;

pub fn case(conn: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    patients::table.load::<Patient>(conn)
}
