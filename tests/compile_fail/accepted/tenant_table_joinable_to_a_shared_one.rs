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
            patient_id -> Integer,
        }
    }
    diesel::joinable!(visits -> patients (patient_id));
    diesel::allow_tables_to_appear_in_same_query!(visits, patients);
}

routes! {
    pub static ROUTES;
    shared { accounts { schema::users } }
    tenant { care { schema::patients, schema::visits } }
}

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<i32>> {
    use schema::{patients, visits};
    visits::table
        .inner_join(patients::table)
        .select(visits::id)
        .load(ctx)
}
