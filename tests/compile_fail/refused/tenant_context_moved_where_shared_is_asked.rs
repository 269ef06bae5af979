//~ E0308

use diesel_tenants::prelude::*;

pub struct Request {
    pub ctx: SharedContext,
}

pub fn case(ctx: TenantContext) -> Request {
    Request { ctx }
}
