//! The steps of a run, done for the first time or found done.
use std::sync::Arc;

use diesel::result::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::abandon::GIVEN_UP;
use super::alone::{self, enter};
use super::undo::{Undo, UndoOf};
use super::{IdempotencyKey, Workflow};
use crate::backend::{Backend, Storage};
use crate::catalog::workflows::{Phase, RESTORED, RunRow, StepRow};
use crate::catalog::{Status, TenantRecord};
use crate::error::{CatalogError, CreateError, OpenError, Unreadable};
use crate::failpoint::hit;
use crate::registry::Registry;
use crate::tenant_id::TenantId;

mod create;
mod shared;
mod tenant;
mod verb;

/// Why a workflow did not go on: made by a failed step, or from an error of the workflow's own by `?`. Pass it on.
#[derive(Debug)]
pub struct Halt<E>(pub(super) Halted<E>);

#[derive(Debug)]
pub(super) enum Halted<E> {
    /// Why is noted in the flow.
    Noted,
    Own(E),
}

impl<E> From<E> for Halt<E> {
    fn from(error: E) -> Self {
        Self(Halted::Own(error))
    }
}

/// What keeps a run from going on.
pub(super) enum Cause<E> {
    /// The step failed, and has left nothing.
    Own(E),
    Open(Box<OpenError>),
    Create(Box<CreateError>),
    Journal(Error),
    Unwritable(Unreadable),
    /// Somebody else has the key. Nothing was done.
    Taken,
    /// In recovery: this is the first step that was not done.
    NotDone,
    /// The workflow panicked between two steps.
    Panicked,
    /// In recovery: the run was over when this shared database did not know it yet.
    Over,
    /// It cannot be known now whether the step was done.
    Undecided(Box<dyn std::error::Error + Send + Sync>),
    /// It never will go on by itself.
    Hopeless(&'static str),
}

/// The steps of one run of a [`Workflow`].
///
/// Each step is done once, whatever happens. Given to [`Workflow::run`].
pub struct Flow<'a, C: Backend, W: Workflow<C>> {
    pub(super) registry: &'a Arc<Registry<C>>,
    pub(super) run: RunRow,
    /// Whether the run stands in the journal.
    pub(super) begun: bool,
    /// Whether this is not the first time the steps are gone through.
    recovering: bool,
    /// Whether the shared database was restored while the run was under way: the journal is older than what was done.
    pub(super) restored: bool,
    /// Whether somebody asked for a run that was stuck to be gone on with.
    by_hand: bool,
    journal: Vec<StepRow>,
    /// The steps in the tenant's database, once they were read.
    keys: Option<Vec<StepRow>>,
    /// The steps gone through so far.
    count: i32,
    commits_next: bool,
    pub(super) committed: bool,
    /// The run is over.
    pub(super) ended: bool,
    /// Whether steps left results in the tenant's database.
    pub(super) untidy: bool,
    /// The last step that was done there.
    in_tenant: Option<StepRow>,
    pub(super) undos: Vec<Undo<'a, C, W::Error>>,
    pub(super) halted: Option<(&'static str, Cause<W::Error>)>,
    /// The step that is being gone through. A panic in it may come after it was done and before that was noted here.
    pub(super) within: Option<&'static str>,
}

/// How a transaction of a step went.
enum Tried<T, E> {
    Done(T),
    /// Certainly not done.
    Failed(Cause<E>),
    /// The commit failed: it may be done all the same.
    Unknown(T, Error),
}

enum StepError<E> {
    Own(E),
    Database(Error),
    Unwritable(Unreadable),
    Taken,
}

impl<E> From<Error> for StepError<E> {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl<E> StepError<E> {
    fn into_cause(self) -> Cause<E> {
        match self {
            Self::Own(error) => Cause::Own(error),
            Self::Database(error) => Cause::Journal(error),
            Self::Unwritable(error) => Cause::Unwritable(error),
            Self::Taken => Cause::Taken,
        }
    }
}

/// A value as it stands in the journal. Maps are sorted, so that the same value reads the same.
pub(super) fn to_json(value: &impl Serialize) -> Result<String, Unreadable> {
    Ok(serde_json::to_value(value)?.to_string())
}

impl<'a, C: Backend, W: Workflow<C>> Flow<'a, C, W> {
    pub(super) fn first(registry: &'a Arc<Registry<C>>, run: RunRow) -> Self {
        Self {
            registry,
            run,
            begun: false,
            recovering: false,
            restored: false,
            by_hand: false,
            journal: Vec::new(),
            keys: None,
            count: 0,
            commits_next: false,
            committed: false,
            ended: false,
            untidy: false,
            in_tenant: None,
            undos: Vec::new(),
            halted: None,
            within: None,
        }
    }

    pub(super) fn again(
        registry: &'a Arc<Registry<C>>,
        run: RunRow,
        journal: Vec<StepRow>,
        by_hand: bool,
    ) -> Self {
        Self {
            begun: true,
            recovering: true,
            restored: journal.iter().any(|row| row.number == RESTORED),
            by_hand,
            journal,
            ..Self::first(registry, run)
        }
    }

    /// The tenant it is about, which may not be there yet.
    pub fn tenant_id(&self) -> &TenantId {
        &self.run.tenant_id
    }

    /// The uuid of the tenant it is about, which no other ever has: of the one that was there when the run began, or that
    /// the run created. `None` where there is none yet.
    pub fn tenant_uuid(&self) -> Option<Uuid> {
        self.run.tenant_uuid
    }

    /// The run's own id: a good name for what belongs to it and must not be made twice.
    pub fn run_id(&self) -> Uuid {
        self.run.id
    }

    /// The key it was asked for with.
    pub fn key(&self) -> Option<IdempotencyKey> {
        self.run.key.as_deref().and_then(|key| key.parse().ok())
    }

    /// Makes the next step the one that commits: if the run gets so far, it is finished whatever happens, and else undone.
    /// Steps after it must be such that they succeed in the end.
    ///
    /// A run without such a step commits when it is over.
    pub fn committing(&mut self) -> &mut Self {
        self.commits_next = true;
        self
    }

    /// The next step's number, and whether it commits.
    fn next_step(&mut self, step: &'static str) -> Result<(i32, bool), Halt<W::Error>> {
        if self.halted.is_some() {
            // The workflow went on after a step that halted it.
            return Err(Halt(Halted::Noted));
        }
        if self.ended {
            return Err(self.halt(step, Cause::Hopeless("a step after the last one")));
        }
        self.count += 1;
        self.within = Some(step);
        Ok((self.count, std::mem::take(&mut self.commits_next)))
    }

    fn found_in_journal(
        &mut self,
        number: i32,
        step: &'static str,
    ) -> Result<Option<StepRow>, Halt<W::Error>> {
        let found = self
            .journal
            .iter()
            .find(|row| row.number == number)
            .cloned();
        if found.as_ref().is_some_and(|row| row.step != step) {
            return Err(self.halt(step, Cause::Hopeless(CHANGED)));
        }
        Ok(found)
    }

    /// Gives what a step made that was done before.
    fn found<T: DeserializeOwned>(
        &mut self,
        found: StepRow,
        step: &'static str,
        commits: bool,
        undo: impl FnOnce(&str) -> Result<UndoOf<'a, C, W::Error>, Unreadable>,
    ) -> Result<T, Halt<W::Error>> {
        if found.phase != Phase::Done {
            // Undone, and so are all after it: they are undone backwards.
            return Err(self.halt(step, Cause::NotDone));
        }
        let Some(text) = found.result.as_deref() else {
            return Err(self.was_over(step));
        };
        let read = serde_json::from_str(text).map_err(Unreadable::from);
        let read = read.and_then(|value| Ok((value, undo(text)?)));
        let Ok((value, undo)) = read else {
            return Err(self.halt(step, Cause::Hopeless(UNREADABLE)));
        };
        self.committed |= commits;
        self.remember(found.number, step, undo);
        self.within = None;
        Ok(value)
    }

    /// What a step made is taken out of the tenant's database when the run is over, one way or the other. Where it was
    /// undone a step or a mark says so there; that it was given up says another one.
    fn was_over(&mut self, step: &'static str) -> Halt<W::Error> {
        let undone = |key: &StepRow| key.phase != Phase::Done && !key.is_mark(GIVEN_UP);
        match self.keys.iter().flatten().any(undone) {
            true => self.halt(step, Cause::NotDone),
            false => self.halt(step, Cause::Over),
        }
    }

    /// Whether a step of a run that is older than what was done may be done by guess.
    fn is_doubtful(&self) -> bool {
        self.restored && !self.by_hand
    }

    /// Whether a step that was not done is to be done now.
    fn may_be_done(&mut self, step: &'static str) -> Result<(), Halt<W::Error>> {
        match self.recovering && !self.committed {
            true => Err(self.halt(step, Cause::NotDone)),
            false => Ok(()),
        }
    }

    /// Enters the run into the journal, where the first step is not in the shared database.
    fn begin(&mut self, step: &'static str) -> Result<(), Halt<W::Error>> {
        if self.begun {
            return Ok(());
        }
        let (run, others) = (self.run.clone(), self.others());
        match self.write(move |conn| enter(conn, &run, &others)) {
            Ok(true) => self.begun = true,
            Ok(false) => return Err(self.halt(step, Cause::Taken)),
            Err(error) => return Err(self.halt(step, Cause::Undecided(error))),
        }
        hit("workflow.began");
        Ok(())
    }

    /// The workflows of which none may be open when this run is entered into the journal.
    fn others(&self) -> Vec<&'static str> {
        alone::names::<C, W>(self.registry)
    }

    fn write<T>(&self, f: impl FnOnce(&mut C) -> Result<T, Error>) -> Result<T, Boxed> {
        write(self.registry, f)
    }

    fn remember(&mut self, number: i32, step: &'static str, undo: UndoOf<'a, C, W::Error>) {
        self.undos.push(Undo { number, step, undo });
    }

    fn halt(&mut self, step: &'static str, cause: Cause<W::Error>) -> Halt<W::Error> {
        self.halted.get_or_insert((step, cause));
        self.within = None;
        Halt(Halted::Noted)
    }
}

pub(super) type Boxed = Box<dyn std::error::Error + Send + Sync>;

const CHANGED: &str = "its steps are not those it was begun with";
const UNREADABLE: &str = "what a step made cannot be read";
const DOUBTFUL: &str = "the shared database was restored while it was under way, so it may have been done already, or \
                        decided otherwise since; try it again to have it done";

/// Writes into the shared database, all or nothing.
pub(super) fn write<C: Backend, T>(
    registry: &Registry<C>,
    f: impl FnOnce(&mut C) -> Result<T, Error>,
) -> Result<T, Boxed> {
    let mut shared = registry.shared()?;
    Ok(shared.transaction(|shared| shared.on_connection(f))?)
}

/// The tenant a run is about, unless it is not there yet or gone.
pub(super) fn record_of<C: Backend>(
    registry: &Registry<C>,
    run: &RunRow,
) -> Result<Option<TenantRecord>, CatalogError> {
    let Some(uuid) = run.tenant_uuid else {
        return Ok(None);
    };
    let record = registry.ask(|conn| conn.catalog_tenant(uuid))?;
    // One that is being deleted is as good as gone: there is no way back.
    Ok(record.filter(|record| !matches!(record.status, Status::Deleting | Status::Deleted)))
}

/// A connection of the library's own to the tenant's database, whatever its status. A fenced one is refused.
pub(super) fn connect<C: Backend>(
    registry: &Registry<C>,
    record: &TenantRecord,
) -> Result<C, Boxed> {
    let storage = &registry.common.storage;
    Ok(storage
        .connect_tenant(&record.key(), record.generation)?
        .conn)
}

fn done(number: i32, step: &str, text: &str) -> StepRow {
    StepRow {
        number,
        step: step.to_owned(),
        phase: Phase::Done,
        result: Some(text.to_owned()),
    }
}

/// What became of a transaction whose body made `made`.
fn tried<T, E>(outcome: Result<(), StepError<E>>, made: Option<T>) -> Tried<T, E> {
    match (outcome, made) {
        (Ok(()), Some(made)) => Tried::Done(made),
        // The body was through, so it is the commit that failed.
        (Err(StepError::Database(error)), Some(made)) => Tried::Unknown(made, error),
        (Err(error), _) => Tried::Failed(error.into_cause()),
        (Ok(()), None) => unreachable!("a transaction that commits has run its body"),
    }
}
