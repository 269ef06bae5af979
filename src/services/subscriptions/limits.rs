//! What a plan allows of, and how much.
use diesel::prelude::*;

use super::{SubscriptionError, current};
use crate::context::{RunQueryDsl, SharedContext, TenantContext};
use crate::id::Id;
use crate::models::schema::shared::{plans, subscriptions, tenant_access, users};
use crate::models::schema::tenant::{doctors, patients};
use crate::models::shared::accounts::{Hospital, Role};
use crate::models::shared::subscriptions::Plan;

/// A limit of the hospital's plan is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hospital's plan allows {limit} {what}, and it has {found}; change the plan first")]
#[non_exhaustive]
pub struct LimitReached {
    /// What there may be no more of.
    pub what: Limited,
    /// How many the plan allows.
    pub limit: i64,
    /// How many there are.
    pub found: i64,
}

/// What a plan limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limited {
    /// Members who are not patients.
    Users,
    /// Doctors.
    Doctors,
    /// Patients whose record is in use.
    Patients,
    /// Megabytes.
    Megabytes,
}

impl std::fmt::Display for Limited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Users => "users",
            Self::Doctors => "doctors",
            Self::Patients => "patients",
            Self::Megabytes => "megabytes",
        })
    }
}

/// What the hospital's plan allows; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Limits {
    /// Members who are not patients.
    pub users: Option<i64>,
    /// Doctors.
    pub doctors: Option<i64>,
    /// Patients whose record is in use.
    pub patients: Option<i64>,
    /// Megabytes of 1,000,000 bytes.
    pub megabytes: Option<i64>,
}

impl Limits {
    /// Those of a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        Self {
            users: plan.max_users.map(i64::from),
            doctors: plan.max_doctors.map(i64::from),
            patients: plan.max_patients.map(i64::from),
            megabytes: plan.max_storage_mb,
        }
    }

    /// Refuses where one more patient would be too many. Ask in the transaction that makes the patient, or switches the
    /// record of one on again: [`Admissions`](crate::services::admission::Admissions) does for both. A plain update of the
    /// row is not seen by anything, and passes.
    ///
    /// # Errors
    /// [`SubscriptionError::Limit`]; [`SubscriptionError::Query`].
    pub fn check_patients(&self, tenant: &mut TenantContext) -> Result<(), SubscriptionError> {
        let Some(limit) = self.patients else {
            return Ok(());
        };
        let found = patients::table
            .filter(patients::active.eq(true))
            .count()
            .get_result(tenant)?;
        Ok(room(Limited::Patients, limit, found)?)
    }

    /// Refuses where one more doctor would be too many. Ask in the transaction that makes the doctor.
    ///
    /// # Errors
    /// [`SubscriptionError::Limit`]; [`SubscriptionError::Query`].
    pub fn check_doctors(&self, tenant: &mut TenantContext) -> Result<(), SubscriptionError> {
        let Some(limit) = self.doctors else {
            return Ok(());
        };
        let found = doctors::table.count().get_result(tenant)?;
        Ok(room(Limited::Doctors, limit, found)?)
    }

    /// The most bytes the hospital's database may have: [`quota`](crate::Tenancy::set_quota) of its tenant.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        let megabytes = u64::try_from(self.megabytes?).unwrap_or(0);
        Some(megabytes.saturating_mul(1_000_000))
    }

    /// Refuses where the hospital's database has as many bytes as the plan allows.
    ///
    /// # Errors
    /// [`LimitReached`].
    pub fn check_bytes(&self, bytes: u64) -> Result<(), LimitReached> {
        let Some(limit) = self.megabytes else {
            return Ok(());
        };
        let found = i64::try_from(bytes / 1_000_000).unwrap_or(i64::MAX);
        room(Limited::Megabytes, limit, found)
    }
}

/// The limits of the hospital's plan: of its current subscription or, where that is over, of its last one, whose limits go
/// on until there is another. Only a hospital that never had a subscription has no limits. Whether it may be used at all is
/// for [`require_active`](super::require_active) to say.
///
/// # Errors
/// Diesel's.
pub fn limits(shared: &mut SharedContext, hospital: Id<Hospital>) -> QueryResult<Limits> {
    let plan = plan_in_force(shared, hospital)?;
    Ok(plan.as_ref().map(Limits::of).unwrap_or_default())
}

/// The plan whose limits hold for a hospital.
pub(in crate::services) fn plan_in_force(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
) -> QueryResult<Option<Plan>> {
    let plan = match current(shared, hospital)? {
        Some(present) => Some(present.plan_id),
        None => subscriptions::table
            .filter(subscriptions::hospital_id.eq(hospital))
            .order((subscriptions::created_at.desc(), subscriptions::id.desc()))
            .select(subscriptions::plan_id)
            .first(shared)
            .optional()?,
    };
    let Some(plan) = plan else { return Ok(None) };
    plans::table
        .find(plan)
        .select(Plan::as_select())
        .first(shared)
        .map(Some)
}

/// Refuses where one more member would be too many. Asked in the transaction that makes the membership.
pub(in crate::services) fn check_users<E>(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
) -> Result<(), E>
where
    E: From<LimitReached> + From<diesel::result::Error>,
{
    let Some(limit) = limits(shared, hospital)?.users else {
        return Ok(());
    };
    let found = tenant_access::table
        .inner_join(users::table)
        .filter(tenant_access::hospital_id.eq(hospital))
        .filter(tenant_access::active.eq(true))
        .filter(tenant_access::role.ne(Role::Patient))
        .filter(users::active.eq(true))
        .count()
        .get_result(shared)?;
    Ok(room(Limited::Users, limit, found)?)
}

fn room(what: Limited, limit: i64, found: i64) -> Result<(), LimitReached> {
    match found < limit {
        true => Ok(()),
        false => Err(LimitReached { what, limit, found }),
    }
}
