use diesel_tenants::FanOut;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(tenancy: &Tenancy) {
    drop(tenancy.for_each_tenant(FanOut::new(), |ctx| Ok(ctx.generation())));
}
