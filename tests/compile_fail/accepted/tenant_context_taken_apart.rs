use diesel_tenants::prelude::*;

pub fn case(ctx: TenantContext) {
    let _session = ctx;
}
