//! A hospital is put on another plan, and its database gets the plan's limit.
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::closing::{named, record};
use super::{OnboardingError, hospital};
use crate::context::{RunQueryDsl, SharedContext};
use crate::id::Id;
use crate::models::schema::shared::plans;
use crate::models::shared::accounts::Hospital;
use crate::models::shared::subscriptions::{BillingCycle, Plan};
use crate::services::subscriptions::{self, Limits, SubscriptionError};
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;
use crate::workflow::{Flow, Halt, Workflow};

/// Puts a hospital on another plan: [`subscriptions::change_plan`] and [`apply_plan`], both or neither. Once the rows
/// are written it is finished whatever happens.
///
/// # Errors
/// [`OnboardingError::UnknownHospital`], [`OnboardingError::Closed`], [`OnboardingError::Subscription`]; and those of
/// the run and the databases.
pub fn change_plan(
    tenancy: &Tenancy,
    code: &TenantId,
    plan: &str,
    cycle: BillingCycle,
) -> Result<(), OnboardingError> {
    let wanted = PlanWanted {
        plan: plan.to_owned(),
        cycle,
    };
    let tenant = named(tenancy, code)?.tenant;
    Ok(tenancy.run_workflow(&ChangePlan, &tenant, None, wanted)?)
}

/// Orders a plan for a hospital whose subscription is over: [`subscriptions::order`] and [`apply_plan`], both or neither. It
/// is pending until it is [`activate`](subscriptions::activate)d. Once the rows are written it is finished whatever happens.
///
/// # Errors
/// As [`change_plan`]; [`SubscriptionError::Exists`] where one is not over.
pub fn order(
    tenancy: &Tenancy,
    code: &TenantId,
    plan: &str,
    cycle: BillingCycle,
) -> Result<(), OnboardingError> {
    let wanted = PlanWanted {
        plan: plan.to_owned(),
        cycle,
    };
    let tenant = named(tenancy, code)?.tenant;
    Ok(tenancy.run_workflow(&OrderPlan, &tenant, None, wanted)?)
}

/// Takes back a quota that was set for this hospital alone: its plan's holds again, or that of its last plan where the
/// subscription is over, as in [`subscriptions::limits`]. Returns that, in bytes; `None` is no limit.
///
/// # Errors
/// As [`apply_plan`].
pub fn clear_quota(tenancy: &Tenancy, code: &TenantId) -> Result<Option<u64>, OnboardingError> {
    let tenant = record(tenancy, code)?.map(|record| record.uuid);
    let plan = {
        let shared = &mut tenancy.shared()?;
        let row = hospital(shared, code, tenant)?;
        subscriptions::plan_in_force(shared, row.id)?
    };
    match plan {
        Some(plan) => put_on(tenancy, code, &plan),
        None => tenancy
            .set_quota(code, None)
            .map(|()| None)
            .map_err(Into::into),
    }
}

/// Gives the hospital's tenant what its current plan says: the plan's name in the catalogue, and the storage limit as
/// its quota. Returns that, in bytes; `None` is no limit.
///
/// Registering, [`change_plan`] and [`order`] have done so. Call it yourself after you changed the row of a plan, for each hospital
/// that is on it. For when it holds, see [`Tenancy::set_quota`]. Without a subscription nothing is changed: the limit
/// stays what it was.
///
/// # Errors
/// [`OnboardingError::UnknownHospital`], [`OnboardingError::Quota`]; and those of the databases.
pub fn apply_plan(tenancy: &Tenancy, code: &TenantId) -> Result<Option<u64>, OnboardingError> {
    match plan_of(tenancy, code)? {
        Some(plan) => put_on(tenancy, code, &plan),
        None => Ok(tenancy.handle(code)?.record()?.quota),
    }
}

/// The plan of a hospital's subscription, if that is not over.
fn plan_of(tenancy: &Tenancy, code: &TenantId) -> Result<Option<Plan>, OnboardingError> {
    let tenant = record(tenancy, code)?.map(|record| record.uuid);
    let shared = &mut tenancy.shared()?;
    let row = hospital(shared, code, tenant)?;
    let Some(present) = subscriptions::current(shared, row.id)? else {
        return Ok(None);
    };
    let plan = plans::table.find(present.plan_id);
    Ok(Some(plan.select(Plan::as_select()).first(shared)?))
}

fn put_on(tenancy: &Tenancy, code: &TenantId, plan: &Plan) -> Result<Option<u64>, OnboardingError> {
    let bytes = Limits::of(plan).bytes();
    tenancy.set_plan(code, Some(&plan.code))?;
    tenancy.set_quota(code, bytes)?;
    Ok(bytes)
}

/// What [`ChangePlan`] and [`OrderPlan`] are given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlanWanted {
    /// The plan's code.
    pub plan: String,
    /// How often it is paid.
    pub cycle: BillingCycle,
}

/// The workflow of [`change_plan`].
#[derive(Debug, Clone, Copy, Default)]
pub struct ChangePlan;

impl Workflow for ChangePlan {
    const NAME: &'static str = "change-plan";
    const ALONE: bool = true;
    type Input = PlanWanted;
    type Output = ();
    type Error = OnboardingError;

    fn run<'a>(
        &'a self,
        flow: &mut Flow<'a, SqliteConnection, Self>,
        wanted: &'a PlanWanted,
    ) -> Result<(), Halt<OnboardingError>> {
        put_on_plan(flow, |shared, hospital| {
            let now = crate::services::now();
            subscriptions::change_plan(shared, hospital, &wanted.plan, wanted.cycle, now).map(drop)
        })
    }
}

/// The workflow of [`order`].
#[derive(Debug, Clone, Copy, Default)]
pub struct OrderPlan;

impl Workflow for OrderPlan {
    const NAME: &'static str = "order-plan";
    const ALONE: bool = true;
    type Input = PlanWanted;
    type Output = ();
    type Error = OnboardingError;

    fn run<'a>(
        &'a self,
        flow: &mut Flow<'a, SqliteConnection, Self>,
        wanted: &'a PlanWanted,
    ) -> Result<(), Halt<OnboardingError>> {
        put_on_plan(flow, |shared, hospital| {
            let now = crate::services::now();
            subscriptions::order(shared, hospital, &wanted.plan, wanted.cycle, now).map(drop)
        })
    }
}

/// The rows of a hospital that is not closed, and then what they mean for its database.
fn put_on_plan<'a, W: Workflow<Error = OnboardingError>>(
    flow: &mut Flow<'a, SqliteConnection, W>,
    rows: impl Fn(&mut SharedContext, Id<Hospital>) -> Result<(), SubscriptionError> + 'a,
) -> Result<(), Halt<OnboardingError>> {
    let (code, tenant) = (*flow.tenant_id(), flow.tenant_uuid());
    flow.committing().shared("subscription", move |shared| {
        let row = hospital(shared, &code, tenant)?;
        if row.closed_at.is_some() {
            return Err(OnboardingError::Closed { code });
        }
        Ok(rows(shared, row.id)?)
    })?;
    flow.verb("storage limit", move |tenancy| {
        match record(tenancy, &code)?.is_some_and(|found| Some(found.uuid) == tenant) {
            true => apply_plan(tenancy, &code).map(drop),
            // It was purged meanwhile, and whoever has its id has a plan of their own.
            false => Ok(()),
        }
    })
}
