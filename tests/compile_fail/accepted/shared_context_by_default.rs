use diesel_tenants::prelude::*;

pub fn case(
    tenancy: &Tenancy<SqliteConnection>,
) -> Result<SharedContext, diesel_tenants::OpenError> {
    Ok(tenancy.shared()?)
}
