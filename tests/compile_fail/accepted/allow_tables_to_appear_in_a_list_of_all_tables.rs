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
}

routes! {
    pub static ROUTES;
    shared { accounts { schema::hospitals, schema::users } }
    tenant { care { schema::wards, schema::patients } }
}
