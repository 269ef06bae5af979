//~ E0277
//~ message: `schema::users::table` is not in a tenant database

use diesel_tenants::prelude::*;
use schema::*;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

pub fn case(tenancy: &Tenancy<SqliteConnection>, id: &TenantId) -> Outcome<Vec<User>> {
    Ok(users::table.load(&mut tenancy.tenant(id)?)?)
}
