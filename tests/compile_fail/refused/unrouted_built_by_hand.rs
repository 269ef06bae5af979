//~ E0451

use diesel_tenants::Unrouted;
use diesel_tenants::prelude::*;

pub fn case() -> Unrouted<'static> {
    Unrouted {
        session: panic!(),
        reason: "none",
    }
}
