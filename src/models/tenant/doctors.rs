//! The doctors and their consultation hours.

use chrono::{NaiveDateTime, NaiveTime};
use diesel::prelude::*;

use super::staff::StaffMember;
use crate::id::Id;
use crate::models::schema::tenant::{doctor_schedules, doctors};
use crate::money::Money;

/// A member of staff who treats patients.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = doctors, belongs_to(StaffMember))]
pub struct Doctor {
    /// Primary key.
    pub id: Id<Doctor>,
    /// The person.
    pub staff_member_id: Id<StaffMember>,
    /// The doctor's number, as in `DR-0007`.
    pub number: String,
    /// Field, as in `Cardiology`.
    pub specialization: String,
    /// Number of the licence.
    pub license_number: String,
    /// Degrees.
    pub qualification: Option<String>,
    /// Usual price of an appointment.
    pub consultation_fee: Money,
    /// Whether appointments can be made.
    pub active: bool,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`Doctor`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = doctors, treat_none_as_default_value = false)]
pub struct NewDoctor<'a> {
    /// Primary key.
    pub id: Id<Doctor>,
    /// The person.
    pub staff_member_id: Id<StaffMember>,
    /// The doctor's number, as in `DR-0007`.
    pub number: &'a str,
    /// Field, as in `Cardiology`.
    pub specialization: &'a str,
    /// Number of the licence.
    pub license_number: &'a str,
    /// Degrees.
    pub qualification: Option<&'a str>,
    /// Usual price of an appointment.
    pub consultation_fee: Money,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`Doctor`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = doctors)]
pub struct DoctorChanges<'a> {
    /// Field, as in `Cardiology`.
    pub specialization: Option<&'a str>,
    /// Number of the licence.
    pub license_number: Option<&'a str>,
    /// Degrees.
    pub qualification: Option<Option<&'a str>>,
    /// Usual price of an appointment.
    pub consultation_fee: Option<Money>,
    /// Whether appointments can be made.
    pub active: Option<bool>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// Hours in which a doctor can be booked.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = doctor_schedules, belongs_to(Doctor))]
pub struct DoctorSchedule {
    /// Primary key.
    pub id: Id<DoctorSchedule>,
    /// The doctor.
    pub doctor_id: Id<Doctor>,
    /// 1 is Monday.
    pub weekday: i32,
    /// Begin, in the hospital's time zone.
    pub starts_at: NaiveTime,
    /// End.
    pub ends_at: NaiveTime,
}

/// A new [`DoctorSchedule`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = doctor_schedules, treat_none_as_default_value = false)]
pub struct NewDoctorSchedule {
    /// Primary key.
    pub id: Id<DoctorSchedule>,
    /// The doctor.
    pub doctor_id: Id<Doctor>,
    /// 1 is Monday.
    pub weekday: i32,
    /// Begin, in the hospital's time zone.
    pub starts_at: NaiveTime,
    /// End.
    pub ends_at: NaiveTime,
}

/// Changes to a [`DoctorSchedule`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = doctor_schedules)]
pub struct DoctorScheduleChanges {
    /// Begin, in the hospital's time zone.
    pub starts_at: Option<NaiveTime>,
    /// End.
    pub ends_at: Option<NaiveTime>,
}
