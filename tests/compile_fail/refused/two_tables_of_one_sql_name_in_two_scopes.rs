//~ E0080
//~ message: `schema::users` and `schema::staff` have one name in SQL, whose scope would be ambiguous: rename one

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
        #[sql_name = "users"]
        staff {
            id -> Integer,
        }
    }
}

routes! {
    pub static ROUTES;
    shared { accounts { schema::users } }
    tenant { care { schema::patients, schema::staff } }
}
