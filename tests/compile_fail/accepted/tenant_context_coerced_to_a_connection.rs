use diesel_tenants::prelude::*;

fn takes(_: &mut TenantContext) {}

pub fn case(ctx: &mut TenantContext) {
    takes(ctx)
}
