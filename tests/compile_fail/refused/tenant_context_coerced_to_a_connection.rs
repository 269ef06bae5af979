//~ E0308

use diesel_tenants::prelude::*;

fn takes(_: &mut SqliteConnection) {}

pub fn case(ctx: &mut TenantContext) {
    takes(ctx)
}
