use diesel_tenants::prelude::*;

pub fn case(ctx: &mut TenantContext) {
    let _ = &mut *ctx;
}
