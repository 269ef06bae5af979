//! Services with their prices, invoices, payments and insurance claims.

use chrono::{NaiveDate, NaiveDateTime};
use diesel::prelude::*;

use super::appointments::Appointment;
use super::patients::Patient;
use crate::id::{Id, SharedRef};
use crate::models::macros::{redacted_debug, text_enum};
use crate::models::schema::tenant::{
    insurance_claims, invoice_items, invoices, payments, services,
};
use crate::models::shared::accounts::User;
use crate::money::Money;

text_enum! {
    /// Where an invoice stands.
    pub enum InvoiceState: "invoice state" {
        /// Being written.
        Draft = "draft",
        /// Sent, nothing paid.
        Pending = "pending",
        /// Sent, a part paid.
        PartiallyPaid = "partially_paid",
        /// Paid.
        Paid = "paid",
        /// Not paid in time.
        Overdue = "overdue",
        /// Void.
        Cancelled = "cancelled",
        /// Paid, and paid back.
        Refunded = "refunded",
    }
}

text_enum! {
    /// Where a payment stands.
    pub enum PaymentState: "payment state" {
        /// Begun.
        Pending = "pending",
        /// Received.
        Completed = "completed",
        /// Refused.
        Failed = "failed",
        /// Called off.
        Cancelled = "cancelled",
        /// Paid back.
        Refunded = "refunded",
    }
}

text_enum! {
    /// How money came in.
    pub enum PaymentMethod: "payment method" {
        /// Notes and coins.
        Cash = "cash",
        /// Card.
        Card = "card",
        /// Bank transfer.
        BankTransfer = "bank_transfer",
        /// Telephone wallet.
        Mobile = "mobile",
        /// Cheque.
        Cheque = "cheque",
        /// From the insurer.
        Insurance = "insurance",
    }
}

text_enum! {
    /// Where an insurance claim stands.
    pub enum ClaimState: "insurance claim state" {
        /// Sent.
        Submitted = "submitted",
        /// Being looked at by the insurer.
        UnderReview = "under_review",
        /// Accepted, not yet paid.
        Approved = "approved",
        /// Refused.
        Rejected = "rejected",
        /// Paid.
        Paid = "paid",
    }
}

/// Something a hospital charges for.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = services)]
pub struct Service {
    /// Primary key.
    pub id: Id<Service>,
    /// Short name, as in `SRV-014`.
    pub code: String,
    /// The name on invoices.
    pub name: String,
    /// What it is listed under.
    pub category: String,
    /// What it includes.
    pub description: Option<String>,
    /// Usual price.
    pub price: Money,
    /// Usual length.
    pub duration_minutes: Option<i32>,
    /// Whether tax is added.
    pub taxable: bool,
    /// Whether it is offered.
    pub active: bool,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`Service`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = services, treat_none_as_default_value = false)]
pub struct NewService<'a> {
    /// Primary key.
    pub id: Id<Service>,
    /// Short name, as in `SRV-014`.
    pub code: &'a str,
    /// The name on invoices.
    pub name: &'a str,
    /// What it is listed under.
    pub category: &'a str,
    /// What it includes.
    pub description: Option<&'a str>,
    /// Usual price.
    pub price: Money,
    /// Usual length.
    pub duration_minutes: Option<i32>,
    /// Whether tax is added.
    pub taxable: bool,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`Service`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = services)]
pub struct ServiceChanges<'a> {
    /// The name on invoices.
    pub name: Option<&'a str>,
    /// What it is listed under.
    pub category: Option<&'a str>,
    /// What it includes.
    pub description: Option<Option<&'a str>>,
    /// Usual price.
    pub price: Option<Money>,
    /// Usual length.
    pub duration_minutes: Option<Option<i32>>,
    /// Whether tax is added.
    pub taxable: Option<bool>,
    /// Whether it is offered.
    pub active: Option<bool>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// What a patient is asked to pay.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = invoices, belongs_to(Patient), belongs_to(Appointment))]
pub struct Invoice {
    /// Primary key.
    pub id: Id<Invoice>,
    /// The invoice's number, as in `INV-20260305-0001`.
    pub number: String,
    /// Who pays.
    pub patient_id: Id<Patient>,
    /// What for, if it was one appointment.
    pub appointment_id: Option<Id<Appointment>>,
    /// Date of the invoice.
    pub issued_on: NaiveDate,
    /// Last day to pay.
    pub due_on: NaiveDate,
    /// Sum of the items.
    pub subtotal_amount: Money,
    /// Taken off the sum.
    pub discount_amount: Money,
    /// Tax rate in hundredths of a percent.
    pub tax_basis_points: i32,
    /// Tax on what is left after the discount.
    pub tax_amount: Money,
    /// To be paid.
    pub total_amount: Money,
    /// Paid so far.
    pub paid_amount: Money,
    /// Where it stands.
    pub state: InvoiceState,
    /// Remarks the patient reads.
    pub notes: Option<String>,
    /// Who wrote it.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`Invoice`].
#[derive(Clone, Insertable)]
#[diesel(table_name = invoices, treat_none_as_default_value = false)]
pub struct NewInvoice<'a> {
    /// Primary key.
    pub id: Id<Invoice>,
    /// The invoice's number, as in `INV-20260305-0001`.
    pub number: &'a str,
    /// Who pays.
    pub patient_id: Id<Patient>,
    /// What for, if it was one appointment.
    pub appointment_id: Option<Id<Appointment>>,
    /// Date of the invoice.
    pub issued_on: NaiveDate,
    /// Last day to pay.
    pub due_on: NaiveDate,
    /// Sum of the items.
    pub subtotal_amount: Money,
    /// Taken off the sum.
    pub discount_amount: Money,
    /// Tax rate in hundredths of a percent.
    pub tax_basis_points: i32,
    /// Tax on what is left after the discount.
    pub tax_amount: Money,
    /// To be paid.
    pub total_amount: Money,
    /// Remarks the patient reads.
    pub notes: Option<&'a str>,
    /// Who wrote it.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to an [`Invoice`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = invoices)]
pub struct InvoiceChanges<'a> {
    /// Date of the invoice.
    pub issued_on: Option<NaiveDate>,
    /// Last day to pay.
    pub due_on: Option<NaiveDate>,
    /// Sum of the items.
    pub subtotal_amount: Option<Money>,
    /// Taken off the sum.
    pub discount_amount: Option<Money>,
    /// Tax rate in hundredths of a percent.
    pub tax_basis_points: Option<i32>,
    /// Tax on what is left after the discount.
    pub tax_amount: Option<Money>,
    /// To be paid.
    pub total_amount: Option<Money>,
    /// Paid so far.
    pub paid_amount: Option<Money>,
    /// Where it stands.
    pub state: Option<InvoiceState>,
    /// Remarks the patient reads.
    pub notes: Option<Option<&'a str>>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

redacted_debug! {
    Invoice { id }
    NewInvoice<'_> { id }
    InvoiceChanges<'_> {}
}

/// A line of an invoice.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = invoice_items, belongs_to(Invoice), belongs_to(Service))]
pub struct InvoiceItem {
    /// Primary key.
    pub id: Id<InvoiceItem>,
    /// The invoice.
    pub invoice_id: Id<Invoice>,
    /// The service, if it is in the price list.
    pub service_id: Option<Id<Service>>,
    /// What it is.
    pub description: String,
    /// How many.
    pub quantity: i32,
    /// Price of one.
    pub unit_price: Money,
    /// Price of all.
    pub total_amount: Money,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// A new [`InvoiceItem`].
#[derive(Clone, Insertable)]
#[diesel(table_name = invoice_items, treat_none_as_default_value = false)]
pub struct NewInvoiceItem<'a> {
    /// Primary key.
    pub id: Id<InvoiceItem>,
    /// The invoice.
    pub invoice_id: Id<Invoice>,
    /// The service, if it is in the price list.
    pub service_id: Option<Id<Service>>,
    /// What it is.
    pub description: &'a str,
    /// How many.
    pub quantity: i32,
    /// Price of one.
    pub unit_price: Money,
    /// Price of all.
    pub total_amount: Money,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to an [`InvoiceItem`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = invoice_items)]
pub struct InvoiceItemChanges<'a> {
    /// What it is.
    pub description: Option<&'a str>,
    /// How many.
    pub quantity: Option<i32>,
    /// Price of one.
    pub unit_price: Option<Money>,
    /// Price of all.
    pub total_amount: Option<Money>,
}

redacted_debug! {
    InvoiceItem { id }
    NewInvoiceItem<'_> { id }
    InvoiceItemChanges<'_> {}
}

/// Money received for an invoice.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = payments, belongs_to(Invoice))]
pub struct Payment {
    /// Primary key.
    pub id: Id<Payment>,
    /// The payment's number, as in `PAY-000001`.
    pub number: String,
    /// What was paid.
    pub invoice_id: Id<Invoice>,
    /// How much.
    pub amount: Money,
    /// How.
    pub payment_method: PaymentMethod,
    /// Where it stands.
    pub state: PaymentState,
    /// The bank's or the card's reference.
    pub reference: Option<String>,
    /// Remarks.
    pub notes: Option<String>,
    /// Who took it.
    pub processed_by: Option<SharedRef<User>>,
    /// When (UTC).
    pub paid_at: NaiveDateTime,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`Payment`].
#[derive(Clone, Insertable)]
#[diesel(table_name = payments, treat_none_as_default_value = false)]
pub struct NewPayment<'a> {
    /// Primary key.
    pub id: Id<Payment>,
    /// The payment's number, as in `PAY-000001`.
    pub number: &'a str,
    /// What was paid.
    pub invoice_id: Id<Invoice>,
    /// How much.
    pub amount: Money,
    /// How.
    pub payment_method: PaymentMethod,
    /// Where it stands.
    pub state: PaymentState,
    /// The bank's or the card's reference.
    pub reference: Option<&'a str>,
    /// Remarks.
    pub notes: Option<&'a str>,
    /// Who took it.
    pub processed_by: Option<SharedRef<User>>,
    /// When (UTC).
    pub paid_at: NaiveDateTime,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`Payment`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = payments)]
pub struct PaymentChanges<'a> {
    /// Where it stands.
    pub state: Option<PaymentState>,
    /// The bank's or the card's reference.
    pub reference: Option<Option<&'a str>>,
    /// Remarks.
    pub notes: Option<Option<&'a str>>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

redacted_debug! {
    Payment { id }
    NewPayment<'_> { id }
    PaymentChanges<'_> {}
}

/// An invoice sent to an insurer.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = insurance_claims, belongs_to(Invoice))]
pub struct InsuranceClaim {
    /// Primary key.
    pub id: Id<InsuranceClaim>,
    /// The claim's number, as in `CLM-00001`.
    pub number: String,
    /// The invoice.
    pub invoice_id: Id<Invoice>,
    /// The insurer.
    pub provider: String,
    /// The patient's policy.
    pub policy_number: String,
    /// Asked for.
    pub claimed_amount: Money,
    /// Granted.
    pub approved_amount: Option<Money>,
    /// Where it stands.
    pub state: ClaimState,
    /// When it was sent.
    pub submitted_on: NaiveDate,
    /// When the insurer answered.
    pub answered_on: Option<NaiveDate>,
    /// Why it was refused.
    pub rejection_reason: Option<String>,
    /// Remarks.
    pub notes: Option<String>,
    /// Who sent it.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`InsuranceClaim`].
#[derive(Clone, Insertable)]
#[diesel(table_name = insurance_claims, treat_none_as_default_value = false)]
pub struct NewInsuranceClaim<'a> {
    /// Primary key.
    pub id: Id<InsuranceClaim>,
    /// The claim's number, as in `CLM-00001`.
    pub number: &'a str,
    /// The invoice.
    pub invoice_id: Id<Invoice>,
    /// The insurer.
    pub provider: &'a str,
    /// The patient's policy.
    pub policy_number: &'a str,
    /// Asked for.
    pub claimed_amount: Money,
    /// When it was sent.
    pub submitted_on: NaiveDate,
    /// Remarks.
    pub notes: Option<&'a str>,
    /// Who sent it.
    pub created_by: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to an [`InsuranceClaim`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = insurance_claims)]
pub struct InsuranceClaimChanges<'a> {
    /// The patient's policy.
    pub policy_number: Option<&'a str>,
    /// Granted.
    pub approved_amount: Option<Option<Money>>,
    /// Where it stands.
    pub state: Option<ClaimState>,
    /// When the insurer answered.
    pub answered_on: Option<NaiveDate>,
    /// Why it was refused.
    pub rejection_reason: Option<Option<&'a str>>,
    /// Remarks.
    pub notes: Option<Option<&'a str>>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

redacted_debug! {
    InsuranceClaim { id }
    NewInsuranceClaim<'_> { id }
    InsuranceClaimChanges<'_> {}
}
