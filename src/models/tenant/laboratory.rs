//! Laboratory tests, orders and results.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::appointments::{Appointment, Priority};
use super::doctors::Doctor;
use super::patients::Patient;
use crate::id::{Id, SharedRef};
use crate::models::macros::{redacted_debug, text_enum};
use crate::models::schema::tenant::{
    lab_order_items, lab_orders, lab_results, lab_sections, lab_tests,
};
use crate::models::shared::accounts::User;
use crate::money::Money;

text_enum! {
    /// Where a laboratory order, or one test of it, stands.
    pub enum LabOrderState: "lab order state" {
        /// Asked for.
        Ordered = "ordered",
        /// The sample is here.
        SampleCollected = "sample_collected",
        /// Being measured.
        InProgress = "in_progress",
        /// All results are there.
        Completed = "completed",
        /// Called off.
        Cancelled = "cancelled",
    }
}

text_enum! {
    /// Where a result stands.
    pub enum LabResultState: "lab result state" {
        /// Being entered.
        Draft = "draft",
        /// Waiting for a second pair of eyes.
        PendingReview = "pending_review",
        /// Confirmed.
        Reviewed = "reviewed",
        /// Sent to the doctor.
        Reported = "reported",
    }
}

/// A part of the laboratory.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = lab_sections)]
pub struct LabSection {
    /// Primary key.
    pub id: Id<LabSection>,
    /// Short name.
    pub code: String,
    /// The name.
    pub name: String,
    /// What it measures.
    pub description: Option<String>,
    /// Who leads it.
    pub head: Option<SharedRef<User>>,
    /// Whether it works.
    pub active: bool,
}

/// A new [`LabSection`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = lab_sections, treat_none_as_default_value = false)]
pub struct NewLabSection<'a> {
    /// Primary key.
    pub id: Id<LabSection>,
    /// Short name.
    pub code: &'a str,
    /// The name.
    pub name: &'a str,
    /// What it measures.
    pub description: Option<&'a str>,
    /// Who leads it.
    pub head: Option<SharedRef<User>>,
}

/// Changes to a [`LabSection`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = lab_sections)]
pub struct LabSectionChanges<'a> {
    /// The name.
    pub name: Option<&'a str>,
    /// What it measures.
    pub description: Option<Option<&'a str>>,
    /// Who leads it.
    pub head: Option<Option<SharedRef<User>>>,
    /// Whether it works.
    pub active: Option<bool>,
}

/// A test the laboratory performs.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = lab_tests, belongs_to(LabSection))]
pub struct LabTest {
    /// Primary key.
    pub id: Id<LabTest>,
    /// Short name, as in `LAB-00001`.
    pub code: String,
    /// The name.
    pub name: String,
    /// Where it is done.
    pub lab_section_id: Id<LabSection>,
    /// What is needed, as in `blood`.
    pub sample_type: String,
    /// Unit of the result.
    pub unit: Option<String>,
    /// What is normal.
    pub reference_range: Option<String>,
    /// The price.
    pub price: Money,
    /// How long it takes.
    pub turnaround_hours: i32,
    /// Whether the patient must not have eaten.
    pub fasting: bool,
    /// Whether it can be ordered.
    pub active: bool,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`LabTest`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = lab_tests, treat_none_as_default_value = false)]
pub struct NewLabTest<'a> {
    /// Primary key.
    pub id: Id<LabTest>,
    /// Short name, as in `LAB-00001`.
    pub code: &'a str,
    /// The name.
    pub name: &'a str,
    /// Where it is done.
    pub lab_section_id: Id<LabSection>,
    /// What is needed, as in `blood`.
    pub sample_type: &'a str,
    /// Unit of the result.
    pub unit: Option<&'a str>,
    /// What is normal.
    pub reference_range: Option<&'a str>,
    /// The price.
    pub price: Money,
    /// How long it takes.
    pub turnaround_hours: i32,
    /// Whether the patient must not have eaten.
    pub fasting: bool,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`LabTest`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = lab_tests)]
pub struct LabTestChanges<'a> {
    /// The name.
    pub name: Option<&'a str>,
    /// Where it is done.
    pub lab_section_id: Option<Id<LabSection>>,
    /// What is needed, as in `blood`.
    pub sample_type: Option<&'a str>,
    /// Unit of the result.
    pub unit: Option<Option<&'a str>>,
    /// What is normal.
    pub reference_range: Option<Option<&'a str>>,
    /// The price.
    pub price: Option<Money>,
    /// How long it takes.
    pub turnaround_hours: Option<i32>,
    /// Whether the patient must not have eaten.
    pub fasting: Option<bool>,
    /// Whether it can be ordered.
    pub active: Option<bool>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// Tests a doctor wants of a patient.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = lab_orders, belongs_to(Patient), belongs_to(Doctor), belongs_to(Appointment))]
pub struct LabOrder {
    /// Primary key.
    pub id: Id<LabOrder>,
    /// The order's number, as in `LO-20260305-0001`.
    pub number: String,
    /// Of whom.
    pub patient_id: Id<Patient>,
    /// By whom.
    pub doctor_id: Id<Doctor>,
    /// In which appointment.
    pub appointment_id: Option<Id<Appointment>>,
    /// How soon.
    pub priority: Priority,
    /// Where it stands.
    pub state: LabOrderState,
    /// What the doctor suspects.
    pub clinical_notes: Option<String>,
    /// Price of all tests.
    pub total_amount: Money,
    /// When (UTC).
    pub ordered_at: NaiveDateTime,
    /// Who took the sample.
    pub sample_collected_by: Option<SharedRef<User>>,
    /// When the sample was taken (UTC).
    pub sample_collected_at: Option<NaiveDateTime>,
    /// When the last result was there (UTC).
    pub completed_at: Option<NaiveDateTime>,
    /// Who entered the row.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`LabOrder`].
#[derive(Clone, Insertable)]
#[diesel(table_name = lab_orders, treat_none_as_default_value = false)]
pub struct NewLabOrder<'a> {
    /// Primary key.
    pub id: Id<LabOrder>,
    /// The order's number, as in `LO-20260305-0001`.
    pub number: &'a str,
    /// Of whom.
    pub patient_id: Id<Patient>,
    /// By whom.
    pub doctor_id: Id<Doctor>,
    /// In which appointment.
    pub appointment_id: Option<Id<Appointment>>,
    /// How soon.
    pub priority: Priority,
    /// What the doctor suspects.
    pub clinical_notes: Option<&'a str>,
    /// Price of all tests.
    pub total_amount: Money,
    /// When (UTC).
    pub ordered_at: NaiveDateTime,
    /// Who entered the row.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`LabOrder`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = lab_orders)]
pub struct LabOrderChanges<'a> {
    /// How soon.
    pub priority: Option<Priority>,
    /// Where it stands.
    pub state: Option<LabOrderState>,
    /// What the doctor suspects.
    pub clinical_notes: Option<Option<&'a str>>,
    /// Price of all tests.
    pub total_amount: Option<Money>,
    /// Who took the sample.
    pub sample_collected_by: Option<SharedRef<User>>,
    /// When the sample was taken (UTC).
    pub sample_collected_at: Option<NaiveDateTime>,
    /// When the last result was there (UTC).
    pub completed_at: Option<NaiveDateTime>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

redacted_debug! {
    LabOrder { id }
    NewLabOrder<'_> { id }
    LabOrderChanges<'_> {}
}

/// One test of an order.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = lab_order_items, belongs_to(LabOrder), belongs_to(LabTest))]
pub struct LabOrderItem {
    /// Primary key.
    pub id: Id<LabOrderItem>,
    /// The order.
    pub lab_order_id: Id<LabOrder>,
    /// The test.
    pub lab_test_id: Id<LabTest>,
    /// The price.
    pub price: Money,
    /// Where it stands.
    pub state: LabOrderState,
    /// When the result was there (UTC).
    pub completed_at: Option<NaiveDateTime>,
}

/// A new [`LabOrderItem`].
#[derive(Clone, Insertable)]
#[diesel(table_name = lab_order_items, treat_none_as_default_value = false)]
pub struct NewLabOrderItem {
    /// Primary key.
    pub id: Id<LabOrderItem>,
    /// The order.
    pub lab_order_id: Id<LabOrder>,
    /// The test.
    pub lab_test_id: Id<LabTest>,
    /// The price.
    pub price: Money,
}

/// Changes to a [`LabOrderItem`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = lab_order_items)]
pub struct LabOrderItemChanges {
    /// Where it stands.
    pub state: Option<LabOrderState>,
    /// When the result was there (UTC).
    pub completed_at: Option<NaiveDateTime>,
}

redacted_debug! {
    LabOrderItem { id }
    NewLabOrderItem { id }
    LabOrderItemChanges {}
}

/// What a test showed.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = lab_results, belongs_to(LabOrderItem))]
pub struct LabResult {
    /// Primary key.
    pub id: Id<LabResult>,
    /// The test of the order.
    pub lab_order_item_id: Id<LabOrderItem>,
    /// The result.
    pub value: String,
    /// Its unit.
    pub unit: Option<String>,
    /// What is normal for this patient.
    pub reference_range: Option<String>,
    /// Whether it is outside that.
    pub abnormal: bool,
    /// What it means.
    pub comments: Option<String>,
    /// Where it stands.
    pub state: LabResultState,
    /// Who measured.
    pub performed_by: Option<SharedRef<User>>,
    /// When (UTC).
    pub performed_at: NaiveDateTime,
    /// Who confirmed it.
    pub reviewed_by: Option<SharedRef<User>>,
    /// When it was confirmed (UTC).
    pub reviewed_at: Option<NaiveDateTime>,
    /// When it was sent (UTC).
    pub reported_at: Option<NaiveDateTime>,
}

/// A new [`LabResult`].
#[derive(Clone, Insertable)]
#[diesel(table_name = lab_results, treat_none_as_default_value = false)]
pub struct NewLabResult<'a> {
    /// Primary key.
    pub id: Id<LabResult>,
    /// The test of the order.
    pub lab_order_item_id: Id<LabOrderItem>,
    /// The result.
    pub value: &'a str,
    /// Its unit.
    pub unit: Option<&'a str>,
    /// What is normal for this patient.
    pub reference_range: Option<&'a str>,
    /// Whether it is outside that.
    pub abnormal: bool,
    /// What it means.
    pub comments: Option<&'a str>,
    /// Who measured.
    pub performed_by: Option<SharedRef<User>>,
    /// When (UTC).
    pub performed_at: NaiveDateTime,
}

/// Changes to a [`LabResult`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = lab_results)]
pub struct LabResultChanges<'a> {
    /// The result.
    pub value: Option<&'a str>,
    /// Its unit.
    pub unit: Option<Option<&'a str>>,
    /// What is normal for this patient.
    pub reference_range: Option<Option<&'a str>>,
    /// Whether it is outside that.
    pub abnormal: Option<bool>,
    /// What it means.
    pub comments: Option<Option<&'a str>>,
    /// Where it stands.
    pub state: Option<LabResultState>,
    /// Who confirmed it.
    pub reviewed_by: Option<SharedRef<User>>,
    /// When it was confirmed (UTC).
    pub reviewed_at: Option<NaiveDateTime>,
    /// When it was sent (UTC).
    pub reported_at: Option<NaiveDateTime>,
}

redacted_debug! {
    LabResult { id }
    NewLabResult<'_> { id }
    LabResultChanges<'_> {}
}
