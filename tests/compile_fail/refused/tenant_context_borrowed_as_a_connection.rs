//~ E0599
//~ message: as_mut

use diesel_tenants::prelude::*;

pub fn case(ctx: &mut TenantContext) {
    let _: &mut SqliteConnection = ctx.as_mut();
}
