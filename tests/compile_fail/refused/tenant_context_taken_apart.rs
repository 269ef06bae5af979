//~ E0532

use diesel_tenants::prelude::*;

pub fn case(ctx: TenantContext) {
    let TenantContext(_session) = ctx;
}
