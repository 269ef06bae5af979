//! A hospital leaves, and may come back for as long as its data is kept.
use std::time::SystemTime;

use chrono::NaiveDateTime;
use diesel::dsl::exists;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{OnboardingError, PlanWanted, apply_plan, hospital};
use crate::catalog::retention::Until;
use crate::catalog::{Changed, Retention, RetentionStore, Status, TenantRecord};
use crate::context::{RunQueryDsl, SharedContext};
use crate::error::{LifecycleError, OpenError, RetentionError};
use crate::failpoint::hit;
use crate::lifecycle;
use crate::models::schema::shared::{hospitals, tenant_access};
use crate::models::shared::accounts::Hospital;
use crate::models::shared::subscriptions::{BillingCycle, Plan, SubscriptionState};
use crate::services::accounts::{membership, session};
use crate::services::hospitals::key;
use crate::services::subscriptions::{self, Limits, SubscriptionError};
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;
use crate::workflow::alone::settle_others;
use crate::workflow::{Flow, Halt, Workflow};

/// Closes a hospital: its subscription is cancelled, its memberships end, the sessions in it and those of people who work
/// nowhere else are over, its row is marked, and its tenant is suspended, archived and deleted. Its data is kept until the
/// date this returns, and may be purged from then on; until then, [`reopen`] has it back.
///
/// Its code and its subdomain stay taken, so that no bookmark leads into another hospital. Doing it twice is as doing it
/// once: the date stays. Once the rows are written it is finished whatever happens. Contexts that are open on the hospital
/// then go on until they are dropped, as in [`Tenancy::suspend`].
///
/// `confirmation` is the hospital's code, typed by whoever decides.
///
/// # Errors
/// [`OnboardingError::UnknownHospital`], [`OnboardingError::NotConfirmed`]; and those of the run and the databases. A
/// run that was left has closed the hospital for its people, and its database is closed later.
/// Where that run was [given up](Tenancy::abandon_workflow) it is not: closing the hospital once more does it.
pub fn deregister(
    tenancy: &Tenancy,
    code: &TenantId,
    confirmation: &str,
    retention: Retention,
) -> Result<SystemTime, OnboardingError> {
    let named = named(tenancy, code)?;
    if confirmation != named.code {
        // As it has to be typed.
        let code = named.code.parse().unwrap_or(*code);
        return Err(OnboardingError::NotConfirmed { code });
    }
    let code = named.tenant;
    // It would be left for good past the commit.
    if retention.is_too_long() {
        return Err(RetentionError::TooLong { id: code }.into());
    }
    let closing = Closing { until: retention.0 };
    tenancy.run_workflow(&DeregisterHospital, &code, None, closing)?;
    let record = record(tenancy, &code)?;
    let date = record.and_then(|record| record.delete_after);
    // It was purged in the meantime.
    Ok(date.unwrap_or_else(SystemTime::now))
}

/// Opens a hospital again that was closed, with all its data: its memberships come back but for those that were revoked
/// meanwhile, no session does, and it is on a plan that is [pending](SubscriptionState::Pending) until it is
/// [activated](subscriptions::activate).
///
/// Its date is taken back in the transaction that opens its rows. So killed in between, either the hospital is still closed
/// and the date stands, or it is opened when the library is; and whichever of this and a purge comes first, the other is
/// refused.
///
/// # Errors
/// [`OnboardingError::UnknownHospital`], [`OnboardingError::NotClosed`], [`OnboardingError::Gone`],
/// [`OnboardingError::Subscription`], [`OnboardingError::TooManyUsers`]; and those of the run and the databases.
pub fn reopen(
    tenancy: &Tenancy,
    code: &TenantId,
    plan: &str,
    cycle: BillingCycle,
) -> Result<(), OnboardingError> {
    let Named {
        tenant: code,
        uuid: tenant,
        ..
    } = named(tenancy, code)?;
    // A closing that was left would set a date again once it is taken back.
    settle_others::<_, ReopenHospital>(&tenancy.registry, &code)?;
    {
        let shared = &mut tenancy.shared()?;
        let row = hospital(shared, &code, tenant)?;
        if row.closed_at.is_none() {
            return Err(OnboardingError::NotClosed { code });
        }
        // Told before a run is begun.
        let plan = subscriptions::plan(shared, plan)?;
        subscriptions::refuse_second(shared, row.id)?;
        check_room(shared, &row, &code, &plan)?;
    }
    match record(tenancy, &code)? {
        // What a dead process left open on it is not settled within the run's transaction.
        Some(record) if !is_going(record.status) => {
            lifecycle::clear_unfinished(&tenancy.registry, record.uuid)?;
        }
        _ => return Err(OnboardingError::Gone { code }),
    }
    let wanted = PlanWanted {
        plan: plan.to_owned(),
        cycle,
    };
    hit("onboarding.reopening");
    tenancy.run_workflow(&ReopenHospital, &code, None, wanted)?;
    match record(tenancy, &code)?.filter(|found| Some(found.uuid) == tenant) {
        Some(record) if !is_going(record.status) => Ok(()),
        _ => Err(OnboardingError::Gone { code }),
    }
}

/// A hospital that somebody names by its code.
pub(super) struct Named {
    /// Its code, as it was registered.
    code: String,
    /// The id of its tenant: the code, unless its data came back under another one.
    pub(super) tenant: TenantId,
    /// The uuid of its tenant, if that is there.
    uuid: Option<Uuid>,
}

pub(super) fn named(tenancy: &Tenancy, code: &TenantId) -> Result<Named, OnboardingError> {
    let found = record(tenancy, code)?;
    let uuid = found.as_ref().map(|record| record.uuid);
    let known = found.as_ref().map_or(*code, |record| record.id);
    let row = hospital(&mut tenancy.shared()?, &known, uuid)?;
    let bound = row.tenant_uuid.map(|key| *key.as_uuid());
    let found = match (found, bound) {
        (None, Some(uuid)) => {
            let handle = tenancy.handle_of(uuid)?;
            let record = handle.map(|handle| handle.record()).transpose()?;
            record.filter(|record| !is_going(record.status))
        }
        (found, _) => found,
    };
    Ok(Named {
        code: row.code,
        tenant: found.as_ref().map_or(known, |record| record.id),
        uuid: found.map(|record| record.uuid),
    })
}

/// What [`DeregisterHospital`] is given: for how long the data is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Closing {
    until: Until,
}

/// The workflow of [`deregister`].
#[derive(Debug, Clone, Copy, Default)]
pub struct DeregisterHospital;

impl Workflow for DeregisterHospital {
    const NAME: &'static str = "deregister-hospital";
    const ALONE: bool = true;
    type Input = Closing;
    type Output = ();
    type Error = OnboardingError;

    fn run<'a>(
        &'a self,
        flow: &mut Flow<'a, SqliteConnection, Self>,
        closing: &'a Closing,
    ) -> Result<(), Halt<OnboardingError>> {
        let (code, tenant) = (*flow.tenant_id(), flow.tenant_uuid());
        flow.committing().shared("business record", |shared| {
            let row = hospital(shared, &code, tenant)?;
            close(shared, &row, crate::services::now())
        })?;
        flow.verb("database", |tenancy| {
            close_database(tenancy, &code, tenant, Retention(closing.until))
        })
    }
}

/// All that is in the shared database.
fn close(
    shared: &mut SharedContext,
    row: &Hospital,
    now: NaiveDateTime,
) -> Result<(), OnboardingError> {
    let over = SubscriptionState::Cancelled;
    match subscriptions::change_state(shared, row.id, over, now) {
        Ok(()) | Err(SubscriptionError::None) => {}
        Err(error) => return Err(error.into()),
    }
    let people = membership::end_all(shared, row.id)?;
    session::revoke_all_in(shared, row.id, now)?;
    for user in people {
        let elsewhere = tenant_access::table
            .filter(tenant_access::user_id.eq(user))
            .filter(tenant_access::active.eq(true));
        if !diesel::select(exists(elsewhere)).get_result(shared)? {
            session::revoke_all(shared, user, now)?;
        }
    }
    if row.closed_at.is_none() {
        diesel::update(hospitals::table.find(row.id))
            .set((hospitals::closed_at.eq(now), hospitals::updated_at.eq(now)))
            .execute(shared)?;
    }
    Ok(())
}

/// Brings the tenant from where it is to where it is deleted. A date that is set stays; whoever has its id by now is
/// somebody else; and a hospital that was opened again since stays open, however late this comes.
fn close_database(
    tenancy: &Tenancy,
    code: &TenantId,
    tenant: Option<Uuid>,
    retention: Retention,
) -> Result<(), OnboardingError> {
    while let Some(record) = record(tenancy, code)?.filter(|found| Some(found.uuid) == tenant) {
        if is_closed(tenancy, record.uuid)? == Some(false) {
            return Ok(());
        }
        match record.status {
            Status::Active => {
                tenancy.suspend(code)?;
                hit("onboarding.suspended");
            }
            Status::Suspended => {
                tenancy.archive(code)?;
                hit("onboarding.archived");
            }
            Status::Archived => {
                if record.delete_after.is_none() {
                    tenancy.delete(code, record.id.as_str(), retention)?;
                    hit("onboarding.deleted");
                }
                return Ok(());
            }
            status if is_going(status) => return Ok(()),
            status => return Err(not_now(&record, status, Status::Archived)),
        }
    }
    Ok(())
}

/// The workflow of [`reopen`].
#[derive(Debug, Clone, Copy, Default)]
pub struct ReopenHospital;

impl Workflow for ReopenHospital {
    const NAME: &'static str = "reopen-hospital";
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
        flow.committing().shared("business record", |shared| {
            let row = hospital(shared, &code, tenant)?;
            take_back(shared, &code, tenant)?;
            let now = crate::services::now();
            diesel::update(hospitals::table.find(row.id))
                .set((
                    hospitals::closed_at.eq(None::<NaiveDateTime>),
                    hospitals::updated_at.eq(now),
                ))
                .execute(shared)?;
            // Once more: the plan may be another since it was asked.
            let plan = subscriptions::plan(shared, &wanted.plan)?;
            check_room(shared, &row, &code, &plan)?;
            membership::come_back(shared, row.id)?;
            subscriptions::order(shared, row.id, &wanted.plan, wanted.cycle, now)?;
            Ok(())
        })?;
        flow.verb("database", |tenancy| open_database(tenancy, &code, tenant))
    }
}

/// Takes the date of the hospital's data back, unless that is going.
fn take_back(
    shared: &mut SharedContext,
    code: &TenantId,
    tenant: Option<Uuid>,
) -> Result<(), OnboardingError> {
    let gone = || OnboardingError::Gone { code: *code };
    let (tenant, by) = (tenant.ok_or_else(gone)?, shared.acting());
    let change = shared.on_connection(|conn| conn.retention_cancel_here(tenant, &by))?;
    match change {
        // Where it was closed and is not archived it never had a date.
        Changed::Done | Changed::WrongStatus(Status::Active | Status::Suspended) => Ok(()),
        Changed::InProgress(operation) => {
            let (id, kind) = (*code, operation.kind);
            Err(LifecycleError::InProgress { id, kind }.into())
        }
        Changed::WrongStatus(status) if !is_going(status) => {
            let (id, to) = (*code, Some(Status::Active));
            Err(LifecycleError::WrongStatus { id, status, to }.into())
        }
        _ => Err(gone()),
    }
}

/// Refuses where more members would come back than the plan allows.
fn check_room(
    shared: &mut SharedContext,
    row: &Hospital,
    code: &TenantId,
    plan: &Plan,
) -> Result<(), OnboardingError> {
    let Some(limit) = Limits::of(plan).users else {
        return Ok(());
    };
    let found = membership::coming_back(shared, row.id)?;
    match found <= limit {
        true => Ok(()),
        false => Err(OnboardingError::TooManyUsers {
            code: *code,
            found,
            limit,
        }),
    }
}

/// Brings the tenant from where it is to where it is in service, unless the hospital was closed once more since.
fn open_database(
    tenancy: &Tenancy,
    code: &TenantId,
    tenant: Option<Uuid>,
) -> Result<(), OnboardingError> {
    while let Some(record) = record(tenancy, code)?.filter(|found| Some(found.uuid) == tenant) {
        if is_closed(tenancy, record.uuid)? == Some(true) {
            return Ok(());
        }
        match record.status {
            Status::Archived => {
                tenancy.unarchive(code)?;
                hit("onboarding.unarchived");
            }
            Status::Suspended => {
                tenancy.resume(code)?;
                hit("onboarding.resumed");
            }
            Status::Active => return apply_plan(tenancy, code).map(drop),
            status if is_going(status) => return Ok(()),
            status => return Err(not_now(&record, status, Status::Active)),
        }
    }
    // It was purged meanwhile. A run that waited for it would be in the way of all others for good.
    Ok(())
}

/// What the catalogue says of the tenant now: what another process did a moment ago is to be gone on from.
pub(super) fn record(
    tenancy: &Tenancy,
    code: &TenantId,
) -> Result<Option<std::sync::Arc<TenantRecord>>, OnboardingError> {
    tenancy.registry.reload()?;
    match tenancy.handle(code) {
        Ok(handle) => Ok(Some(handle.record()?)),
        Err(OpenError::UnknownTenant { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What the hospital's row says by now, which is what was decided last.
fn is_closed(tenancy: &Tenancy, tenant: Uuid) -> Result<Option<bool>, OnboardingError> {
    let row = hospitals::table.filter(hospitals::tenant_uuid.eq(key(tenant)));
    let closed = row.select(hospitals::closed_at.is_not_null());
    Ok(closed.first(&mut tenancy.shared()?).optional()?)
}

fn is_going(status: Status) -> bool {
    matches!(status, Status::Deleting | Status::Deleted)
}

fn not_now(record: &TenantRecord, status: Status, to: Status) -> OnboardingError {
    let (id, to) = (record.id, Some(to));
    LifecycleError::WrongStatus { id, status, to }.into()
}
