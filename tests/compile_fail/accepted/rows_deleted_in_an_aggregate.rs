use diesel_tenants::FanOut;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(tenancy: &Tenancy) {
    let count = |ctx: &mut ReadContext| patients::table.execute(ctx);
    let sum = tenancy.aggregate(FanOut::new(), 0, count, |sum, _, rows| *sum += rows);
    drop(sum);
}
