use diesel_tenants::prelude::*;

pub fn case(ctx: &mut SharedContext) {
    let _ = &mut *ctx;
}
