//~ E0080
//~ message: `schema::staff` is `__tenants_staff` in SQL: names with `__tenants_` belong to diesel-tenants

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
        #[sql_name = "__tenants_staff"]
        staff {
            id -> Integer,
        }
    }
}

routes! {
    pub static ROUTES;
    shared { accounts { schema::users, schema::staff } }
    tenant { care { schema::patients } }
}
