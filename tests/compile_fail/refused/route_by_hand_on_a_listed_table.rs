//~ E0119
//~ message: `Route`

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
    shared { accounts { schema::users } }
    tenant { care { schema::patients } }
}

impl diesel_tenants::Route for schema::users::table {
    type Scope = diesel_tenants::scope::TenantScope;
}
