//~ E0277
//~ message: this statement writes, and a `ReadContext` only reads

use diesel_tenants::FanOut;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(tenancy: &Tenancy) {
    let report = tenancy.for_each_tenant(FanOut::new(), |ctx| {
        diesel::insert_into(wards::table)
            .values(wards::name.eq("A"))
            .execute(ctx)
    });
    drop(report);
}
