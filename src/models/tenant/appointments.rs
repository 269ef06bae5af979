//! Appointments, their kinds and the history of their states.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::doctors::Doctor;
use super::patients::Patient;
use crate::id::{Id, SharedRef};
use crate::models::macros::{redacted_debug, text_enum};
use crate::models::schema::tenant::{appointment_events, appointment_types, appointments};
use crate::models::shared::accounts::User;
use crate::money::Money;

text_enum! {
    /// Where an appointment stands.
    pub enum AppointmentState: "appointment state" {
        /// Booked.
        Scheduled = "scheduled",
        /// The patient said they would come.
        Confirmed = "confirmed",
        /// The patient is here.
        CheckedIn = "checked_in",
        /// The patient is with the doctor.
        InProgress = "in_progress",
        /// Over.
        Completed = "completed",
        /// Called off.
        Cancelled = "cancelled",
        /// The patient did not come.
        NoShow = "no_show",
        /// Moved: another appointment took its place.
        Rescheduled = "rescheduled",
    }
}

text_enum! {
    /// How soon something has to be done.
    pub enum Priority: "priority" {
        /// Can wait.
        Low = "low",
        /// As usual.
        Normal = "normal",
        /// Before others.
        High = "high",
        /// Now.
        Urgent = "urgent",
    }
}

/// A kind of appointment.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = appointment_types)]
pub struct AppointmentType {
    /// Primary key.
    pub id: Id<AppointmentType>,
    /// The name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Usual length.
    pub duration_minutes: i32,
    /// Colour in calendars, as in `#3366cc`.
    pub color: Option<String>,
    /// Whether it can be booked.
    pub active: bool,
}

/// A new [`AppointmentType`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = appointment_types, treat_none_as_default_value = false)]
pub struct NewAppointmentType<'a> {
    /// Primary key.
    pub id: Id<AppointmentType>,
    /// The name.
    pub name: &'a str,
    /// What it is for.
    pub description: Option<&'a str>,
    /// Usual length.
    pub duration_minutes: i32,
    /// Colour in calendars, as in `#3366cc`.
    pub color: Option<&'a str>,
}

/// Changes to an [`AppointmentType`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = appointment_types)]
pub struct AppointmentTypeChanges<'a> {
    /// The name.
    pub name: Option<&'a str>,
    /// What it is for.
    pub description: Option<Option<&'a str>>,
    /// Usual length.
    pub duration_minutes: Option<i32>,
    /// Colour in calendars, as in `#3366cc`.
    pub color: Option<Option<&'a str>>,
    /// Whether it can be booked.
    pub active: Option<bool>,
}

/// A time a patient has with a doctor.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = appointments, belongs_to(Patient), belongs_to(Doctor), belongs_to(AppointmentType))]
pub struct Appointment {
    /// Primary key.
    pub id: Id<Appointment>,
    /// The appointment's number, as in `APT-20260305-0001`.
    pub number: String,
    /// Who comes.
    pub patient_id: Id<Patient>,
    /// To whom.
    pub doctor_id: Id<Doctor>,
    /// What kind.
    pub appointment_type_id: Option<Id<AppointmentType>>,
    /// The appointment it follows or replaces.
    pub previous_appointment_id: Option<Id<Appointment>>,
    /// When (UTC).
    pub starts_at: NaiveDateTime,
    /// For how long.
    pub duration_minutes: i32,
    /// Where it stands.
    pub state: AppointmentState,
    /// How soon.
    pub priority: Priority,
    /// What brings the patient.
    pub complaint: Option<String>,
    /// Remarks.
    pub notes: Option<String>,
    /// The price.
    pub fee: Money,
    /// Who booked it.
    pub created_by: Option<SharedRef<User>>,
    /// Who received the patient.
    pub checked_in_by: Option<SharedRef<User>>,
    /// When the patient came (UTC).
    pub checked_in_at: Option<NaiveDateTime>,
    /// When it was over (UTC).
    pub completed_at: Option<NaiveDateTime>,
    /// Who called it off.
    pub cancelled_by: Option<SharedRef<User>>,
    /// When it was called off (UTC).
    pub cancelled_at: Option<NaiveDateTime>,
    /// Why.
    pub cancellation_reason: Option<String>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`Appointment`].
#[derive(Clone, Insertable)]
#[diesel(table_name = appointments, treat_none_as_default_value = false)]
pub struct NewAppointment<'a> {
    /// Primary key.
    pub id: Id<Appointment>,
    /// The appointment's number, as in `APT-20260305-0001`.
    pub number: &'a str,
    /// Who comes.
    pub patient_id: Id<Patient>,
    /// To whom.
    pub doctor_id: Id<Doctor>,
    /// What kind.
    pub appointment_type_id: Option<Id<AppointmentType>>,
    /// The appointment it follows or replaces.
    pub previous_appointment_id: Option<Id<Appointment>>,
    /// When (UTC).
    pub starts_at: NaiveDateTime,
    /// For how long.
    pub duration_minutes: i32,
    /// How soon.
    pub priority: Priority,
    /// What brings the patient.
    pub complaint: Option<&'a str>,
    /// Remarks.
    pub notes: Option<&'a str>,
    /// The price.
    pub fee: Money,
    /// Who booked it.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to an [`Appointment`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = appointments)]
pub struct AppointmentChanges<'a> {
    /// To whom.
    pub doctor_id: Option<Id<Doctor>>,
    /// What kind.
    pub appointment_type_id: Option<Option<Id<AppointmentType>>>,
    /// When (UTC).
    pub starts_at: Option<NaiveDateTime>,
    /// For how long.
    pub duration_minutes: Option<i32>,
    /// Where it stands.
    pub state: Option<AppointmentState>,
    /// How soon.
    pub priority: Option<Priority>,
    /// What brings the patient.
    pub complaint: Option<Option<&'a str>>,
    /// Remarks.
    pub notes: Option<Option<&'a str>>,
    /// The price.
    pub fee: Option<Money>,
    /// Who received the patient.
    pub checked_in_by: Option<SharedRef<User>>,
    /// When the patient came (UTC).
    pub checked_in_at: Option<NaiveDateTime>,
    /// When it was over (UTC).
    pub completed_at: Option<NaiveDateTime>,
    /// Who called it off.
    pub cancelled_by: Option<SharedRef<User>>,
    /// When it was called off (UTC).
    pub cancelled_at: Option<NaiveDateTime>,
    /// Why.
    pub cancellation_reason: Option<Option<&'a str>>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

redacted_debug! {
    Appointment { id }
    NewAppointment<'_> { id }
    AppointmentChanges<'_> {}
}

/// A change of an appointment's state.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = appointment_events, belongs_to(Appointment))]
pub struct AppointmentEvent {
    /// Primary key.
    pub id: Id<AppointmentEvent>,
    /// Which appointment.
    pub appointment_id: Id<Appointment>,
    /// Before; `None` for the booking itself.
    pub from_state: Option<AppointmentState>,
    /// After.
    pub to_state: AppointmentState,
    /// Why.
    pub reason: Option<String>,
    /// Who did it.
    pub changed_by: Option<SharedRef<User>>,
    /// When (UTC).
    pub changed_at: NaiveDateTime,
}

/// A new [`AppointmentEvent`].
#[derive(Clone, Insertable)]
#[diesel(table_name = appointment_events, treat_none_as_default_value = false)]
pub struct NewAppointmentEvent<'a> {
    /// Primary key.
    pub id: Id<AppointmentEvent>,
    /// Which appointment.
    pub appointment_id: Id<Appointment>,
    /// Before; `None` for the booking itself.
    pub from_state: Option<AppointmentState>,
    /// After.
    pub to_state: AppointmentState,
    /// Why.
    pub reason: Option<&'a str>,
    /// Who did it.
    pub changed_by: Option<SharedRef<User>>,
    /// When (UTC).
    pub changed_at: NaiveDateTime,
}

redacted_debug! {
    AppointmentEvent { id }
    NewAppointmentEvent<'_> { id }
}
