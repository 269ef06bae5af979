//! Visits to the out-patient department.

use chrono::{NaiveDate, NaiveDateTime};
use diesel::prelude::*;

use super::appointments::Priority;
use super::doctors::Doctor;
use super::patients::Patient;
use crate::id::{Id, SharedRef};
use crate::models::macros::{redacted_debug, text_enum};
use crate::models::schema::tenant::opd_visits;
use crate::models::shared::accounts::User;
use crate::money::Money;

text_enum! {
    /// Where a visit stands.
    pub enum VisitState: "visit state" {
        /// The patient waits.
        Waiting = "waiting",
        /// The patient is with the doctor.
        InConsultation = "in_consultation",
        /// Over.
        Completed = "completed",
        /// Called off.
        Cancelled = "cancelled",
    }
}

/// A visit without an appointment.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = opd_visits, belongs_to(Patient), belongs_to(Doctor))]
pub struct OpdVisit {
    /// Primary key.
    pub id: Id<OpdVisit>,
    /// The visit's number.
    pub number: String,
    /// Who came.
    pub patient_id: Id<Patient>,
    /// Who saw them.
    pub doctor_id: Option<Id<Doctor>>,
    /// How soon.
    pub priority: Priority,
    /// Where it stands.
    pub state: VisitState,
    /// What the patient says.
    pub symptoms: String,
    /// What the doctor says.
    pub diagnosis: Option<String>,
    /// What was done.
    pub treatment: Option<String>,
    /// The price.
    pub fee: Money,
    /// When to come again.
    pub follow_up_on: Option<NaiveDate>,
    /// When (UTC).
    pub visited_at: NaiveDateTime,
    /// Who entered the row.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`OpdVisit`].
#[derive(Clone, Insertable)]
#[diesel(table_name = opd_visits, treat_none_as_default_value = false)]
pub struct NewOpdVisit<'a> {
    /// Primary key.
    pub id: Id<OpdVisit>,
    /// The visit's number.
    pub number: &'a str,
    /// Who came.
    pub patient_id: Id<Patient>,
    /// Who saw them.
    pub doctor_id: Option<Id<Doctor>>,
    /// How soon.
    pub priority: Priority,
    /// What the patient says.
    pub symptoms: &'a str,
    /// The price.
    pub fee: Money,
    /// When (UTC).
    pub visited_at: NaiveDateTime,
    /// Who entered the row.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to an [`OpdVisit`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = opd_visits)]
pub struct OpdVisitChanges<'a> {
    /// Who saw them.
    pub doctor_id: Option<Option<Id<Doctor>>>,
    /// How soon.
    pub priority: Option<Priority>,
    /// Where it stands.
    pub state: Option<VisitState>,
    /// What the patient says.
    pub symptoms: Option<&'a str>,
    /// What the doctor says.
    pub diagnosis: Option<Option<&'a str>>,
    /// What was done.
    pub treatment: Option<Option<&'a str>>,
    /// The price.
    pub fee: Option<Money>,
    /// When to come again.
    pub follow_up_on: Option<Option<NaiveDate>>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

redacted_debug! {
    OpdVisit { id }
    NewOpdVisit<'_> { id }
    OpdVisitChanges<'_> {}
}
