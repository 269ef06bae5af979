//~ E0277
//~ message: this statement writes, and a `ReadContext` only reads

use diesel_tenants::FanOut;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(tenancy: &Tenancy) {
    let clear = |ctx: &mut ReadContext| diesel::delete(patients::table).execute(ctx);
    let sum = tenancy.aggregate(FanOut::new(), 0, clear, |sum, _, rows| *sum += rows);
    drop(sum);
}
