//! The departments and the people who work in them.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use diesel::prelude::*;

use crate::id::{Id, SharedRef};
use crate::models::macros::{redacted_debug, text_enum};
use crate::models::schema::tenant::{
    departments, staff_attendance, staff_members, staff_schedules,
};
use crate::models::shared::accounts::User;
use crate::money::Money;

text_enum! {
    /// What an employee does.
    pub enum StaffKind: "kind of staff" {
        /// Has a row in the doctors' table.
        Doctor = "doctor",
        /// Has a row in the nurses' table.
        Nurse = "nurse",
        /// Laboratory, imaging or workshop.
        Technician = "technician",
        /// Pharmacy.
        Pharmacist = "pharmacist",
        /// Front desk.
        Receptionist = "receptionist",
        /// Billing.
        Accountant = "accountant",
        /// Management.
        Administrator = "administrator",
        /// Everything else.
        Support = "support",
    }
}

text_enum! {
    /// On what terms somebody works.
    pub enum Employment: "kind of employment" {
        /// Whole weeks.
        FullTime = "full_time",
        /// Part of the week.
        PartTime = "part_time",
        /// For an agreed time.
        Contract = "contract",
        /// To learn.
        Intern = "intern",
    }
}

text_enum! {
    /// When somebody usually works.
    pub enum Shift: "shift" {
        /// Before noon.
        Morning = "morning",
        /// After noon.
        Afternoon = "afternoon",
        /// At night.
        Night = "night",
        /// By turns.
        Rotating = "rotating",
    }
}

text_enum! {
    /// Whether somebody came to work.
    pub enum AttendanceState: "state of attendance" {
        /// On time.
        Present = "present",
        /// Late.
        Late = "late",
        /// For half of the day.
        HalfDay = "half_day",
        /// Not expected.
        OnLeave = "on_leave",
        /// Expected, did not come.
        Absent = "absent",
    }
}

/// A part of the hospital.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = departments)]
pub struct Department {
    /// Primary key.
    pub id: Id<Department>,
    /// The name.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// Who leads it.
    pub head: Option<SharedRef<User>>,
    /// Whether it is still there.
    pub active: bool,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// A new [`Department`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = departments, treat_none_as_default_value = false)]
pub struct NewDepartment<'a> {
    /// Primary key.
    pub id: Id<Department>,
    /// The name.
    pub name: &'a str,
    /// What it does.
    pub description: Option<&'a str>,
    /// Who leads it.
    pub head: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`Department`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = departments)]
pub struct DepartmentChanges<'a> {
    /// The name.
    pub name: Option<&'a str>,
    /// What it does.
    pub description: Option<Option<&'a str>>,
    /// Who leads it.
    pub head: Option<Option<SharedRef<User>>>,
    /// Whether it is still there.
    pub active: Option<bool>,
}

/// Somebody employed by the hospital.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = staff_members, belongs_to(Department))]
pub struct StaffMember {
    /// Primary key.
    pub id: Id<StaffMember>,
    /// The number on the badge.
    pub number: String,
    /// The account, if the person has one.
    pub user_id: Option<SharedRef<User>>,
    /// Where the person works.
    pub department_id: Option<Id<Department>>,
    /// What the person does.
    pub kind: StaffKind,
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
    /// Date of birth.
    pub birth_date: Option<NaiveDate>,
    /// Telephone.
    pub phone: Option<String>,
    /// E-mail.
    pub email: Option<String>,
    /// Where the person lives.
    pub address: Option<String>,
    /// Whom to call.
    pub emergency_contact_name: Option<String>,
    /// How to call them.
    pub emergency_contact_phone: Option<String>,
    /// The title on the badge.
    pub position: Option<String>,
    /// Degrees and certificates.
    pub qualifications: Option<String>,
    /// On what terms.
    pub employment: Employment,
    /// The usual shift.
    pub shift: Shift,
    /// Pay of a month.
    pub salary: Option<Money>,
    /// First day of work.
    pub hired_on: NaiveDate,
    /// Last day of work, where it is known.
    pub contract_ends_on: Option<NaiveDate>,
    /// Whether the person works here now.
    pub active: bool,
    /// Who entered the row.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`StaffMember`].
#[derive(Clone, Insertable)]
#[diesel(table_name = staff_members, treat_none_as_default_value = false)]
pub struct NewStaffMember<'a> {
    /// Primary key.
    pub id: Id<StaffMember>,
    /// The number on the badge.
    pub number: &'a str,
    /// The account, if the person has one.
    pub user_id: Option<SharedRef<User>>,
    /// Where the person works.
    pub department_id: Option<Id<Department>>,
    /// What the person does.
    pub kind: StaffKind,
    /// Given name.
    pub given_name: &'a str,
    /// Family name.
    pub family_name: &'a str,
    /// Date of birth.
    pub birth_date: Option<NaiveDate>,
    /// Telephone.
    pub phone: Option<&'a str>,
    /// E-mail.
    pub email: Option<&'a str>,
    /// Where the person lives.
    pub address: Option<&'a str>,
    /// Whom to call.
    pub emergency_contact_name: Option<&'a str>,
    /// How to call them.
    pub emergency_contact_phone: Option<&'a str>,
    /// The title on the badge.
    pub position: Option<&'a str>,
    /// Degrees and certificates.
    pub qualifications: Option<&'a str>,
    /// On what terms.
    pub employment: Employment,
    /// The usual shift.
    pub shift: Shift,
    /// Pay of a month.
    pub salary: Option<Money>,
    /// First day of work.
    pub hired_on: NaiveDate,
    /// Last day of work, where it is known.
    pub contract_ends_on: Option<NaiveDate>,
    /// Who entered the row.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

impl<'a> NewStaffMember<'a> {
    /// Somebody with a fresh key, employed full time for the morning shift; the rest by `..NewStaffMember::named(…)`.
    #[must_use]
    pub fn named(
        number: &'a str,
        kind: StaffKind,
        given_name: &'a str,
        family_name: &'a str,
        hired_on: NaiveDate,
        created_at: NaiveDateTime,
    ) -> Self {
        Self {
            id: Id::new(),
            number,
            kind,
            given_name,
            family_name,
            employment: Employment::FullTime,
            shift: Shift::Morning,
            hired_on,
            created_at,
            user_id: None,
            department_id: None,
            birth_date: None,
            phone: None,
            email: None,
            address: None,
            emergency_contact_name: None,
            emergency_contact_phone: None,
            position: None,
            qualifications: None,
            salary: None,
            contract_ends_on: None,
            created_by: None,
        }
    }
}

/// Changes to a [`StaffMember`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = staff_members)]
pub struct StaffMemberChanges<'a> {
    /// The account, if the person has one.
    pub user_id: Option<Option<SharedRef<User>>>,
    /// Where the person works.
    pub department_id: Option<Option<Id<Department>>>,
    /// What the person does.
    pub kind: Option<StaffKind>,
    /// Given name.
    pub given_name: Option<&'a str>,
    /// Family name.
    pub family_name: Option<&'a str>,
    /// Date of birth.
    pub birth_date: Option<Option<NaiveDate>>,
    /// Telephone.
    pub phone: Option<Option<&'a str>>,
    /// E-mail.
    pub email: Option<Option<&'a str>>,
    /// Where the person lives.
    pub address: Option<Option<&'a str>>,
    /// Whom to call.
    pub emergency_contact_name: Option<Option<&'a str>>,
    /// How to call them.
    pub emergency_contact_phone: Option<Option<&'a str>>,
    /// The title on the badge.
    pub position: Option<Option<&'a str>>,
    /// Degrees and certificates.
    pub qualifications: Option<Option<&'a str>>,
    /// On what terms.
    pub employment: Option<Employment>,
    /// The usual shift.
    pub shift: Option<Shift>,
    /// Pay of a month.
    pub salary: Option<Option<Money>>,
    /// Last day of work, where it is known.
    pub contract_ends_on: Option<Option<NaiveDate>>,
    /// Whether the person works here now.
    pub active: Option<bool>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

redacted_debug! {
    StaffMember { id }
    NewStaffMember<'_> { id }
    StaffMemberChanges<'_> {}
}

/// The hours somebody works on a day of the week.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = staff_schedules, belongs_to(StaffMember))]
pub struct StaffSchedule {
    /// Primary key.
    pub id: Id<StaffSchedule>,
    /// Who works.
    pub staff_member_id: Id<StaffMember>,
    /// 1 is Monday.
    pub weekday: i32,
    /// Begin, in the hospital's time zone.
    pub starts_at: NaiveTime,
    /// End; before the begin, it is on the next day.
    pub ends_at: NaiveTime,
    /// Whether it applies.
    pub active: bool,
}

/// A new [`StaffSchedule`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = staff_schedules, treat_none_as_default_value = false)]
pub struct NewStaffSchedule {
    /// Primary key.
    pub id: Id<StaffSchedule>,
    /// Who works.
    pub staff_member_id: Id<StaffMember>,
    /// 1 is Monday.
    pub weekday: i32,
    /// Begin, in the hospital's time zone.
    pub starts_at: NaiveTime,
    /// End; before the begin, it is on the next day.
    pub ends_at: NaiveTime,
}

/// Changes to a [`StaffSchedule`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = staff_schedules)]
pub struct StaffScheduleChanges {
    /// Begin, in the hospital's time zone.
    pub starts_at: Option<NaiveTime>,
    /// End; before the begin, it is on the next day.
    pub ends_at: Option<NaiveTime>,
    /// Whether it applies.
    pub active: Option<bool>,
}

/// Whether somebody came to work on a day.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = staff_attendance, belongs_to(StaffMember))]
pub struct StaffAttendance {
    /// Primary key.
    pub id: Id<StaffAttendance>,
    /// Who.
    pub staff_member_id: Id<StaffMember>,
    /// Which day.
    pub day: NaiveDate,
    /// Whether they came.
    pub state: AttendanceState,
    /// When, in the hospital's time zone.
    pub came_at: Option<NaiveTime>,
    /// Until when.
    pub left_at: Option<NaiveTime>,
    /// Remarks.
    pub notes: Option<String>,
    /// Who wrote it down.
    pub marked_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// A new [`StaffAttendance`].
#[derive(Clone, Insertable)]
#[diesel(table_name = staff_attendance, treat_none_as_default_value = false)]
pub struct NewStaffAttendance<'a> {
    /// Primary key.
    pub id: Id<StaffAttendance>,
    /// Who.
    pub staff_member_id: Id<StaffMember>,
    /// Which day.
    pub day: NaiveDate,
    /// Whether they came.
    pub state: AttendanceState,
    /// When, in the hospital's time zone.
    pub came_at: Option<NaiveTime>,
    /// Until when.
    pub left_at: Option<NaiveTime>,
    /// Remarks.
    pub notes: Option<&'a str>,
    /// Who wrote it down.
    pub marked_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`StaffAttendance`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = staff_attendance)]
pub struct StaffAttendanceChanges<'a> {
    /// Whether they came.
    pub state: Option<AttendanceState>,
    /// When, in the hospital's time zone.
    pub came_at: Option<Option<NaiveTime>>,
    /// Until when.
    pub left_at: Option<Option<NaiveTime>>,
    /// Remarks.
    pub notes: Option<Option<&'a str>>,
    /// Who wrote it down.
    pub marked_by: Option<Option<SharedRef<User>>>,
}

redacted_debug! {
    StaffAttendance { id }
    NewStaffAttendance<'_> { id }
    StaffAttendanceChanges<'_> {}
}
