//! Giving a run up: a decision of somebody who has looked, after which nobody finishes or undoes it.
//!
//! | killed after | recovery |
//! |---|---|
//! | **the entry in the audit log and the end of the run**, in one shared transaction: `workflow.abandoned` | empties what its steps left in the tenant's database; nothing is done or undone any more |
//! | a *void* key in the tenant's database, so that no step is done late: `workflow.closed` | does the same |
//! | those are empty: `workflow.tidied` | has nothing to do |
use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use super::engine::{tidy, unfinished};
use super::flow::{Boxed, connect, record_of};
use super::keys;
use crate::access::Reason;
use crate::backend::{Backend, Storage};
use crate::catalog::workflows::{Phase, RESTORED, RunRow, RunState, StepRow};
use crate::error::{OwnError, WorkflowError};
use crate::failpoint::hit;
use crate::lifecycle::Running;
use crate::registry::Registry;
use crate::tenant_id::TenantId;

/// A run that was given up, and what is left of it. Steps by their names: what they made may be personal, and is gone from
/// the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AbandonedRun {
    /// Its id.
    pub id: Uuid,
    /// Its workflow.
    pub name: String,
    /// The tenant.
    pub tenant: TenantId,
    /// Its uuid: of the one that was there when the run began, or that it created or was about to. `None` where there was
    /// none.
    pub tenant_uuid: Option<Uuid>,
    /// The steps whose effects stand, in the order they were done in.
    pub left: Vec<LeftStep>,
    /// Whether the tenant's database could be asked which steps were done there. Where it could not, some may be that are not
    /// in the list. True where the tenant is gone, and with it what was done there.
    pub is_tenant_known: bool,
}

/// A step that was done by a run that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LeftStep {
    /// Its place in the run, from 1.
    pub number: i32,
    /// Its name.
    pub step: String,
    /// Whether it was done in the tenant's database; else in the shared one, or by a verb of the library.
    pub is_in_tenant: bool,
    /// False for the creation of a tenant that was begun, or the removal of one: how far it got, the tenant's status says.
    pub is_done: bool,
}

/// What the void key is called.
pub(super) const GIVEN_UP: &str = "given up";

pub(super) fn abandon<C: Backend>(
    registry: &Arc<Registry<C>>,
    id: Uuid,
    reason: &Reason,
) -> Result<AbandonedRun, WorkflowError<OwnError>> {
    let find = || registry.ask(|conn| conn.run_get(id));
    let run = find()?.ok_or(WorkflowError::Unknown { id })?;
    match run.state {
        RunState::Running | RunState::Stuck => end(registry, &run, reason)?,
        // Somebody who did not hear the answer asks again.
        _ if run.is_abandoned() => {}
        _ => return Err(WorkflowError::Unknown { id }),
    }
    let mut left: Vec<LeftStep> = registry
        .ask(|conn| conn.journal(id))?
        .into_iter()
        .filter(|row| row.number > RESTORED && row.phase != Phase::Undone)
        .map(|row| LeftStep::of(row, false))
        .collect();
    let in_tenant = close(registry, &run);
    let is_tenant_known = in_tenant.is_ok();
    left.extend(in_tenant.unwrap_or_default());
    left.sort_by_key(|step| step.number);
    // As the run ends for everybody else: the results go.
    tidy(registry, &run, Some(GIVEN_UP));
    Ok(AbandonedRun {
        id,
        name: run.name,
        tenant: run.tenant_id,
        tenant_uuid: run.tenant_uuid,
        left,
        is_tenant_known,
    })
}

/// Enters it and ends the run, in one transaction, if nobody is at work on it.
fn end<C: Backend>(
    registry: &Registry<C>,
    run: &RunRow,
    reason: &Reason,
) -> Result<(), WorkflowError<OwnError>> {
    let storage = &registry.common.storage;
    let in_progress = || WorkflowError::InProgress {
        name: run.name.clone(),
        id: run.id,
    };
    let in_hand = run.state == RunState::Running && run.instance != storage.instance();
    let alive =
        |source: crate::backend::StorageError| unfinished(run, "its journal", source.into());
    if in_hand && storage.is_alive(run.instance).map_err(alive)? {
        return Err(in_progress());
    }
    let Some(_running) = Running::claim(registry, run.id) else {
        return Err(in_progress());
    };
    let mut run = run.clone();
    run.by = registry.acting().clone();
    // Somebody else may have taken it over since it was looked at.
    if !registry.write(|conn| conn.run_abandon(&run, reason))? {
        return Err(in_progress());
    }
    hit("workflow.abandoned");
    Ok(())
}

/// What was done in the tenant's database, where from now on no step of this run is done any more: not by a commit whose
/// answer was lost either.
fn close<C: Backend>(registry: &Registry<C>, run: &RunRow) -> Result<Vec<LeftStep>, Boxed> {
    let Some(record) = record_of(registry, run)? else {
        return Ok(Vec::new());
    };
    let mut conn = connect(registry, &record)?;
    keys::mark(registry, &mut conn, run.id, GIVEN_UP)?;
    hit("workflow.closed");
    let done = conn.keys(run.id)?.into_iter();
    let done = done.filter(|key| key.phase == Phase::Done);
    Ok(done.map(|key| LeftStep::of(key, true)).collect())
}

impl LeftStep {
    fn of(row: StepRow, is_in_tenant: bool) -> Self {
        Self {
            number: row.number,
            step: row.step,
            is_in_tenant,
            is_done: row.phase == Phase::Done,
        }
    }
}
