use diesel_tenants::prelude::*;

pub fn case(
    tenancy: &Tenancy<SqliteConnection>,
    id: &TenantId,
) -> Result<TenantContext, diesel_tenants::OpenError> {
    Ok(tenancy.tenant(id)?)
}
