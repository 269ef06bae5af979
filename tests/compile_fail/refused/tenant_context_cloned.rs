//~ E0599
//~ message: clone

use diesel_tenants::prelude::*;

pub fn case(
    tenancy: &Tenancy<SqliteConnection>,
    id: &TenantId,
) -> Result<(TenantContext, TenantContext), diesel_tenants::OpenError> {
    let ctx = tenancy.tenant(id)?;
    Ok((ctx.clone(), ctx))
}
