//~ E0277

use diesel_tenants::prelude::*;

mod schema {
    diesel::table! {
        users {
            id -> Integer,
            name -> Text,
        }
    }
    diesel::table! {
        patients {
            id -> Integer,
            name -> Text,
        }
    }
}

pub struct User;

routes! {
    pub static ROUTES;
    shared { accounts { schema::users: User } }
    tenant { care { schema::patients } }
}
