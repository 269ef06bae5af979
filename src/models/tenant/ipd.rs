//! In-patients: admissions and what is done for them.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::doctors::Doctor;
use super::patients::Patient;
use super::rooms::Bed;
use crate::id::{Id, SharedRef};
use crate::models::macros::{redacted_debug, text_enum};
use crate::models::schema::tenant::{admissions, treatments};
use crate::models::shared::accounts::User;
use crate::money::Money;

text_enum! {
    /// Where an admission stands.
    pub enum AdmissionState: "admission state" {
        /// The patient is in the bed.
        Admitted = "admitted",
        /// The patient went home.
        Discharged = "discharged",
        /// The patient was taken to another hospital.
        Transferred = "transferred",
        /// The patient died.
        Deceased = "deceased",
    }
}

/// A patient's stay; a bed and a patient have one open stay at most.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = admissions, belongs_to(Patient), belongs_to(Bed), belongs_to(Doctor))]
pub struct Admission {
    /// Primary key.
    pub id: Id<Admission>,
    /// The admission's number.
    pub number: String,
    /// Who stays.
    pub patient_id: Id<Patient>,
    /// In which bed.
    pub bed_id: Id<Bed>,
    /// Who is responsible.
    pub doctor_id: Id<Doctor>,
    /// Where it stands.
    pub state: AdmissionState,
    /// Why.
    pub reason: String,
    /// Who entered the row.
    pub admitted_by: Option<SharedRef<User>>,
    /// From when (UTC).
    pub admitted_at: NaiveDateTime,
    /// Who ended it.
    pub discharged_by: Option<SharedRef<User>>,
    /// Until when (UTC).
    pub discharged_at: Option<NaiveDateTime>,
    /// What to know afterwards.
    pub discharge_summary: Option<String>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`Admission`].
#[derive(Clone, Insertable)]
#[diesel(table_name = admissions, treat_none_as_default_value = false)]
pub struct NewAdmission<'a> {
    /// Primary key.
    pub id: Id<Admission>,
    /// The admission's number.
    pub number: &'a str,
    /// Who stays.
    pub patient_id: Id<Patient>,
    /// In which bed.
    pub bed_id: Id<Bed>,
    /// Who is responsible.
    pub doctor_id: Id<Doctor>,
    /// Why.
    pub reason: &'a str,
    /// Who entered the row.
    pub admitted_by: Option<SharedRef<User>>,
    /// From when (UTC).
    pub admitted_at: NaiveDateTime,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to an [`Admission`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = admissions)]
pub struct AdmissionChanges<'a> {
    /// In which bed.
    pub bed_id: Option<Id<Bed>>,
    /// Who is responsible.
    pub doctor_id: Option<Id<Doctor>>,
    /// Where it stands.
    pub state: Option<AdmissionState>,
    /// Why.
    pub reason: Option<&'a str>,
    /// Who ended it.
    pub discharged_by: Option<SharedRef<User>>,
    /// Until when (UTC).
    pub discharged_at: Option<NaiveDateTime>,
    /// What to know afterwards.
    pub discharge_summary: Option<Option<&'a str>>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

redacted_debug! {
    Admission { id }
    NewAdmission<'_> { id }
    AdmissionChanges<'_> {}
}

/// Something done during a stay.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = treatments, belongs_to(Admission))]
pub struct Treatment {
    /// Primary key.
    pub id: Id<Treatment>,
    /// The stay.
    pub admission_id: Id<Admission>,
    /// What was done.
    pub name: String,
    /// Remarks.
    pub notes: Option<String>,
    /// The price.
    pub price: Money,
    /// Who did it.
    pub given_by: Option<SharedRef<User>>,
    /// When (UTC).
    pub given_at: NaiveDateTime,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// A new [`Treatment`].
#[derive(Clone, Insertable)]
#[diesel(table_name = treatments, treat_none_as_default_value = false)]
pub struct NewTreatment<'a> {
    /// Primary key.
    pub id: Id<Treatment>,
    /// The stay.
    pub admission_id: Id<Admission>,
    /// What was done.
    pub name: &'a str,
    /// Remarks.
    pub notes: Option<&'a str>,
    /// The price.
    pub price: Money,
    /// Who did it.
    pub given_by: Option<SharedRef<User>>,
    /// When (UTC).
    pub given_at: NaiveDateTime,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`Treatment`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = treatments)]
pub struct TreatmentChanges<'a> {
    /// What was done.
    pub name: Option<&'a str>,
    /// Remarks.
    pub notes: Option<Option<&'a str>>,
    /// The price.
    pub price: Option<Money>,
}

redacted_debug! {
    Treatment { id }
    NewTreatment<'_> { id }
    TreatmentChanges<'_> {}
}
