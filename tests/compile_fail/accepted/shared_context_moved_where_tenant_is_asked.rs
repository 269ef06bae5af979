use diesel_tenants::prelude::*;

pub struct Request {
    pub ctx: TenantContext,
}

pub fn case(ctx: TenantContext) -> Request {
    Request { ctx }
}
