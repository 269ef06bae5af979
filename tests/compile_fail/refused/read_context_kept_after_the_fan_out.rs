//~ E0521

use diesel_tenants::FanOut;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(tenancy: &Tenancy) {
    let kept = std::sync::Mutex::new(None);
    let report = tenancy.for_each_tenant(FanOut::new(), |ctx| {
        *kept.lock().unwrap() = Some(ctx);
        Ok(())
    });
    drop(report);
}
