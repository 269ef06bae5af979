//! What the customers pay for: plans, subscriptions, modules and accepted contracts.

use chrono::{NaiveDate, NaiveDateTime};
use diesel::prelude::*;

use super::accounts::{Hospital, User};
use crate::id::Id;
use crate::models::macros::{redacted_debug, text_enum};
use crate::models::schema::shared::{contract_acceptances, hospital_modules, plans, subscriptions};
use crate::money::Money;

text_enum! {
    /// Where a subscription stands.
    pub enum SubscriptionState: "subscription state" {
        /// In use, not yet paid for.
        Trial = "trial",
        /// Ordered; the contract is not accepted yet.
        Pending = "pending",
        /// Paid.
        Active = "active",
        /// In use although a payment is late.
        PastDue = "past_due",
        /// Stopped by us; the data is kept.
        Suspended = "suspended",
        /// Ended by the customer.
        Cancelled = "cancelled",
        /// Ended by its date.
        Expired = "expired",
    }
}

text_enum! {
    /// How often a subscription is paid.
    pub enum BillingCycle: "billing cycle" {
        /// Every month.
        Monthly = "monthly",
        /// Every year.
        Yearly = "yearly",
    }
}

/// What a hospital can subscribe to.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = plans)]
pub struct Plan {
    /// Primary key.
    pub id: Id<Plan>,
    /// Short name, as in `standard`.
    pub code: String,
    /// The name customers read.
    pub name: String,
    /// What it is good for.
    pub description: Option<String>,
    /// Price of a month.
    pub monthly_price: Money,
    /// Price of a year.
    pub yearly_price: Money,
    /// ISO 4217 code of both prices.
    pub currency: String,
    /// Users allowed; `None` is no limit.
    pub max_users: Option<i32>,
    /// Doctors allowed; `None` is no limit.
    pub max_doctors: Option<i32>,
    /// Patients allowed; `None` is no limit.
    pub max_patients: Option<i32>,
    /// Megabytes allowed; `None` is no limit.
    pub max_storage_mb: Option<i64>,
    /// Whether it can be ordered.
    pub active: bool,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`Plan`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = plans, treat_none_as_default_value = false)]
pub struct NewPlan<'a> {
    /// Primary key.
    pub id: Id<Plan>,
    /// Short name, as in `standard`.
    pub code: &'a str,
    /// The name customers read.
    pub name: &'a str,
    /// What it is good for.
    pub description: Option<&'a str>,
    /// Price of a month.
    pub monthly_price: Money,
    /// Price of a year.
    pub yearly_price: Money,
    /// ISO 4217 code of both prices.
    pub currency: &'a str,
    /// Users allowed; `None` is no limit.
    pub max_users: Option<i32>,
    /// Doctors allowed; `None` is no limit.
    pub max_doctors: Option<i32>,
    /// Patients allowed; `None` is no limit.
    pub max_patients: Option<i32>,
    /// Megabytes allowed; `None` is no limit.
    pub max_storage_mb: Option<i64>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`Plan`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = plans)]
pub struct PlanChanges<'a> {
    /// The name customers read.
    pub name: Option<&'a str>,
    /// What it is good for.
    pub description: Option<Option<&'a str>>,
    /// Price of a month.
    pub monthly_price: Option<Money>,
    /// Price of a year.
    pub yearly_price: Option<Money>,
    /// Users allowed; `None` is no limit.
    pub max_users: Option<Option<i32>>,
    /// Doctors allowed; `None` is no limit.
    pub max_doctors: Option<Option<i32>>,
    /// Patients allowed; `None` is no limit.
    pub max_patients: Option<Option<i32>>,
    /// Megabytes allowed; `None` is no limit.
    pub max_storage_mb: Option<Option<i64>>,
    /// Whether it can be ordered.
    pub active: Option<bool>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A hospital's contract for a plan; at most one is current.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = subscriptions, belongs_to(Hospital), belongs_to(Plan))]
pub struct Subscription {
    /// Primary key.
    pub id: Id<Subscription>,
    /// The customer.
    pub hospital_id: Id<Hospital>,
    /// The plan.
    pub plan_id: Id<Plan>,
    /// Where it stands.
    pub state: SubscriptionState,
    /// How often it is paid.
    pub billing_cycle: BillingCycle,
    /// The agreed price of one cycle.
    pub price: Money,
    /// ISO 4217 code of the price.
    pub currency: String,
    /// Whether it goes on at its end.
    pub auto_renew: bool,
    /// First day.
    pub starts_on: NaiveDate,
    /// Last day.
    pub ends_on: NaiveDate,
    /// Last day that is free.
    pub trial_ends_on: Option<NaiveDate>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`Subscription`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = subscriptions, treat_none_as_default_value = false)]
pub struct NewSubscription<'a> {
    /// Primary key.
    pub id: Id<Subscription>,
    /// The customer.
    pub hospital_id: Id<Hospital>,
    /// The plan.
    pub plan_id: Id<Plan>,
    /// Where it stands.
    pub state: SubscriptionState,
    /// How often it is paid.
    pub billing_cycle: BillingCycle,
    /// The agreed price of one cycle.
    pub price: Money,
    /// ISO 4217 code of the price.
    pub currency: &'a str,
    /// Whether it goes on at its end.
    pub auto_renew: bool,
    /// First day.
    pub starts_on: NaiveDate,
    /// Last day.
    pub ends_on: NaiveDate,
    /// Last day that is free.
    pub trial_ends_on: Option<NaiveDate>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`Subscription`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = subscriptions)]
pub struct SubscriptionChanges {
    /// The plan.
    pub plan_id: Option<Id<Plan>>,
    /// Where it stands.
    pub state: Option<SubscriptionState>,
    /// How often it is paid.
    pub billing_cycle: Option<BillingCycle>,
    /// The agreed price of one cycle.
    pub price: Option<Money>,
    /// Whether it goes on at its end.
    pub auto_renew: Option<bool>,
    /// Last day.
    pub ends_on: Option<NaiveDate>,
    /// Last day that is free.
    pub trial_ends_on: Option<Option<NaiveDate>>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A part of the program that a hospital has, or has not.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = hospital_modules, primary_key(hospital_id, module), belongs_to(Hospital))]
pub struct HospitalModule {
    /// The hospital.
    pub hospital_id: Id<Hospital>,
    /// The module's name, as in the routing table.
    pub module: String,
    /// Whether the hospital may use it; without a row it may not.
    pub enabled: bool,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`HospitalModule`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = hospital_modules, treat_none_as_default_value = false)]
pub struct NewHospitalModule<'a> {
    /// The hospital.
    pub hospital_id: Id<Hospital>,
    /// The module's name, as in the routing table.
    pub module: &'a str,
    /// Whether the hospital may use it; without a row it may not.
    pub enabled: bool,
}

/// Changes to a [`HospitalModule`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = hospital_modules)]
pub struct HospitalModuleChanges {
    /// Whether the hospital may use it; without a row it may not.
    pub enabled: Option<bool>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A user accepted a version of the contract for a hospital.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable, Associations)]
#[diesel(table_name = contract_acceptances, belongs_to(Hospital), belongs_to(User))]
pub struct ContractAcceptance {
    /// Primary key.
    pub id: Id<ContractAcceptance>,
    /// For whom.
    pub hospital_id: Id<Hospital>,
    /// By whom.
    pub user_id: Id<User>,
    /// Which version.
    pub version: String,
    /// Digest of the text that was shown, in hexadecimal.
    pub text_sha256: String,
    /// From where.
    pub ip_address: Option<String>,
    /// When (UTC).
    pub accepted_at: NaiveDateTime,
}

/// A new [`ContractAcceptance`].
#[derive(Clone, Insertable)]
#[diesel(table_name = contract_acceptances, treat_none_as_default_value = false)]
pub struct NewContractAcceptance<'a> {
    /// Primary key.
    pub id: Id<ContractAcceptance>,
    /// For whom.
    pub hospital_id: Id<Hospital>,
    /// By whom.
    pub user_id: Id<User>,
    /// Which version.
    pub version: &'a str,
    /// Digest of the text that was shown, in hexadecimal.
    pub text_sha256: &'a str,
    /// From where.
    pub ip_address: Option<&'a str>,
    /// When (UTC).
    pub accepted_at: NaiveDateTime,
}

redacted_debug! {
    ContractAcceptance { id }
    NewContractAcceptance<'_> { id }
}
