//~ E0080
//~ message: spans two databases: `schema::hospitals` is shared, `schema::wards` belongs to a tenant
//~ E0080
//~ message: spans two databases: `schema::hospitals` is shared, `schema::patients` belongs to a tenant
//~ E0080
//~ message: spans two databases: `schema::users` is shared, `schema::wards` belongs to a tenant
//~ E0080
//~ message: spans two databases: `schema::users` is shared, `schema::patients` belongs to a tenant

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
    diesel::allow_tables_to_appear_in_same_query!(hospitals, users, patients, wards);
}

routes! {
    pub static ROUTES;
    shared { accounts { schema::hospitals, schema::users } }
    tenant { care { schema::wards, schema::patients } }
}
