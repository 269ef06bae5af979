//~ E0451

use diesel_tenants::prelude::*;

pub fn case() -> SharedContext {
    SharedContext { 0: panic!() }
}
