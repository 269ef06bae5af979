//~ E0119
//~ message: `Route`
//~ E0119
//~ message: Shared`
//~ E0119
//~ message: `Reads`
//~ E0080
//~ message: `schema::users` is listed twice in `routes!`: a table has one scope

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

routes! {
    pub static ROUTES;
    shared { accounts { schema::users, schema::users } }
    tenant { care { schema::patients } }
}
