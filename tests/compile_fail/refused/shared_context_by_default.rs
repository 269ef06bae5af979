//~ E0277
//~ mentions: SharedContext

use diesel_tenants::prelude::*;

pub fn case() -> SharedContext {
    Default::default()
}
