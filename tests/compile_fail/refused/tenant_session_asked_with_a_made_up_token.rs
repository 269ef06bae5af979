//~ E0277
//~ message: Token: std::default::Default

use diesel_tenants::prelude::*;

pub fn case(ctx: &mut TenantContext) {
    ctx.session(Default::default());
}
