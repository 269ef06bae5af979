//! Runs: begun, settled when their process died, ended.
use std::any::TypeId;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::abandon::GIVEN_UP;
use super::alone::settle_others;
use super::flow::{Boxed, Cause, Flow, Halt, Halted, connect, record_of, to_json, write};
use super::keys;
use super::undo::{self, NotUndone};
use super::{IdempotencyKey, RunState, Workflow};
use crate::audit::AuditNote;
use crate::backend::{Backend, Storage};
use crate::catalog::to_millis;
use crate::catalog::workflows::{Phase, RunRow, StepRow};
use crate::error::{CatalogError, OpenError, OwnError, Unreadable, WorkflowError};
use crate::failpoint::hit;
use crate::lifecycle::Running;
use crate::registry::Registry;
use crate::tenant_id::TenantId;

/// A workflow that can be recovered, its types forgotten.
pub(crate) trait Registered<C: Backend>: Send + Sync {
    fn name(&self) -> &'static str;
    fn workflow(&self) -> TypeId;
    /// See [`Workflow::ALONE`].
    fn is_alone(&self) -> bool;
    /// Goes through a run again, which belongs to this thread: it is finished or undone afterwards. `by_hand`: it was stuck,
    /// and somebody asked for that.
    fn settle(
        &self,
        registry: &Arc<Registry<C>>,
        run: RunRow,
        by_hand: bool,
    ) -> Result<(), WorkflowError<OwnError>>;
}

pub(super) struct Holder<W>(pub(super) W);

impl<C: Backend, W: Workflow<C>> Registered<C> for Holder<W> {
    fn name(&self) -> &'static str {
        W::NAME
    }

    fn workflow(&self) -> TypeId {
        TypeId::of::<W>()
    }

    fn is_alone(&self) -> bool {
        W::ALONE
    }

    fn settle(
        &self,
        registry: &Arc<Registry<C>>,
        run: RunRow,
        by_hand: bool,
    ) -> Result<(), WorkflowError<OwnError>> {
        let boxed = |error: WorkflowError<W::Error>| error.map(OwnError::new);
        let unfinished = |run: &RunRow, source: Boxed| WorkflowError::Unfinished {
            name: run.name.clone(),
            id: run.id,
            step: "its journal".to_owned(),
            source,
        };
        let journal = registry.ask(|conn| conn.journal(run.id))?;
        let text = run.input.as_deref().unwrap_or_default();
        let input: W::Input = match serde_json::from_str(text) {
            Ok(input) => input,
            Err(_) => {
                let failure = "what it was given cannot be read";
                return Err(boxed(stuck(registry, &run, "its journal", failure)));
            }
        };
        let mut flow = Flow::again(registry, run.clone(), journal, by_hand);
        let driven = catch_unwind(AssertUnwindSafe(|| {
            let outcome = self.0.run(&mut flow, &input);
            conclude(&mut flow, outcome)
        }));
        // What panics here would do so each time the library is opened, and nobody could get at anything.
        let Ok(driven) = driven else {
            let failure = "going through it again panicked";
            return Err(boxed(stuck(registry, &run, "a step", failure)));
        };
        match driven {
            Ok(_) | Err(Stop::NotDone | Stop::Over) => Ok(()),
            // Somebody who ended it while this thread looked.
            Err(Stop::Taken) => Err(unfinished(&run, "it is in other hands".into())),
            Err(Stop::Error(error)) => match error {
                // The run failed by itself, as it would have in the first place, and was undone.
                WorkflowError::Failed { .. }
                | WorkflowError::Open { .. }
                | WorkflowError::Create { .. }
                | WorkflowError::Journal { .. }
                | WorkflowError::Unwritable { .. } => Ok(()),
                left => Err(boxed(left)),
            },
        }
    }
}

pub(super) fn registered<'r, C: Backend>(
    registry: &'r Registry<C>,
    name: &str,
) -> Option<&'r Arc<dyn Registered<C>>> {
    let mut known = registry.hooks.workflows.iter();
    known.find(|workflow| workflow.name() == name)
}

pub(super) fn run<C: Backend, W: Workflow<C>>(
    registry: &Arc<Registry<C>>,
    workflow: &W,
    tenant: &TenantId,
    key: Option<IdempotencyKey>,
    input: W::Input,
) -> Result<W::Output, WorkflowError<W::Error>> {
    let name = W::NAME;
    let known = registered(registry, name);
    if known.is_none_or(|known| known.workflow() != TypeId::of::<W>()) {
        let name = name.to_owned();
        return Err(WorkflowError::NotRegistered { name });
    }
    let text = to_json(&input).map_err(|source| WorkflowError::Unwritable { name, source })?;
    loop {
        let uuid = uuid_now(registry, tenant, name)?;
        if let Some(key) = &key
            && let Some(found) =
                registry.ask(|conn| conn.run_of_key(name, tenant, uuid, key.as_str()))?
        {
            if found.digest != digest(found.id, tenant, &text) {
                let (name, id) = (found.name, found.id);
                return Err(WorkflowError::KeyReused { name, id });
            }
            match found.state {
                _ if found.is_abandoned() => return Err(abandoned(found)),
                RunState::Done | RunState::Finished => return given::<C, W>(registry, found, name),
                RunState::Stuck => return Err(stuck_already(found)),
                RunState::Running => {
                    let (name, id) = (found.name.clone(), found.id);
                    match settle_if_dead(registry, found) {
                        Ok(true) => {}
                        Ok(false) => return Err(WorkflowError::InProgress { name, id }),
                        Err(error) => return Err(without_own(error)),
                    }
                }
                // Undone in the meantime: the key is free again.
                RunState::Reverted | RunState::Undone => {}
            }
            continue;
        }
        settle_others::<C, W>(registry, tenant)?;
        // What was settled may have created the tenant, or removed it.
        if uuid_now(registry, tenant, name)? != uuid {
            continue;
        }
        let running = Running::new(registry);
        let now = to_millis(SystemTime::now());
        let row = RunRow {
            id: running.id(),
            name: name.to_owned(),
            key: key.as_ref().map(|key| key.as_str().to_owned()),
            tenant_id: *tenant,
            tenant_uuid: uuid,
            instance: registry.common.storage.instance(),
            state: RunState::Running,
            input: Some(text.clone()),
            digest: digest(running.id(), tenant, &text),
            output: None,
            started_at: now,
            changed_at: now,
            failed_step: None,
            failure: None,
            by: registry.acting().clone(),
        };
        let mut flow = Flow::first(registry, row);
        let outcome = catch_unwind(AssertUnwindSafe(|| workflow.run(&mut flow, &input)));
        let ended = match outcome {
            Ok(outcome) => conclude(&mut flow, outcome),
            Err(panic) => {
                panicked(flow);
                resume_unwind(panic);
            }
        };
        match ended {
            Ok(output) => return Ok(output),
            Err(Stop::Error(error)) => return Err(error),
            Err(Stop::Taken | Stop::NotDone | Stop::Over) => {}
        }
    }
}

/// The uuid of the tenant that has this id, if one has.
fn uuid_now<C: Backend, E>(
    registry: &Arc<Registry<C>>,
    tenant: &TenantId,
    name: &'static str,
) -> Result<Option<Uuid>, WorkflowError<E>> {
    match registry.tenant(tenant) {
        Ok(found) => Ok(Some(found.record().uuid)),
        Err(OpenError::UnknownTenant { .. }) => Ok(None),
        Err(source) => {
            let step = "tenant";
            let source = Box::new(source);
            Err(WorkflowError::Open { name, step, source })
        }
    }
}

/// What a run that is over gave, if the tenant has what it wrote.
fn given<C: Backend, W: Workflow<C>>(
    registry: &Registry<C>,
    run: RunRow,
    name: &'static str,
) -> Result<W::Output, WorkflowError<W::Error>> {
    let Some(output) = run.output.as_deref() else {
        let (name, id) = (run.name, run.id);
        return Err(WorkflowError::NoOutput { name, id });
    };
    match is_there(registry, &run) {
        Ok(true) => {}
        Ok(false) => {
            let (name, id) = (run.name, run.id);
            return Err(WorkflowError::Superseded { name, id });
        }
        Err(source) => {
            let (name, id) = (run.name, run.id);
            return Err(WorkflowError::Unconfirmed { name, id, source });
        }
    }
    serde_json::from_str(output).map_err(|error| {
        let source = Unreadable::from(error);
        WorkflowError::Unwritable { name, source }
    })
}

/// Whether the last step that a run did in the tenant's database is to be found there, be the tenant closed. So it is of one
/// that did nothing there.
fn is_there<C: Backend>(registry: &Registry<C>, run: &RunRow) -> Result<bool, Boxed> {
    let journal = registry.ask(|conn| conn.journal(run.id))?;
    let Some(number) = journal.iter().find_map(StepRow::of_tenant) else {
        return Ok(true);
    };
    let Some(record) = record_of(registry, run)? else {
        return Ok(false);
    };
    if keys::may_be_forgotten(run) {
        return Ok(true);
    }
    let storage = &registry.common.storage;
    let mut conn = storage.connect_to_inspect(&record.key(), record.generation)?;
    let done = |key: &StepRow| key.number == number && key.phase == Phase::Done;
    Ok(conn.keys(run.id)?.iter().any(done))
}

/// Of what a run was given. Nobody can find a name by trying, since the run's id is in it.
fn digest(id: Uuid, tenant: &TenantId, input: &str) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(id.as_bytes());
    hash.update(tenant.folded().as_str());
    hash.update([0]);
    hash.update(input);
    hash.finalize().to_vec()
}

/// Why a run was not gone through to its end.
enum Stop<E> {
    /// The key is somebody else's; nothing was done.
    Taken,
    /// In recovery: it was undone.
    NotDone,
    /// In recovery: it was over already.
    Over,
    Error(WorkflowError<E>),
}

/// Brings a run to its end that was gone through: it is ended, or undone if a step failed before the commit.
fn conclude<'a, C: Backend, W: Workflow<C>>(
    flow: &mut Flow<'a, C, W>,
    outcome: Result<W::Output, Halt<W::Error>>,
) -> Result<W::Output, Stop<W::Error>> {
    let outcome = match outcome {
        Ok(output) if flow.halted.is_none() => flow.finish_with(&output).map(|()| output),
        // It went on after a step that had halted it.
        Ok(_) => Err(Halt(Halted::Noted)),
        Err(halt) => Err(halt),
    };
    let halt = match outcome {
        Ok(output) => {
            if flow.untidy {
                tidy(flow.registry, &flow.run, None);
            }
            return Ok(output);
        }
        Err(halt) => halt,
    };
    let (step, cause) = match (flow.halted.take(), halt) {
        (Some(noted), _) => noted,
        (None, Halt(Halted::Own(error))) => ("between the steps", Cause::Own(error)),
        (None, Halt(Halted::Noted)) => (
            "between the steps",
            Cause::Hopeless("a halt of another run was passed on"),
        ),
    };
    let name = W::NAME;
    match cause {
        Cause::Taken => Err(Stop::Taken),
        Cause::Undecided(source) => Err(Stop::Error(left(flow, step, source))),
        Cause::Over => match flow.end_without_output(step) {
            Ok(()) if flow.untidy => {
                tidy(flow.registry, &flow.run, None);
                Err(Stop::Over)
            }
            Ok(()) => Err(Stop::Over),
            Err(source) => Err(Stop::Error(left(flow, step, source))),
        },
        Cause::Hopeless(failure) => {
            Err(Stop::Error(stuck(flow.registry, &flow.run, step, failure)))
        }
        cause if flow.committed || flow.ended => {
            let source: Boxed = match cause {
                Cause::Own(error) => Box::new(error),
                Cause::Open(error) => error,
                Cause::Create(error) => error,
                Cause::Journal(error) => error.into(),
                Cause::Unwritable(error) => error.into(),
                _ => "it cannot go on".into(),
            };
            Err(Stop::Error(left(flow, step, source)))
        }
        cause => {
            match catch_unwind(AssertUnwindSafe(|| undo::undo(flow, step))) {
                Ok(Ok(())) => {}
                Ok(Err(NotUndone::Refused { step, failure })) => {
                    return Err(Stop::Error(stuck(flow.registry, &flow.run, step, failure)));
                }
                Ok(Err(NotUndone::Later { step, source })) => {
                    return Err(Stop::Error(left(flow, step, source)));
                }
                Err(_) => {
                    let failure = "undoing it panicked";
                    return Err(Stop::Error(stuck(flow.registry, &flow.run, step, failure)));
                }
            }
            if flow.untidy {
                tidy(flow.registry, &flow.run, Some(keys::UNDONE));
            }
            Err(match cause {
                Cause::Own(source) => Stop::Error(WorkflowError::Failed { name, step, source }),
                Cause::Open(source) => Stop::Error(WorkflowError::Open { name, step, source }),
                Cause::Create(source) => Stop::Error(WorkflowError::Create { name, step, source }),
                Cause::Journal(source) => {
                    Stop::Error(WorkflowError::Journal { name, step, source })
                }
                Cause::Unwritable(source) => {
                    Stop::Error(WorkflowError::Unwritable { name, source })
                }
                _ => Stop::NotDone,
            })
        }
    }
}

/// Undoes a run that panicked when it was gone through for the first time, in the process that goes on: it would be
/// listed as under way for as long as that lives. Past the commit it is left for whoever finds it.
fn panicked<C: Backend, W: Workflow<C>>(mut flow: Flow<'_, C, W>) {
    match flow.within {
        _ if flow.committed || flow.ended => release(&flow),
        // Whether the step was done is known to the databases and not here, so it is looked for as after a crash.
        Some(_) => {
            let (registry, id) = (flow.registry, flow.run.id);
            let by = flow.run.by.clone();
            drop(flow);
            let (Ok(Some(mut run)), Some(known)) = (
                registry.ask(|conn| conn.run_get(id)),
                registered(registry, W::NAME),
            ) else {
                return;
            };
            run.by = by;
            // What it says stands in the journal; the panic is what the caller is told.
            let _ = known.settle(registry, run, false);
        }
        None => {
            flow.halted
                .get_or_insert(("between the steps", Cause::Panicked));
            let _ = conclude(&mut flow, Err(Halt(Halted::Noted)));
        }
    }
}

/// Leaves a run to whoever finds it first, this process or another one.
fn left<C: Backend, W: Workflow<C>, E>(
    flow: &Flow<'_, C, W>,
    step: &str,
    source: Boxed,
) -> WorkflowError<E> {
    release(flow);
    unfinished(&flow.run, step, source)
}

/// Says in the journal that nobody works on a run any more. If even that fails it is this process's for as long as it
/// lives, as it was.
fn release<C: Backend, W: Workflow<C>>(flow: &Flow<'_, C, W>) {
    let _ = write(flow.registry, |conn| conn.run_release(&flow.run));
}

pub(super) fn unfinished<E>(run: &RunRow, step: &str, source: Boxed) -> WorkflowError<E> {
    WorkflowError::Unfinished {
        name: run.name.clone(),
        id: run.id,
        step: step.to_owned(),
        source,
    }
}

/// Says in the journal that a run needs help. If even that fails it is found again as one that was left.
fn stuck<C: Backend, E>(
    registry: &Registry<C>,
    run: &RunRow,
    step: &str,
    failure: &'static str,
) -> WorkflowError<E> {
    let _ = write(registry, |conn| conn.run_stuck(run, step, failure));
    WorkflowError::Stuck {
        name: run.name.clone(),
        id: run.id,
        step: step.to_owned(),
        failure: failure.to_owned(),
    }
}

pub(super) fn stuck_already<E>(run: RunRow) -> WorkflowError<E> {
    WorkflowError::Stuck {
        name: run.name,
        id: run.id,
        step: run.failed_step.unwrap_or_default(),
        failure: run.failure.unwrap_or_default(),
    }
}

fn abandoned<E>(run: RunRow) -> WorkflowError<E> {
    let (name, id) = (run.name, run.id);
    WorkflowError::Abandoned { name, id }
}

/// An error of settling another run than the caller's own. It is in no step of the caller's.
pub(super) fn without_own<E>(error: WorkflowError<OwnError>) -> WorkflowError<E> {
    match error {
        WorkflowError::Stuck {
            name,
            id,
            step,
            failure,
        } => WorkflowError::Stuck {
            name,
            id,
            step,
            failure,
        },
        WorkflowError::Unfinished {
            name,
            id,
            step,
            source,
        } => WorkflowError::Unfinished {
            name,
            id,
            step,
            source,
        },
        WorkflowError::NotRegistered { name } => WorkflowError::NotRegistered { name },
        WorkflowError::Catalog(error) => WorkflowError::Catalog(error),
        other => unreachable!("settling gives no such error: {other}"),
    }
}

/// Empties what the steps of a run left in the tenant's database, after it is entered there how the run `ended`, where it did
/// not come through. What cannot be done now is done by recovery.
pub(super) fn tidy<C: Backend>(registry: &Registry<C>, run: &RunRow, ended: Option<&'static str>) {
    let _ = try_tidy(registry, run, ended);
}

fn try_tidy<C: Backend>(
    registry: &Registry<C>,
    run: &RunRow,
    ended: Option<&'static str>,
) -> Result<(), Boxed> {
    if let Some(record) = record_of(registry, run)? {
        let mut conn = connect(registry, &record)?;
        if let Some(ended) = ended {
            keys::mark(registry, &mut conn, run.id, ended)?;
        }
        conn.keys_empty(run.id)?;
        // What cannot be taken out now is by the next run.
        let _ = keys::forget_old(registry, &mut conn);
    }
    write(registry, |conn| conn.run_tidied(run.id))?;
    hit("workflow.tidied");
    Ok(())
}

/// How a run that is over ended, where it did not come through.
fn ended(run: &RunRow) -> Option<&'static str> {
    match run.state {
        RunState::Reverted => Some(keys::UNDONE),
        _ if run.is_abandoned() => Some(GIVEN_UP),
        _ => None,
    }
}

/// Finishes or undoes a run, if it is stuck, if the process that worked on it is dead or gave it up, or if no thread of
/// this one works on it. False where somebody does.
pub(super) fn settle_if_dead<C: Backend>(
    registry: &Arc<Registry<C>>,
    mut run: RunRow,
) -> Result<bool, WorkflowError<OwnError>> {
    let storage = &registry.common.storage;
    let me = storage.instance();
    let alive =
        |source: crate::backend::StorageError| unfinished(&run, "its journal", source.into());
    // One that is stuck was given up by whoever said so. Of several who take it over one does, since it is no longer
    // stuck then.
    let in_hand = run.state != RunState::Stuck && run.instance != me;
    if in_hand && storage.is_alive(run.instance).map_err(alive)? {
        return Ok(false);
    }
    let Some(workflow) = registered(registry, &run.name) else {
        let name = run.name;
        return Err(WorkflowError::NotRegistered { name });
    };
    let Some(_running) = Running::claim(registry, run.id) else {
        return Ok(false);
    };
    if !registry.write(|conn| conn.run_take_over(&run, me))? {
        return Ok(false);
    }
    hit("workflow.taken");
    let by_hand = run.state == RunState::Stuck;
    run.instance = me;
    run.by = registry.acting().clone();
    run.state = RunState::Running;
    workflow.settle(registry, run, by_hand).map(|()| true)
}

/// Settles what dead processes left. Returns how many runs that were; those that can be neither finished nor undone now
/// stay listed.
pub(crate) fn recover<C: Backend>(registry: &Arc<Registry<C>>) -> Result<usize, CatalogError> {
    let mut settled = 0;
    for run in registry.ask(|conn| conn.workflows_open())? {
        let done = match run.state {
            RunState::Running => settle_if_dead(registry, run).unwrap_or(false),
            RunState::Finished | RunState::Reverted => {
                let storage = &registry.common.storage;
                // Who ended it is about to do this, unless it is dead.
                let in_hand = match run.instance == storage.instance() {
                    true => registry.running.lock().contains(&run.id),
                    false => storage.is_alive(run.instance).unwrap_or(true),
                };
                !in_hand && try_tidy(registry, &run, ended(&run)).is_ok()
            }
            _ => false,
        };
        settled += usize::from(done);
    }
    Ok(settled)
}

pub(super) fn retry<C: Backend>(
    registry: &Arc<Registry<C>>,
    id: Uuid,
) -> Result<RunState, WorkflowError<OwnError>> {
    let find = || registry.ask(|conn| conn.run_get(id));
    let run = find()?.ok_or(WorkflowError::Unknown { id })?;
    let name = run.name.clone();
    match run.state {
        RunState::Running | RunState::Stuck => {
            let retried = AuditNote::of_library("workflow.retry")
                .about_id(run.tenant_id, run.tenant_uuid)
                .subject(id)
                .with("workflow", run.name.as_str());
            registry.audit(&retried)?;
            if !settle_if_dead(registry, run.clone())? {
                return Err(WorkflowError::InProgress { name, id });
            }
        }
        RunState::Finished | RunState::Reverted => tidy(registry, &run, ended(&run)),
        _ if run.is_abandoned() => {}
        over => return Ok(over),
    }
    if run.is_abandoned() {
        return Err(abandoned(run));
    }
    // One that was undone is forgotten at once.
    Ok(find()?.map_or(RunState::Undone, |run| run.state))
}
