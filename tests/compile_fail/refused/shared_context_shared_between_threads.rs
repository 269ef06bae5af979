//~ E0277
//~ mentions: cannot be shared between threads safely

use diesel_tenants::prelude::*;

pub fn case(ctx: SharedContext) {
    std::thread::scope(|scope| {
        scope.spawn(|| format!("{ctx:?}"));
    });
}
