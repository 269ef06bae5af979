//~ E0532

use diesel_tenants::prelude::*;

pub fn case(ctx: SharedContext) {
    let SharedContext(_session) = ctx;
}
