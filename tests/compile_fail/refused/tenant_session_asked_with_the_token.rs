//~ E0603

use diesel_tenants::prelude::*;

pub fn case(ctx: &mut TenantContext) {
    ctx.session(diesel_tenants::context::private::TOKEN);
}
