//~ E0382

use diesel_tenants::prelude::*;

pub fn case(
    tenancy: &Tenancy<SqliteConnection>,
) -> Result<(SharedContext, SharedContext), diesel_tenants::OpenError> {
    let ctx = tenancy.shared()?;
    Ok((ctx, ctx))
}
