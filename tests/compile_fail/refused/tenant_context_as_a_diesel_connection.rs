//~ E0277
//~ mentions: TenantContext

use diesel_tenants::prelude::*;

fn takes<C: diesel::Connection>(_: &mut C) {}

pub fn case(ctx: &mut TenantContext) {
    takes(ctx)
}
