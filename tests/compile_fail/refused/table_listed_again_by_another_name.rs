//~ E0119
//~ E0080

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

use schema::users as people;

routes! {
    pub static ROUTES;
    shared { accounts { schema::users, people } }
    tenant { care { schema::patients } }
}
