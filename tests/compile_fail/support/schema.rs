//! The application every case is written against: four shared tables, four tenant tables of the same shape, their
//! models and routes. Compiled once, as a crate of its own, so that a case names a table as an application does:
//! `schema::users::table`.
use diesel_tenants::prelude::*;

// Shared.
diesel::table! {
    hospitals (id) {
        id -> Integer,
        name -> Text,
    }
}
diesel::table! {
    users (id) {
        id -> Integer,
        hospital_id -> Integer,
        name -> Text,
        email -> Nullable<Text>,
    }
}
diesel::table! {
    sessions (id) {
        id -> Integer,
        user_id -> Integer,
        token -> Text,
    }
}
diesel::table! {
    memberships (id) {
        id -> Integer,
        user_id -> Integer,
        hospital_id -> Integer,
        role -> Text,
    }
}
diesel::joinable!(users -> hospitals (hospital_id));
diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(memberships -> users (user_id));
diesel::joinable!(memberships -> hospitals (hospital_id));
diesel::allow_tables_to_appear_in_same_query!(hospitals, users, sessions, memberships);

// Tenant.
diesel::table! {
    wards (id) {
        id -> Integer,
        name -> Text,
    }
}
diesel::table! {
    patients (id) {
        id -> Integer,
        ward_id -> Integer,
        name -> Text,
        phone -> Nullable<Text>,
    }
}
diesel::table! {
    visits (id) {
        id -> Integer,
        patient_id -> Integer,
        reason -> Text,
    }
}
diesel::table! {
    prescriptions (id) {
        id -> Integer,
        patient_id -> Integer,
        ward_id -> Integer,
        drug -> Text,
    }
}
diesel::joinable!(patients -> wards (ward_id));
diesel::joinable!(visits -> patients (patient_id));
diesel::joinable!(prescriptions -> patients (patient_id));
diesel::joinable!(prescriptions -> wards (ward_id));
diesel::allow_tables_to_appear_in_same_query!(wards, patients, visits, prescriptions);

// Listed nowhere.
diesel::table! {
    drafts (id) {
        id -> Integer,
        name -> Text,
    }
}
diesel::allow_tables_to_appear_in_same_query!(drafts, users);
diesel::allow_tables_to_appear_in_same_query!(drafts, patients);

#[derive(Clone, Debug, Identifiable, HasQuery)]
#[diesel(table_name = hospitals)]
pub struct Hospital {
    pub id: i32,
    pub name: String,
}

#[derive(Clone, Debug, Identifiable, Associations, HasQuery)]
#[diesel(table_name = users, belongs_to(Hospital))]
pub struct User {
    pub id: i32,
    pub hospital_id: i32,
    pub name: String,
    pub email: Option<String>,
}

#[derive(Clone, Debug, Identifiable, Associations, HasQuery)]
#[diesel(table_name = sessions, belongs_to(User))]
pub struct Session {
    pub id: i32,
    pub user_id: i32,
    pub token: String,
}

#[derive(Insertable)]
#[diesel(table_name = users)]
pub struct NewUser<'a> {
    pub hospital_id: i32,
    pub name: &'a str,
}

#[derive(Identifiable, AsChangeset)]
#[diesel(table_name = users)]
pub struct UserChanges<'a> {
    pub id: i32,
    pub name: &'a str,
}

#[derive(Clone, Debug, Identifiable, HasQuery)]
#[diesel(table_name = wards)]
pub struct Ward {
    pub id: i32,
    pub name: String,
}

#[derive(Clone, Debug, Identifiable, Associations, HasQuery)]
#[diesel(table_name = patients, belongs_to(Ward))]
pub struct Patient {
    pub id: i32,
    pub ward_id: i32,
    pub name: String,
    pub phone: Option<String>,
}

#[derive(Clone, Debug, Identifiable, Associations, HasQuery)]
#[diesel(table_name = visits, belongs_to(Patient))]
pub struct Visit {
    pub id: i32,
    pub patient_id: i32,
    pub reason: String,
}

#[derive(Insertable)]
#[diesel(table_name = patients)]
pub struct NewPatient<'a> {
    pub ward_id: i32,
    pub name: &'a str,
}

#[derive(Identifiable, AsChangeset)]
#[diesel(table_name = patients)]
pub struct PatientChanges<'a> {
    pub id: i32,
    pub name: &'a str,
}

routes! {
    /// Where every table of the application lives.
    pub static ROUTES;
    shared { accounts { hospitals: Hospital, users: User, sessions: Session, memberships } }
    tenant { patients { wards: Ward, patients: Patient, visits: Visit, prescriptions } }
}
