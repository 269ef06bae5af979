use diesel_tenants::prelude::*;

pub fn case(ctx: TenantContext) {
    std::thread::scope(|scope| {
        scope.spawn(move || format!("{ctx:?}"));
    });
}
