//~ E0277
//~ E0599
//~ mentions: schema::users::table

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
        visits {
            id -> Integer,
            user_id -> Integer,
        }
    }
    diesel::joinable!(visits -> users (user_id));
}

routes! {
    pub static ROUTES;
    shared { accounts { schema::users } }
    tenant { care { schema::patients, schema::visits } }
}

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<i32>> {
    use schema::{users, visits};
    visits::table
        .inner_join(users::table)
        .select(visits::id)
        .load(ctx)
}
