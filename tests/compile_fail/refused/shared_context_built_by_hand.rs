//~ E0423

use diesel_tenants::prelude::*;

pub fn case() -> SharedContext {
    SharedContext(panic!())
}
