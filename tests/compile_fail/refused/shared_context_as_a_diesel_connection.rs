//~ E0277
//~ mentions: SharedContext

use diesel_tenants::prelude::*;

fn takes<C: diesel::Connection>(_: &mut C) {}

pub fn case(ctx: &mut SharedContext) {
    takes(ctx)
}
