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
    diesel::allow_tables_to_appear_in_same_query!(users, staff);
}

routes! {
    pub static ROUTES;
    shared { accounts { schema::users, schema::staff } }
    tenant { care { schema::patients } }
}
