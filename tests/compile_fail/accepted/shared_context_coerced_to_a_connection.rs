use diesel_tenants::prelude::*;

fn takes(_: &mut SharedContext) {}

pub fn case(ctx: &mut SharedContext) {
    takes(ctx)
}
