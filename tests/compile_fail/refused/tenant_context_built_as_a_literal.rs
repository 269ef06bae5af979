//~ E0451

use diesel_tenants::prelude::*;

pub fn case() -> TenantContext {
    TenantContext { 0: panic!() }
}
