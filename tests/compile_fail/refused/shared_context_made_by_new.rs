//~ E0624

use diesel_tenants::prelude::*;

pub fn case() -> SharedContext {
    SharedContext::new(panic!(), panic!(), panic!())
}
