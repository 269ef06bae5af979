//~ E0277
//~ E0599
//~ mentions: schema::patients::table

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
        sessions {
            id -> Integer,
            patient_id -> Integer,
        }
    }
    diesel::joinable!(sessions -> patients (patient_id));
}

routes! {
    pub static ROUTES;
    shared { accounts { schema::users, schema::sessions } }
    tenant { care { schema::patients } }
}

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<i32>> {
    use schema::{patients, sessions};
    sessions::table
        .inner_join(patients::table)
        .select(sessions::id)
        .load(ctx)
}
