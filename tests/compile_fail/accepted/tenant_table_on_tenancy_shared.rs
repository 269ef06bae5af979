use diesel_tenants::prelude::*;
use schema::*;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

pub fn case(tenancy: &Tenancy<SqliteConnection>, id: &TenantId) -> Outcome<Vec<Patient>> {
    Ok(patients::table.load(&mut tenancy.tenant(id)?)?)
}
