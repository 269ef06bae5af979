use diesel_tenants::prelude::*;

pub fn case(ctx: SharedContext) {
    let _session = ctx;
}
