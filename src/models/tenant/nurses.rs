//! The nurses and their shifts.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use diesel::prelude::*;

use super::staff::StaffMember;
use crate::id::Id;
use crate::models::schema::tenant::{nurse_schedules, nurses};

/// A member of staff who cares for patients.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = nurses, belongs_to(StaffMember))]
pub struct Nurse {
    /// Primary key.
    pub id: Id<Nurse>,
    /// The person.
    pub staff_member_id: Id<StaffMember>,
    /// The nurse's number.
    pub number: String,
    /// Number of the licence.
    pub license_number: Option<String>,
    /// Rank, as in `Senior`.
    pub grade: Option<String>,
    /// Field, as in `Neonatal`.
    pub specialty: Option<String>,
    /// Whether shifts can be planned.
    pub active: bool,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`Nurse`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = nurses, treat_none_as_default_value = false)]
pub struct NewNurse<'a> {
    /// Primary key.
    pub id: Id<Nurse>,
    /// The person.
    pub staff_member_id: Id<StaffMember>,
    /// The nurse's number.
    pub number: &'a str,
    /// Number of the licence.
    pub license_number: Option<&'a str>,
    /// Rank, as in `Senior`.
    pub grade: Option<&'a str>,
    /// Field, as in `Neonatal`.
    pub specialty: Option<&'a str>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`Nurse`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = nurses)]
pub struct NurseChanges<'a> {
    /// Number of the licence.
    pub license_number: Option<Option<&'a str>>,
    /// Rank, as in `Senior`.
    pub grade: Option<Option<&'a str>>,
    /// Field, as in `Neonatal`.
    pub specialty: Option<Option<&'a str>>,
    /// Whether shifts can be planned.
    pub active: Option<bool>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A nurse's shift on a day.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = nurse_schedules, belongs_to(Nurse))]
pub struct NurseSchedule {
    /// Primary key.
    pub id: Id<NurseSchedule>,
    /// The nurse.
    pub nurse_id: Id<Nurse>,
    /// The day it begins.
    pub day: NaiveDate,
    /// Begin, in the hospital's time zone.
    pub starts_at: NaiveTime,
    /// End; before the begin, it is on the next day.
    pub ends_at: NaiveTime,
    /// Remarks.
    pub notes: Option<String>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// A new [`NurseSchedule`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = nurse_schedules, treat_none_as_default_value = false)]
pub struct NewNurseSchedule<'a> {
    /// Primary key.
    pub id: Id<NurseSchedule>,
    /// The nurse.
    pub nurse_id: Id<Nurse>,
    /// The day it begins.
    pub day: NaiveDate,
    /// Begin, in the hospital's time zone.
    pub starts_at: NaiveTime,
    /// End; before the begin, it is on the next day.
    pub ends_at: NaiveTime,
    /// Remarks.
    pub notes: Option<&'a str>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`NurseSchedule`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = nurse_schedules)]
pub struct NurseScheduleChanges<'a> {
    /// Begin, in the hospital's time zone.
    pub starts_at: Option<NaiveTime>,
    /// End; before the begin, it is on the next day.
    pub ends_at: Option<NaiveTime>,
    /// Remarks.
    pub notes: Option<Option<&'a str>>,
}
