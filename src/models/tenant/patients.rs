//! The patients, with notes, documents and measurements.

use chrono::{NaiveDate, NaiveDateTime};
use diesel::prelude::*;

use crate::id::{Id, SharedRef};
use crate::models::macros::{redacted_debug, text_enum};
use crate::models::schema::tenant::{patient_documents, patient_notes, patient_vitals, patients};
use crate::models::shared::accounts::User;

text_enum! {
    /// Sex as recorded.
    pub enum Sex: "sex" {
        /// Female.
        Female = "female",
        /// Male.
        Male = "male",
        /// Other.
        Other = "other",
        /// Not recorded.
        Unknown = "unknown",
    }
}

/// A person who is or was treated here.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = patients)]
pub struct Patient {
    /// Primary key.
    pub id: Id<Patient>,
    /// The number on the wristband, as in `TH001-PAT-000001`.
    pub number: String,
    /// Given name.
    pub given_name: String,
    /// Further given names.
    pub middle_name: Option<String>,
    /// Family name.
    pub family_name: String,
    /// Date of birth.
    pub birth_date: NaiveDate,
    /// Sex as recorded.
    pub sex: Sex,
    /// ABO and Rh, as in `O+`.
    pub blood_group: Option<String>,
    /// Telephone.
    pub phone: Option<String>,
    /// Another telephone.
    pub alternate_phone: Option<String>,
    /// E-mail.
    pub email: Option<String>,
    /// Street and number.
    pub address: Option<String>,
    /// Town.
    pub city: Option<String>,
    /// State or province.
    pub region: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
    /// Country.
    pub country: Option<String>,
    /// Whom to call.
    pub emergency_contact_name: Option<String>,
    /// Who that is to the patient.
    pub emergency_contact_relation: Option<String>,
    /// How to call them.
    pub emergency_contact_phone: Option<String>,
    /// Known allergies.
    pub allergies: Option<String>,
    /// Long-term conditions.
    pub chronic_conditions: Option<String>,
    /// What the patient takes.
    pub current_medications: Option<String>,
    /// Earlier illnesses and operations.
    pub medical_history: Option<String>,
    /// Illnesses in the family.
    pub family_history: Option<String>,
    /// Who pays.
    pub insurance_provider: Option<String>,
    /// Number of the policy.
    pub insurance_policy_number: Option<String>,
    /// The patient's own account, if they have one.
    pub user_id: Option<SharedRef<User>>,
    /// Who entered the row.
    pub registered_by: Option<SharedRef<User>>,
    /// Whether the record is in use.
    pub active: bool,
    /// The last visit (UTC).
    pub last_visit_at: Option<NaiveDateTime>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`Patient`].
#[derive(Clone, Insertable)]
#[diesel(table_name = patients, treat_none_as_default_value = false)]
pub struct NewPatient<'a> {
    /// Primary key.
    pub id: Id<Patient>,
    /// The number on the wristband, as in `TH001-PAT-000001`.
    pub number: &'a str,
    /// Given name.
    pub given_name: &'a str,
    /// Further given names.
    pub middle_name: Option<&'a str>,
    /// Family name.
    pub family_name: &'a str,
    /// Date of birth.
    pub birth_date: NaiveDate,
    /// Sex as recorded.
    pub sex: Sex,
    /// ABO and Rh, as in `O+`.
    pub blood_group: Option<&'a str>,
    /// Telephone.
    pub phone: Option<&'a str>,
    /// Another telephone.
    pub alternate_phone: Option<&'a str>,
    /// E-mail.
    pub email: Option<&'a str>,
    /// Street and number.
    pub address: Option<&'a str>,
    /// Town.
    pub city: Option<&'a str>,
    /// State or province.
    pub region: Option<&'a str>,
    /// Postal code.
    pub postal_code: Option<&'a str>,
    /// Country.
    pub country: Option<&'a str>,
    /// Whom to call.
    pub emergency_contact_name: Option<&'a str>,
    /// Who that is to the patient.
    pub emergency_contact_relation: Option<&'a str>,
    /// How to call them.
    pub emergency_contact_phone: Option<&'a str>,
    /// Known allergies.
    pub allergies: Option<&'a str>,
    /// Long-term conditions.
    pub chronic_conditions: Option<&'a str>,
    /// What the patient takes.
    pub current_medications: Option<&'a str>,
    /// Earlier illnesses and operations.
    pub medical_history: Option<&'a str>,
    /// Illnesses in the family.
    pub family_history: Option<&'a str>,
    /// Who pays.
    pub insurance_provider: Option<&'a str>,
    /// Number of the policy.
    pub insurance_policy_number: Option<&'a str>,
    /// The patient's own account, if they have one.
    pub user_id: Option<SharedRef<User>>,
    /// Who entered the row.
    pub registered_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

impl<'a> NewPatient<'a> {
    /// A patient with a fresh key, of whom no more is known yet; the rest by `..NewPatient::named(…)`.
    #[must_use]
    pub fn named(
        number: &'a str,
        given_name: &'a str,
        family_name: &'a str,
        birth_date: NaiveDate,
        sex: Sex,
        created_at: NaiveDateTime,
    ) -> Self {
        Self {
            id: Id::new(),
            number,
            given_name,
            family_name,
            birth_date,
            sex,
            created_at,
            middle_name: None,
            blood_group: None,
            phone: None,
            alternate_phone: None,
            email: None,
            address: None,
            city: None,
            region: None,
            postal_code: None,
            country: None,
            emergency_contact_name: None,
            emergency_contact_relation: None,
            emergency_contact_phone: None,
            allergies: None,
            chronic_conditions: None,
            current_medications: None,
            medical_history: None,
            family_history: None,
            insurance_provider: None,
            insurance_policy_number: None,
            user_id: None,
            registered_by: None,
        }
    }
}

/// Changes to a [`Patient`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = patients)]
pub struct PatientChanges<'a> {
    /// Given name.
    pub given_name: Option<&'a str>,
    /// Further given names.
    pub middle_name: Option<Option<&'a str>>,
    /// Family name.
    pub family_name: Option<&'a str>,
    /// Date of birth.
    pub birth_date: Option<NaiveDate>,
    /// Sex as recorded.
    pub sex: Option<Sex>,
    /// ABO and Rh, as in `O+`.
    pub blood_group: Option<Option<&'a str>>,
    /// Telephone.
    pub phone: Option<Option<&'a str>>,
    /// Another telephone.
    pub alternate_phone: Option<Option<&'a str>>,
    /// E-mail.
    pub email: Option<Option<&'a str>>,
    /// Street and number.
    pub address: Option<Option<&'a str>>,
    /// Town.
    pub city: Option<Option<&'a str>>,
    /// State or province.
    pub region: Option<Option<&'a str>>,
    /// Postal code.
    pub postal_code: Option<Option<&'a str>>,
    /// Country.
    pub country: Option<Option<&'a str>>,
    /// Whom to call.
    pub emergency_contact_name: Option<Option<&'a str>>,
    /// Who that is to the patient.
    pub emergency_contact_relation: Option<Option<&'a str>>,
    /// How to call them.
    pub emergency_contact_phone: Option<Option<&'a str>>,
    /// Known allergies.
    pub allergies: Option<Option<&'a str>>,
    /// Long-term conditions.
    pub chronic_conditions: Option<Option<&'a str>>,
    /// What the patient takes.
    pub current_medications: Option<Option<&'a str>>,
    /// Earlier illnesses and operations.
    pub medical_history: Option<Option<&'a str>>,
    /// Illnesses in the family.
    pub family_history: Option<Option<&'a str>>,
    /// Who pays.
    pub insurance_provider: Option<Option<&'a str>>,
    /// Number of the policy.
    pub insurance_policy_number: Option<Option<&'a str>>,
    /// The patient's own account, if they have one.
    pub user_id: Option<Option<SharedRef<User>>>,
    /// Whether the record is in use.
    pub active: Option<bool>,
    /// The last visit (UTC).
    pub last_visit_at: Option<NaiveDateTime>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

redacted_debug! {
    Patient { id }
    NewPatient<'_> { id }
    PatientChanges<'_> {}
}

/// A remark in a patient's record.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = patient_notes, belongs_to(Patient))]
pub struct PatientNote {
    /// Primary key.
    pub id: Id<PatientNote>,
    /// Whose record.
    pub patient_id: Id<Patient>,
    /// The remark.
    pub note: String,
    /// Whether only its author and administrators see it.
    pub confidential: bool,
    /// Who wrote it.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// A new [`PatientNote`].
#[derive(Clone, Insertable)]
#[diesel(table_name = patient_notes, treat_none_as_default_value = false)]
pub struct NewPatientNote<'a> {
    /// Primary key.
    pub id: Id<PatientNote>,
    /// Whose record.
    pub patient_id: Id<Patient>,
    /// The remark.
    pub note: &'a str,
    /// Whether only its author and administrators see it.
    pub confidential: bool,
    /// Who wrote it.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`PatientNote`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = patient_notes)]
pub struct PatientNoteChanges<'a> {
    /// The remark.
    pub note: Option<&'a str>,
    /// Whether only its author and administrators see it.
    pub confidential: Option<bool>,
}

redacted_debug! {
    PatientNote { id }
    NewPatientNote<'_> { id }
    PatientNoteChanges<'_> {}
}

/// A file in a patient's record; the file itself is kept elsewhere.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = patient_documents, belongs_to(Patient))]
pub struct PatientDocument {
    /// Primary key.
    pub id: Id<PatientDocument>,
    /// Whose record.
    pub patient_id: Id<Patient>,
    /// What it is, as in `referral`.
    pub kind: String,
    /// The title.
    pub title: String,
    /// What is in it.
    pub description: Option<String>,
    /// Where the file is kept.
    pub storage_key: String,
    /// Digest of the file, in hexadecimal.
    pub content_sha256: String,
    /// Whether it is shown to the treating staff only.
    pub confidential: bool,
    /// Who filed it.
    pub uploaded_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// A new [`PatientDocument`].
#[derive(Clone, Insertable)]
#[diesel(table_name = patient_documents, treat_none_as_default_value = false)]
pub struct NewPatientDocument<'a> {
    /// Primary key.
    pub id: Id<PatientDocument>,
    /// Whose record.
    pub patient_id: Id<Patient>,
    /// What it is, as in `referral`.
    pub kind: &'a str,
    /// The title.
    pub title: &'a str,
    /// What is in it.
    pub description: Option<&'a str>,
    /// Where the file is kept.
    pub storage_key: &'a str,
    /// Digest of the file, in hexadecimal.
    pub content_sha256: &'a str,
    /// Whether it is shown to the treating staff only.
    pub confidential: bool,
    /// Who filed it.
    pub uploaded_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`PatientDocument`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = patient_documents)]
pub struct PatientDocumentChanges<'a> {
    /// The title.
    pub title: Option<&'a str>,
    /// What is in it.
    pub description: Option<Option<&'a str>>,
    /// Whether it is shown to the treating staff only.
    pub confidential: Option<bool>,
}

redacted_debug! {
    PatientDocument { id }
    NewPatientDocument<'_> { id }
    PatientDocumentChanges<'_> {}
}

/// Measurements taken of a patient.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = patient_vitals, belongs_to(Patient))]
pub struct PatientVitals {
    /// Primary key.
    pub id: Id<PatientVitals>,
    /// Of whom.
    pub patient_id: Id<Patient>,
    /// Degrees Celsius.
    pub temperature: Option<f64>,
    /// Blood pressure, mmHg.
    pub systolic: Option<i32>,
    /// Blood pressure, mmHg.
    pub diastolic: Option<i32>,
    /// Beats a minute.
    pub heart_rate: Option<i32>,
    /// Breaths a minute.
    pub respiratory_rate: Option<i32>,
    /// Percent.
    pub oxygen_saturation: Option<i32>,
    /// Kilograms.
    pub weight: Option<f64>,
    /// Centimetres.
    pub height: Option<f64>,
    /// Remarks.
    pub notes: Option<String>,
    /// Who measured.
    pub recorded_by: Option<SharedRef<User>>,
    /// When (UTC).
    pub recorded_at: NaiveDateTime,
}

/// A new [`PatientVitals`].
#[derive(Clone, Insertable)]
#[diesel(table_name = patient_vitals, treat_none_as_default_value = false)]
pub struct NewPatientVitals<'a> {
    /// Primary key.
    pub id: Id<PatientVitals>,
    /// Of whom.
    pub patient_id: Id<Patient>,
    /// Degrees Celsius.
    pub temperature: Option<f64>,
    /// Blood pressure, mmHg.
    pub systolic: Option<i32>,
    /// Blood pressure, mmHg.
    pub diastolic: Option<i32>,
    /// Beats a minute.
    pub heart_rate: Option<i32>,
    /// Breaths a minute.
    pub respiratory_rate: Option<i32>,
    /// Percent.
    pub oxygen_saturation: Option<i32>,
    /// Kilograms.
    pub weight: Option<f64>,
    /// Centimetres.
    pub height: Option<f64>,
    /// Remarks.
    pub notes: Option<&'a str>,
    /// Who measured.
    pub recorded_by: Option<SharedRef<User>>,
    /// When (UTC).
    pub recorded_at: NaiveDateTime,
}

redacted_debug! {
    PatientVitals { id }
    NewPatientVitals<'_> { id }
}
