use diesel_tenants::prelude::*;

fn takes<C: diesel_tenants::Context>(_: &mut C) {}

pub fn case(ctx: &mut TenantContext) {
    takes(ctx)
}
