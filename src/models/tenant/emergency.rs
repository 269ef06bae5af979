//! The emergency department.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::doctors::Doctor;
use super::patients::Patient;
use crate::id::{Id, SharedRef};
use crate::models::macros::{redacted_debug, text_enum};
use crate::models::schema::tenant::{emergency_cases, emergency_vitals};
use crate::models::shared::accounts::User;

text_enum! {
    /// Where an emergency case stands.
    pub enum EmergencyState: "emergency state" {
        /// Seen by nobody yet.
        Waiting = "waiting",
        /// Being treated.
        InTreatment = "in_treatment",
        /// Stays in the hospital.
        Admitted = "admitted",
        /// Taken to another hospital.
        Transferred = "transferred",
        /// Went home.
        Discharged = "discharged",
        /// Went without being seen.
        Left = "left",
        /// Died.
        Deceased = "deceased",
    }
}

text_enum! {
    /// How soon an emergency has to be seen, in five levels.
    pub enum Triage: "triage level" {
        /// At once.
        Resuscitation = "resuscitation",
        /// Within minutes.
        Emergent = "emergent",
        /// Soon.
        Urgent = "urgent",
        /// Within the hour.
        LessUrgent = "less_urgent",
        /// Can wait.
        NonUrgent = "non_urgent",
    }
}

/// Somebody who came to the emergency department.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = emergency_cases, belongs_to(Patient), belongs_to(Doctor))]
pub struct EmergencyCase {
    /// Primary key.
    pub id: Id<EmergencyCase>,
    /// The case's number.
    pub number: String,
    /// The patient, as soon as it is known who it is.
    pub patient_id: Option<Id<Patient>>,
    /// Name as given, or a description.
    pub patient_name: String,
    /// How soon.
    pub triage: Triage,
    /// Where it stands.
    pub state: EmergencyState,
    /// What happened.
    pub complaint: String,
    /// How they came, as in `ambulance`.
    pub arrival_mode: Option<String>,
    /// Who treats.
    pub doctor_id: Option<Id<Doctor>>,
    /// What was decided.
    pub disposition: Option<String>,
    /// When (UTC).
    pub arrived_at: NaiveDateTime,
    /// When it was over (UTC).
    pub closed_at: Option<NaiveDateTime>,
    /// Who entered the row.
    pub registered_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`EmergencyCase`].
#[derive(Clone, Insertable)]
#[diesel(table_name = emergency_cases, treat_none_as_default_value = false)]
pub struct NewEmergencyCase<'a> {
    /// Primary key.
    pub id: Id<EmergencyCase>,
    /// The case's number.
    pub number: &'a str,
    /// The patient, as soon as it is known who it is.
    pub patient_id: Option<Id<Patient>>,
    /// Name as given, or a description.
    pub patient_name: &'a str,
    /// How soon.
    pub triage: Triage,
    /// What happened.
    pub complaint: &'a str,
    /// How they came, as in `ambulance`.
    pub arrival_mode: Option<&'a str>,
    /// Who treats.
    pub doctor_id: Option<Id<Doctor>>,
    /// When (UTC).
    pub arrived_at: NaiveDateTime,
    /// Who entered the row.
    pub registered_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to an [`EmergencyCase`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = emergency_cases)]
pub struct EmergencyCaseChanges<'a> {
    /// The patient, as soon as it is known who it is.
    pub patient_id: Option<Option<Id<Patient>>>,
    /// Name as given, or a description.
    pub patient_name: Option<&'a str>,
    /// How soon.
    pub triage: Option<Triage>,
    /// Where it stands.
    pub state: Option<EmergencyState>,
    /// What happened.
    pub complaint: Option<&'a str>,
    /// Who treats.
    pub doctor_id: Option<Option<Id<Doctor>>>,
    /// What was decided.
    pub disposition: Option<Option<&'a str>>,
    /// When it was over (UTC).
    pub closed_at: Option<NaiveDateTime>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

redacted_debug! {
    EmergencyCase { id }
    NewEmergencyCase<'_> { id }
    EmergencyCaseChanges<'_> {}
}

/// Measurements taken in the emergency department.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = emergency_vitals, belongs_to(EmergencyCase))]
pub struct EmergencyVitals {
    /// Primary key.
    pub id: Id<EmergencyVitals>,
    /// The case.
    pub emergency_case_id: Id<EmergencyCase>,
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
    /// From 0 to 10.
    pub pain: Option<i32>,
    /// Remarks.
    pub notes: Option<String>,
    /// Who measured.
    pub recorded_by: Option<SharedRef<User>>,
    /// When (UTC).
    pub recorded_at: NaiveDateTime,
}

/// A new [`EmergencyVitals`].
#[derive(Clone, Insertable)]
#[diesel(table_name = emergency_vitals, treat_none_as_default_value = false)]
pub struct NewEmergencyVitals<'a> {
    /// Primary key.
    pub id: Id<EmergencyVitals>,
    /// The case.
    pub emergency_case_id: Id<EmergencyCase>,
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
    /// From 0 to 10.
    pub pain: Option<i32>,
    /// Remarks.
    pub notes: Option<&'a str>,
    /// Who measured.
    pub recorded_by: Option<SharedRef<User>>,
    /// When (UTC).
    pub recorded_at: NaiveDateTime,
}

redacted_debug! {
    EmergencyVitals { id }
    NewEmergencyVitals<'_> { id }
}
