use diesel_tenants::FanOut;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(tenancy: &Tenancy) {
    let report = tenancy.for_each_tenant(FanOut::new(), |ctx| {
        std::thread::scope(|threads| {
            let count = threads.spawn(move || patients::table.count().get_result::<i64>(ctx));
            count.join().unwrap()
        })
    });
    drop(report);
}
