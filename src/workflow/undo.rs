//! Undoing the steps of a run, the last one first.
use std::sync::Arc;

use diesel::result::Error;
use uuid::Uuid;

use super::flow::{Boxed, Flow, record_of, write};
use super::{RunState, Workflow};
use crate::backend::Backend;
use crate::catalog::workflows::{Ending, Phase, RunRow, StepRow};
use crate::catalog::{Status, to_millis};
use crate::context::{SharedContext, TenantContext};
use crate::error::{LifecycleError, PurgeError};
use crate::failpoint::hit;
use crate::lifecycle;
use crate::registry::Registry;

/// A step that was done, and what undoes it.
pub(super) struct Undo<'a, C: Backend, E> {
    pub(super) number: i32,
    pub(super) step: &'static str,
    pub(super) undo: UndoOf<'a, C, E>,
}

type InShared<'a, C, E> = Box<dyn FnOnce(&mut SharedContext<C>) -> Result<(), E> + 'a>;
type InTenant<'a, C, E> = Box<dyn FnOnce(&mut TenantContext<C>) -> Result<(), E> + 'a>;

pub(super) enum UndoOf<'a, C: Backend, E> {
    Nothing,
    Shared(InShared<'a, C, E>),
    Tenant(InTenant<'a, C, E>),
    /// The tenant of this uuid was, or may have been, created.
    Created(Uuid),
}

/// Why a step could not be undone.
pub(super) enum NotUndone {
    /// Its undo said no, or it is not to be undone: somebody must look.
    Refused {
        step: &'static str,
        failure: &'static str,
    },
    /// It may be undone later.
    Later { step: &'static str, source: Boxed },
}

/// Undoes all that was done of a run, and says so in the journal.
pub(super) fn undo<C: Backend, W: Workflow<C>>(
    flow: &mut Flow<'_, C, W>,
    failed_step: &'static str,
) -> Result<(), NotUndone> {
    let registry = flow.registry;
    let run = flow.run.clone();
    if !flow.begun {
        return Ok(());
    }
    if flow.restored {
        refuse_tenants_in_use(registry, &flow.undos)?;
    }
    while let Some(Undo { number, step, undo }) = flow.undos.pop() {
        let undone = match undo {
            UndoOf::Nothing => continue,
            UndoOf::Shared(f) => in_shared(registry, &run, number, step, f),
            UndoOf::Tenant(f) => in_tenant(registry, &run, number, f),
            UndoOf::Created(uuid) => remove(registry, &run, number, step, uuid, flow.restored),
        };
        undone.map_err(|failure| match failure {
            Failure::Own => NotUndone::Refused {
                step,
                failure: "undoing it failed",
            },
            Failure::Later(source) => NotUndone::Later { step, source },
        })?;
        hit("workflow.undid-step");
    }
    let ending = Ending {
        state: match flow.untidy {
            true => RunState::Reverted,
            false => RunState::Undone,
        },
        output: None,
        failed_step: Some(failed_step),
        failure: None,
        forget_at: Some(to_millis(std::time::SystemTime::now())),
    };
    let ended = write(registry, |conn| conn.run_end(&run, &ending));
    ended.map_err(|source| NotUndone::Later {
        step: failed_step,
        source,
    })?;
    hit("workflow.undone");
    Ok(())
}

/// Of a run that was under way when the shared database was backed up that was restored since: its tenant may have been in
/// use from then on. Nothing is undone, then.
fn refuse_tenants_in_use<C: Backend, E>(
    registry: &Registry<C>,
    undos: &[Undo<'_, C, E>],
) -> Result<(), NotUndone> {
    for Undo { step, undo, .. } in undos {
        let UndoOf::Created(uuid) = undo else {
            continue;
        };
        let found = registry.ask(|conn| conn.catalog_tenant(*uuid));
        let found = found.map_err(|error| NotUndone::Later {
            step,
            source: error.into(),
        })?;
        let is_gone = |status| matches!(status, Status::Deleting | Status::Deleted);
        if found.is_some_and(|record| !is_gone(record.status)) {
            let failure = "the shared database was restored while it was under way, and the tenant it created may be in \
                           use since: delete and purge that, or keep it and give the run up";
            return Err(NotUndone::Refused { step, failure });
        }
    }
    Ok(())
}

enum Failure {
    /// The undo's own error.
    Own,
    Later(Boxed),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Later(error.into())
    }
}

fn in_shared<C: Backend, E>(
    registry: &Registry<C>,
    run: &RunRow,
    number: i32,
    step: &'static str,
    f: InShared<'_, C, E>,
) -> Result<(), Failure> {
    let mut shared = registry.shared().map_err(|e| Failure::Later(e.into()))?;
    shared.transaction(|shared| {
        f(shared).map_err(|_| Failure::Own)?;
        let row = marked(Phase::Undone, number, step, None);
        shared.on_connection(|conn| conn.journal_put(run.id, &row))?;
        Ok(())
    })
}

fn in_tenant<C: Backend, E>(
    registry: &Registry<C>,
    run: &RunRow,
    number: i32,
    f: InTenant<'_, C, E>,
) -> Result<(), Failure> {
    let later = |error: Boxed| Failure::Later(error);
    let record = record_of(registry, run).map_err(|e| later(e.into()))?;
    if record.is_none() {
        // The tenant is gone, and with it what there was to undo.
        return Ok(());
    }
    let tenant = registry
        .tenant(&run.tenant_id)
        .map_err(|e| later(e.into()))?;
    let mut context = registry.enter(&tenant).map_err(|e| later(e.into()))?;
    context.transaction(|tenant| {
        f(tenant).map_err(|_| Failure::Own)?;
        tenant.on_connection(|conn| conn.key_undone(run.id, number))?;
        Ok(())
    })
}

fn marked(phase: Phase, number: i32, step: &str, result: Option<String>) -> StepRow {
    StepRow {
        number,
        step: step.to_owned(),
        phase,
        result,
    }
}

/// Removes a tenant that the run created, whatever became of it, and forgets it: nobody was ever told of it, unless the
/// shared database was restored since.
fn remove<C: Backend>(
    registry: &Arc<Registry<C>>,
    run: &RunRow,
    number: i32,
    step: &'static str,
    uuid: Uuid,
    restored: bool,
) -> Result<(), Failure> {
    let mark = |phase| {
        let row = marked(phase, number, step, Some(uuid.to_string()));
        write(registry, |conn| conn.journal_put(run.id, &row)).map_err(Failure::Later)
    };
    // All steps after this one are undone by now, and those in the tenant will be gone with it: should this process die,
    // the run is gone through up to here and no further.
    mark(Phase::Begun)?;
    hit("workflow.removing");
    removed(registry, uuid, restored).map_err(|e| Failure::Later(e.into()))?;
    mark(Phase::Undone)
}

fn removed<C: Backend>(
    registry: &Arc<Registry<C>>,
    uuid: Uuid,
    restored: bool,
) -> Result<(), PurgeError> {
    while let Some(record) = registry.ask(|conn| conn.catalog_tenant(uuid))? {
        let id = record.id;
        match record.status {
            Status::Active => {
                lifecycle::transition(registry, &id, Status::Active, Status::Suspended)?
            }
            Status::Suspended => {
                lifecycle::transition(registry, &id, Status::Suspended, Status::Archived)?
            }
            Status::Archived | Status::Deleting => {
                lifecycle::purge_unannounced(registry, &id)?;
            }
            // Whoever purged it decided about it, and its id was somebody's.
            Status::Deleted if restored => return Ok(()),
            Status::Deleted => registry.change(|conn| conn.catalog_forget(uuid))?,
            // Nothing of it was made.
            Status::Reserved => return Ok(()),
            Status::Provisioning | Status::Failed | Status::Restoring => {
                if !lifecycle::clear_unfinished(registry, uuid)? {
                    let kind = crate::catalog::OperationKind::Create;
                    return Err(LifecycleError::InProgress { id, kind }.into());
                }
            }
        }
    }
    Ok(())
}
