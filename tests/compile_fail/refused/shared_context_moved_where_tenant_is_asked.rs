//~ E0308

use diesel_tenants::prelude::*;

pub struct Request {
    pub ctx: TenantContext,
}

pub fn case(ctx: SharedContext) -> Request {
    Request { ctx }
}
