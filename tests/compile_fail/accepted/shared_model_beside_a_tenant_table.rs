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
}

#[derive(HasQuery, Identifiable)]
#[diesel(table_name = schema::users)]
pub struct User {
    pub id: i32,
    pub name: String,
}

#[derive(HasQuery, Identifiable)]
#[diesel(table_name = schema::patients)]
pub struct Patient {
    pub id: i32,
    pub name: String,
}

routes! {
    pub static ROUTES;
    shared { accounts { schema::users: User } }
    tenant { care { schema::patients: Patient } }
}
