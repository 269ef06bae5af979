//! Operating theatres, operations and who takes part.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::doctors::Doctor;
use super::patients::Patient;
use super::staff::StaffMember;
use crate::id::{Id, SharedRef};
use crate::models::macros::{redacted_debug, text_enum};
use crate::models::schema::tenant::{operating_theatres, surgeries, surgery_team};
use crate::models::shared::accounts::User;

text_enum! {
    /// Where an operation stands.
    pub enum SurgeryState: "surgery state" {
        /// Has a time.
        Scheduled = "scheduled",
        /// Going on.
        InProgress = "in_progress",
        /// Over.
        Completed = "completed",
        /// To be done later.
        Postponed = "postponed",
        /// Called off.
        Cancelled = "cancelled",
    }
}

text_enum! {
    /// What somebody does in an operation.
    pub enum SurgeryRole: "role in a surgery" {
        /// Operates.
        Surgeon = "surgeon",
        /// Helps the surgeon.
        Assistant = "assistant",
        /// Keeps the patient asleep.
        Anaesthetist = "anaesthetist",
        /// Hands instruments.
        ScrubNurse = "scrub_nurse",
        /// Does everything outside the sterile field.
        CirculatingNurse = "circulating_nurse",
    }
}

/// A room for operations.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = operating_theatres)]
pub struct OperatingTheatre {
    /// Primary key.
    pub id: Id<OperatingTheatre>,
    /// The name.
    pub name: String,
    /// Where it is.
    pub location: Option<String>,
    /// Whether it is in use.
    pub active: bool,
}

/// A new [`OperatingTheatre`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = operating_theatres, treat_none_as_default_value = false)]
pub struct NewOperatingTheatre<'a> {
    /// Primary key.
    pub id: Id<OperatingTheatre>,
    /// The name.
    pub name: &'a str,
    /// Where it is.
    pub location: Option<&'a str>,
}

/// Changes to an [`OperatingTheatre`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = operating_theatres)]
pub struct OperatingTheatreChanges<'a> {
    /// The name.
    pub name: Option<&'a str>,
    /// Where it is.
    pub location: Option<Option<&'a str>>,
    /// Whether it is in use.
    pub active: Option<bool>,
}

/// An operation.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = surgeries, belongs_to(Patient), belongs_to(Doctor), belongs_to(OperatingTheatre))]
pub struct Surgery {
    /// Primary key.
    pub id: Id<Surgery>,
    /// The operation's number.
    pub number: String,
    /// On whom.
    pub patient_id: Id<Patient>,
    /// Who is responsible.
    pub doctor_id: Id<Doctor>,
    /// Where.
    pub operating_theatre_id: Id<OperatingTheatre>,
    /// What is done.
    pub procedure_name: String,
    /// Where it stands.
    pub state: SurgeryState,
    /// When (UTC).
    pub scheduled_for: NaiveDateTime,
    /// Planned length.
    pub duration_minutes: i32,
    /// Kind of anaesthesia.
    pub anaesthesia: Option<String>,
    /// When it began (UTC).
    pub started_at: Option<NaiveDateTime>,
    /// When it ended (UTC).
    pub ended_at: Option<NaiveDateTime>,
    /// The report.
    pub notes: Option<String>,
    /// What went wrong.
    pub complications: Option<String>,
    /// Who entered the row.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`Surgery`].
#[derive(Clone, Insertable)]
#[diesel(table_name = surgeries, treat_none_as_default_value = false)]
pub struct NewSurgery<'a> {
    /// Primary key.
    pub id: Id<Surgery>,
    /// The operation's number.
    pub number: &'a str,
    /// On whom.
    pub patient_id: Id<Patient>,
    /// Who is responsible.
    pub doctor_id: Id<Doctor>,
    /// Where.
    pub operating_theatre_id: Id<OperatingTheatre>,
    /// What is done.
    pub procedure_name: &'a str,
    /// When (UTC).
    pub scheduled_for: NaiveDateTime,
    /// Planned length.
    pub duration_minutes: i32,
    /// Kind of anaesthesia.
    pub anaesthesia: Option<&'a str>,
    /// The report.
    pub notes: Option<&'a str>,
    /// Who entered the row.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`Surgery`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = surgeries)]
pub struct SurgeryChanges<'a> {
    /// Who is responsible.
    pub doctor_id: Option<Id<Doctor>>,
    /// Where.
    pub operating_theatre_id: Option<Id<OperatingTheatre>>,
    /// What is done.
    pub procedure_name: Option<&'a str>,
    /// Where it stands.
    pub state: Option<SurgeryState>,
    /// When (UTC).
    pub scheduled_for: Option<NaiveDateTime>,
    /// Planned length.
    pub duration_minutes: Option<i32>,
    /// Kind of anaesthesia.
    pub anaesthesia: Option<Option<&'a str>>,
    /// When it began (UTC).
    pub started_at: Option<NaiveDateTime>,
    /// When it ended (UTC).
    pub ended_at: Option<NaiveDateTime>,
    /// The report.
    pub notes: Option<Option<&'a str>>,
    /// What went wrong.
    pub complications: Option<Option<&'a str>>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

redacted_debug! {
    Surgery { id }
    NewSurgery<'_> { id }
    SurgeryChanges<'_> {}
}

/// Somebody takes part in an operation.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = surgery_team, belongs_to(Surgery), belongs_to(StaffMember))]
pub struct SurgeryTeamMember {
    /// Primary key.
    pub id: Id<SurgeryTeamMember>,
    /// The operation.
    pub surgery_id: Id<Surgery>,
    /// Who.
    pub staff_member_id: Id<StaffMember>,
    /// As what.
    pub role: SurgeryRole,
}

/// A new [`SurgeryTeamMember`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = surgery_team, treat_none_as_default_value = false)]
pub struct NewSurgeryTeamMember {
    /// Primary key.
    pub id: Id<SurgeryTeamMember>,
    /// The operation.
    pub surgery_id: Id<Surgery>,
    /// Who.
    pub staff_member_id: Id<StaffMember>,
    /// As what.
    pub role: SurgeryRole,
}

/// Changes to a [`SurgeryTeamMember`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = surgery_team)]
pub struct SurgeryTeamMemberChanges {
    /// As what.
    pub role: Option<SurgeryRole>,
}
