use diesel_tenants::prelude::*;

pub fn case(ctx: SharedContext) {
    std::thread::scope(|scope| {
        scope.spawn(move || format!("{ctx:?}"));
    });
}
