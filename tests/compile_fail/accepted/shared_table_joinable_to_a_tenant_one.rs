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
            user_id -> Integer,
        }
    }
    diesel::joinable!(sessions -> users (user_id));
    diesel::allow_tables_to_appear_in_same_query!(sessions, users);
}

routes! {
    pub static ROUTES;
    shared { accounts { schema::users, schema::sessions } }
    tenant { care { schema::patients } }
}

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<i32>> {
    use schema::{sessions, users};
    sessions::table
        .inner_join(users::table)
        .select(sessions::id)
        .load(ctx)
}
