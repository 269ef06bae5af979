//! Leave and pay.

use chrono::{NaiveDate, NaiveDateTime};
use diesel::prelude::*;

use super::staff::StaffMember;
use crate::id::{Id, SharedRef};
use crate::models::macros::{redacted_debug, text_enum};
use crate::models::schema::tenant::{leave_requests, payroll_entries};
use crate::models::shared::accounts::User;
use crate::money::Money;

text_enum! {
    /// Why somebody is away.
    pub enum LeaveKind: "kind of leave" {
        /// Holidays.
        Annual = "annual",
        /// Illness.
        Sick = "sick",
        /// A child.
        Parental = "parental",
        /// Learning.
        Study = "study",
        /// Something sudden.
        Emergency = "emergency",
        /// Anything else, without pay.
        Unpaid = "unpaid",
    }
}

text_enum! {
    /// Where a request for leave stands.
    pub enum LeaveState: "leave state" {
        /// Not decided.
        Pending = "pending",
        /// Granted.
        Approved = "approved",
        /// Refused.
        Rejected = "rejected",
        /// Withdrawn.
        Cancelled = "cancelled",
    }
}

text_enum! {
    /// Where a pay slip stands.
    pub enum PayrollState: "payroll state" {
        /// Being computed.
        Draft = "draft",
        /// To be paid.
        Approved = "approved",
        /// Paid.
        Paid = "paid",
        /// Void.
        Cancelled = "cancelled",
    }
}

/// Somebody wants to be away.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = leave_requests, belongs_to(StaffMember))]
pub struct LeaveRequest {
    /// Primary key.
    pub id: Id<LeaveRequest>,
    /// Who.
    pub staff_member_id: Id<StaffMember>,
    /// Why.
    pub kind: LeaveKind,
    /// First day.
    pub starts_on: NaiveDate,
    /// Last day.
    pub ends_on: NaiveDate,
    /// In their words.
    pub reason: Option<String>,
    /// Where it stands.
    pub state: LeaveState,
    /// Who decided.
    pub decided_by: Option<SharedRef<User>>,
    /// When it was decided (UTC).
    pub decided_at: Option<NaiveDateTime>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// A new [`LeaveRequest`].
#[derive(Clone, Insertable)]
#[diesel(table_name = leave_requests, treat_none_as_default_value = false)]
pub struct NewLeaveRequest<'a> {
    /// Primary key.
    pub id: Id<LeaveRequest>,
    /// Who.
    pub staff_member_id: Id<StaffMember>,
    /// Why.
    pub kind: LeaveKind,
    /// First day.
    pub starts_on: NaiveDate,
    /// Last day.
    pub ends_on: NaiveDate,
    /// In their words.
    pub reason: Option<&'a str>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`LeaveRequest`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = leave_requests)]
pub struct LeaveRequestChanges<'a> {
    /// Why.
    pub kind: Option<LeaveKind>,
    /// First day.
    pub starts_on: Option<NaiveDate>,
    /// Last day.
    pub ends_on: Option<NaiveDate>,
    /// In their words.
    pub reason: Option<Option<&'a str>>,
    /// Where it stands.
    pub state: Option<LeaveState>,
    /// Who decided.
    pub decided_by: Option<SharedRef<User>>,
    /// When it was decided (UTC).
    pub decided_at: Option<NaiveDateTime>,
}

redacted_debug! {
    LeaveRequest { id }
    NewLeaveRequest<'_> { id }
    LeaveRequestChanges<'_> {}
}

/// Somebody's pay of a month.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = payroll_entries, belongs_to(StaffMember))]
pub struct PayrollEntry {
    /// Primary key.
    pub id: Id<PayrollEntry>,
    /// Whose.
    pub staff_member_id: Id<StaffMember>,
    /// The month, as in `2026-03`.
    pub period: String,
    /// Pay by contract.
    pub base_amount: Money,
    /// Added.
    pub allowance_amount: Money,
    /// Taken off.
    pub deduction_amount: Money,
    /// Paid out.
    pub net_amount: Money,
    /// Where it stands.
    pub state: PayrollState,
    /// When it was paid.
    pub paid_on: Option<NaiveDate>,
    /// Who computed it.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`PayrollEntry`].
#[derive(Clone, Insertable)]
#[diesel(table_name = payroll_entries, treat_none_as_default_value = false)]
pub struct NewPayrollEntry<'a> {
    /// Primary key.
    pub id: Id<PayrollEntry>,
    /// Whose.
    pub staff_member_id: Id<StaffMember>,
    /// The month, as in `2026-03`.
    pub period: &'a str,
    /// Pay by contract.
    pub base_amount: Money,
    /// Added.
    pub allowance_amount: Money,
    /// Taken off.
    pub deduction_amount: Money,
    /// Paid out.
    pub net_amount: Money,
    /// Who computed it.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`PayrollEntry`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = payroll_entries)]
pub struct PayrollEntryChanges {
    /// Pay by contract.
    pub base_amount: Option<Money>,
    /// Added.
    pub allowance_amount: Option<Money>,
    /// Taken off.
    pub deduction_amount: Option<Money>,
    /// Paid out.
    pub net_amount: Option<Money>,
    /// Where it stands.
    pub state: Option<PayrollState>,
    /// When it was paid.
    pub paid_on: Option<NaiveDate>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

redacted_debug! {
    PayrollEntry { id }
    NewPayrollEntry<'_> { id }
    PayrollEntryChanges {}
}
