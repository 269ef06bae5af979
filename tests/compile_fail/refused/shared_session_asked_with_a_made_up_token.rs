//~ E0277
//~ message: Token: std::default::Default

use diesel_tenants::prelude::*;

pub fn case(ctx: &mut SharedContext) {
    ctx.session(Default::default());
}
