//! What patients think of us.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::appointments::Appointment;
use super::patients::Patient;
use crate::id::{Id, SharedRef};
use crate::models::macros::redacted_debug;
use crate::models::schema::tenant::patient_feedback;
use crate::models::shared::accounts::User;

/// A patient's opinion.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = patient_feedback, belongs_to(Patient), belongs_to(Appointment))]
pub struct PatientFeedback {
    /// Primary key.
    pub id: Id<PatientFeedback>,
    /// Whose; `None` when it was given without a name.
    pub patient_id: Option<Id<Patient>>,
    /// About what.
    pub appointment_id: Option<Id<Appointment>>,
    /// 5 is best.
    pub rating: i32,
    /// In their words.
    pub comments: Option<String>,
    /// What we answered.
    pub reply: Option<String>,
    /// Who answered.
    pub replied_by: Option<SharedRef<User>>,
    /// When it was answered (UTC).
    pub replied_at: Option<NaiveDateTime>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// A new [`PatientFeedback`].
#[derive(Clone, Insertable)]
#[diesel(table_name = patient_feedback, treat_none_as_default_value = false)]
pub struct NewPatientFeedback<'a> {
    /// Primary key.
    pub id: Id<PatientFeedback>,
    /// Whose; `None` when it was given without a name.
    pub patient_id: Option<Id<Patient>>,
    /// About what.
    pub appointment_id: Option<Id<Appointment>>,
    /// 5 is best.
    pub rating: i32,
    /// In their words.
    pub comments: Option<&'a str>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`PatientFeedback`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = patient_feedback)]
pub struct PatientFeedbackChanges<'a> {
    /// What we answered.
    pub reply: Option<Option<&'a str>>,
    /// Who answered.
    pub replied_by: Option<SharedRef<User>>,
    /// When it was answered (UTC).
    pub replied_at: Option<NaiveDateTime>,
}

redacted_debug! {
    PatientFeedback { id }
    NewPatientFeedback<'_> { id }
    PatientFeedbackChanges<'_> {}
}
