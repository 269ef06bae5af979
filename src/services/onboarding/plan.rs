//! A hospital is put on another plan, and its database gets the plan's limit.
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::closing::{named, record};
use super::{OnboardingError, hospital};
use crate::context::RunQueryDsl;
use crate::models::schema::shared::plans;
use crate::models::shared::subscriptions::{BillingCycle, Plan};
use crate::services::subscriptions::{self, Limits};
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

/// Gives the hospital's tenant what its current plan says: the plan's name in the catalogue, and the storage limit as
/// its quota. Returns that, in bytes; `None` is no limit.
///
/// Registering and [`change_plan`] have done so. Call it yourself after you changed the row of a plan, for each hospital
/// that is on it. For when it holds, see [`Tenancy::set_quota`]. Without a subscription nothing is changed: the limit
/// stays what it was.
///
/// # Errors
/// [`OnboardingError::UnknownHospital`], [`OnboardingError::Quota`]; and those of the databases.
pub fn apply_plan(tenancy: &Tenancy, code: &TenantId) -> Result<Option<u64>, OnboardingError> {
    let tenant = record(tenancy, code)?.map(|record| record.uuid);
    let plan = {
        let shared = &mut tenancy.shared()?;
        let row = hospital(shared, code, tenant)?;
        let Some(present) = subscriptions::current(shared, row.id)? else {
            return Ok(tenancy.handle(code)?.record()?.quota);
        };
        let plan = plans::table.find(present.plan_id);
        plan.select(Plan::as_select()).first(shared)?
    };
    let bytes = Limits::of(&plan).bytes();
    tenancy.set_plan(code, Some(&plan.code))?;
    tenancy.set_quota(code, bytes)?;
    Ok(bytes)
}

/// What [`ChangePlan`] is given.
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
        let (code, tenant) = (*flow.tenant_id(), flow.tenant_uuid());
        flow.committing().shared("subscription", |shared| {
            let row = hospital(shared, &code, tenant)?;
            if row.closed_at.is_some() {
                return Err(OnboardingError::Closed { code });
            }
            let now = crate::services::now();
            subscriptions::change_plan(shared, row.id, &wanted.plan, wanted.cycle, now)?;
            Ok(())
        })?;
        flow.verb("storage limit", |tenancy| {
            match record(tenancy, &code)?.is_some_and(|found| Some(found.uuid) == tenant) {
                true => apply_plan(tenancy, &code).map(drop),
                // It was purged meanwhile, and whoever has its id has a plan of their own.
                false => Ok(()),
            }
        })
    }
}
