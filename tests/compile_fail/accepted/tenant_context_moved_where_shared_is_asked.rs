use diesel_tenants::prelude::*;

pub struct Request {
    pub ctx: SharedContext,
}

pub fn case(ctx: SharedContext) -> Request {
    Request { ctx }
}
