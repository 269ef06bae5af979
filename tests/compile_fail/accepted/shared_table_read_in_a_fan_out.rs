use diesel_tenants::FanOut;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(tenancy: &Tenancy) {
    let count = |ctx: &mut ReadContext| patients::table.count().get_result::<i64>(ctx);
    drop(tenancy.for_each_tenant(FanOut::new(), count));
}
