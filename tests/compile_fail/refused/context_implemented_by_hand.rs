//~ E0046
//~ message: session
//~ E0277
//~ message: Sealed

use diesel_tenants::prelude::*;

pub struct Mine(pub SqliteConnection);

impl Context for Mine {
    type Conn = SqliteConnection;
}
