//~ E0277
//~ message: `schema::patients::table` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

pub fn case(tenancy: &Tenancy<SqliteConnection>, id: &TenantId) -> Outcome<Vec<Patient>> {
    Ok(patients::table.load(&mut tenancy.shared()?)?)
}
