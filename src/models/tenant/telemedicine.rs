//! Consultations by video.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::appointments::Appointment;
use super::doctors::Doctor;
use super::patients::Patient;
use crate::id::Id;
use crate::models::macros::{redacted_debug, text_enum};
use crate::models::schema::tenant::teleconsultations;

text_enum! {
    /// Where a consultation by video stands.
    pub enum ConsultationState: "consultation state" {
        /// Has a time.
        Scheduled = "scheduled",
        /// One of the two is there.
        Waiting = "waiting",
        /// Both are there.
        InProgress = "in_progress",
        /// Over.
        Completed = "completed",
        /// The patient did not come.
        NoShow = "no_show",
        /// Called off.
        Cancelled = "cancelled",
    }
}

/// A consultation by video.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = teleconsultations, belongs_to(Patient), belongs_to(Doctor), belongs_to(Appointment))]
pub struct Teleconsultation {
    /// Primary key.
    pub id: Id<Teleconsultation>,
    /// With whom.
    pub patient_id: Id<Patient>,
    /// By whom.
    pub doctor_id: Id<Doctor>,
    /// The appointment it is held for.
    pub appointment_id: Option<Id<Appointment>>,
    /// Name of the virtual room; whoever knows it can enter.
    pub meeting_room: String,
    /// When (UTC).
    pub starts_at: NaiveDateTime,
    /// For how long.
    pub duration_minutes: i32,
    /// Where it stands.
    pub state: ConsultationState,
    /// When the patient came (UTC).
    pub patient_joined_at: Option<NaiveDateTime>,
    /// When the doctor came (UTC).
    pub doctor_joined_at: Option<NaiveDateTime>,
    /// When it was over (UTC).
    pub ended_at: Option<NaiveDateTime>,
    /// The doctor's notes.
    pub notes: Option<String>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`Teleconsultation`].
#[derive(Clone, Insertable)]
#[diesel(table_name = teleconsultations, treat_none_as_default_value = false)]
pub struct NewTeleconsultation<'a> {
    /// Primary key.
    pub id: Id<Teleconsultation>,
    /// With whom.
    pub patient_id: Id<Patient>,
    /// By whom.
    pub doctor_id: Id<Doctor>,
    /// The appointment it is held for.
    pub appointment_id: Option<Id<Appointment>>,
    /// Name of the virtual room; whoever knows it can enter.
    pub meeting_room: &'a str,
    /// When (UTC).
    pub starts_at: NaiveDateTime,
    /// For how long.
    pub duration_minutes: i32,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`Teleconsultation`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = teleconsultations)]
pub struct TeleconsultationChanges<'a> {
    /// By whom.
    pub doctor_id: Option<Id<Doctor>>,
    /// When (UTC).
    pub starts_at: Option<NaiveDateTime>,
    /// For how long.
    pub duration_minutes: Option<i32>,
    /// Where it stands.
    pub state: Option<ConsultationState>,
    /// When the patient came (UTC).
    pub patient_joined_at: Option<NaiveDateTime>,
    /// When the doctor came (UTC).
    pub doctor_joined_at: Option<NaiveDateTime>,
    /// When it was over (UTC).
    pub ended_at: Option<NaiveDateTime>,
    /// The doctor's notes.
    pub notes: Option<Option<&'a str>>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

redacted_debug! {
    Teleconsultation { id }
    NewTeleconsultation<'_> { id }
    TeleconsultationChanges<'_> {}
}
