// `routes!` compares the tables of one call. Split over two calls, an `allow_tables_to_appear_in_same_query!` that
// spans the scopes is not seen, and Diesel then allows the subquery.
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
    diesel::allow_tables_to_appear_in_same_query!(users, patients);
}
use schema::{patients, users};

routes! {
    pub static SHARED;
    shared { accounts { users } }
    tenant {}
}
routes! {
    pub static TENANT;
    shared {}
    tenant { care { patients } }
}

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<i32>> {
    patients::table
        .filter(patients::name.eq_any(users::table.select(users::name)))
        .select(patients::id)
        .load(ctx)
}
