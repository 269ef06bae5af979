use diesel_tenants::FanOut;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(tenancy: &Tenancy) {
    let report = tenancy.for_each_tenant(FanOut::new(), |ctx| {
        wards::table.filter(wards::name.eq("A")).execute(ctx)
    });
    drop(report);
}
