//~ E0080
//~ message: `allow_tables_to_appear_in_same_query!` spans two databases: `schema::users` is shared, `schema::patients` belongs to a tenant; list tables of one scope only

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
        wards {
            id -> Integer,
        }
    }
    diesel::table! {
        hospitals {
            id -> Integer,
        }
    }
    diesel::allow_tables_to_appear_in_same_query!(hospitals, users);
    diesel::allow_tables_to_appear_in_same_query!(patients, wards);
    diesel::allow_tables_to_appear_in_same_query!(users, patients);
}

routes! {
    pub static ROUTES;
    shared { accounts { schema::hospitals, schema::users } }
    tenant { care { schema::wards, schema::patients } }
}
