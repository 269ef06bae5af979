//~ E0624

use diesel_tenants::prelude::*;

pub fn case() -> TenantContext {
    TenantContext::new(panic!(), panic!(), 1)
}
