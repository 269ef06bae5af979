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
    diesel::table! {
        #[sql_name = "staff"]
        staff {
            id -> Integer,
        }
    }
}

pub enum Nowhere {}

routes! {
    pub static ROUTES;
    shared { accounts { schema::users } }
    tenant { care { schema::patients } }
}

impl diesel_tenants::Route for schema::staff::table {
    type Scope = Nowhere;
}
