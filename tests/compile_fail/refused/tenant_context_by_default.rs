//~ E0277
//~ mentions: TenantContext

use diesel_tenants::prelude::*;

pub fn case() -> TenantContext {
    Default::default()
}
