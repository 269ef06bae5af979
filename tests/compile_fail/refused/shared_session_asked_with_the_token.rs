//~ E0603

use diesel_tenants::prelude::*;

pub fn case(ctx: &mut SharedContext) {
    ctx.session(diesel_tenants::context::private::TOKEN);
}
