//! The steps of a run, done for the first time or found done.
use std::sync::Arc;
use std::time::SystemTime;

use diesel::result::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::undo::{Undo, UndoOf};
use super::{IdempotencyKey, Workflow};
use crate::backend::{Backend, Storage};
use crate::catalog::workflows::{Ending, Phase, RunRow, RunState, StepRow};
use crate::catalog::{Status, TenantRecord, to_millis};
use crate::context::{SharedContext, TenantContext};
use crate::error::{CatalogError, CreateError, OpenError, Unreadable};
use crate::failpoint::hit;
use crate::provision::{self, NewTenant};
use crate::registry::{Registry, Tenant};
use crate::tenant_id::TenantId;

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
    pub(super) undos: Vec<Undo<'a, C, W::Error>>,
    pub(super) halted: Option<(&'static str, Cause<W::Error>)>,
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
            journal: Vec::new(),
            keys: None,
            count: 0,
            commits_next: false,
            committed: false,
            ended: false,
            untidy: false,
            undos: Vec::new(),
            halted: None,
        }
    }

    pub(super) fn again(
        registry: &'a Arc<Registry<C>>,
        run: RunRow,
        journal: Vec<StepRow>,
    ) -> Self {
        Self {
            begun: true,
            recovering: true,
            journal,
            ..Self::first(registry, run)
        }
    }

    /// The tenant it is about, which may not be there yet.
    pub fn tenant_id(&self) -> &TenantId {
        &self.run.tenant_id
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

    /// A step in the shared database: one write transaction, in which `f` runs and the journal is written.
    ///
    /// There is nothing to undo about it: it reads, or it comes after the commit.
    ///
    /// # Errors
    /// The run cannot go on. Pass it on by `?`.
    pub fn shared<T>(
        &mut self,
        step: &'static str,
        f: impl FnOnce(&mut SharedContext<C>) -> Result<T, W::Error>,
    ) -> Result<T, Halt<W::Error>>
    where
        T: Serialize + DeserializeOwned,
    {
        self.in_shared(step, f, |_| Ok(UndoOf::Nothing))
    }

    /// The same, with what undoes it: given what the step made, in one write transaction of the shared database.
    ///
    /// # Errors
    /// The run cannot go on. Pass it on by `?`.
    pub fn shared_or_undo<T>(
        &mut self,
        step: &'static str,
        f: impl FnOnce(&mut SharedContext<C>) -> Result<T, W::Error>,
        undo: impl FnOnce(&mut SharedContext<C>, T) -> Result<(), W::Error> + 'a,
    ) -> Result<T, Halt<W::Error>>
    where
        T: Serialize + DeserializeOwned + 'a,
    {
        self.in_shared(step, f, |text| {
            let made: T = serde_json::from_str(text)?;
            Ok(UndoOf::Shared(Box::new(move |shared| undo(shared, made))))
        })
    }

    /// A step in the tenant's database: one write transaction, in which `f` runs and the step's key is written.
    ///
    /// There is nothing to undo about it: it reads, it commits, or it comes after the commit.
    ///
    /// # Errors
    /// The run cannot go on. Pass it on by `?`.
    pub fn tenant<T>(
        &mut self,
        step: &'static str,
        f: impl FnOnce(&mut TenantContext<C>) -> Result<T, W::Error>,
    ) -> Result<T, Halt<W::Error>>
    where
        T: Serialize + DeserializeOwned,
    {
        self.in_tenant(step, f, |_| Ok(UndoOf::Nothing))
    }

    /// The same, with what undoes it: given what the step made, in one write transaction of the tenant's database.
    ///
    /// # Errors
    /// The run cannot go on. Pass it on by `?`.
    pub fn tenant_or_undo<T>(
        &mut self,
        step: &'static str,
        f: impl FnOnce(&mut TenantContext<C>) -> Result<T, W::Error>,
        undo: impl FnOnce(&mut TenantContext<C>, T) -> Result<(), W::Error> + 'a,
    ) -> Result<T, Halt<W::Error>>
    where
        T: Serialize + DeserializeOwned + 'a,
    {
        self.in_tenant(step, f, |text| {
            let made: T = serde_json::from_str(text)?;
            Ok(UndoOf::Tenant(Box::new(move |tenant| undo(tenant, made))))
        })
    }

    /// Creates the tenant the run is about, as [`Tenancy::create`](crate::Tenancy::create) does. Undone by deleting it,
    /// with everything in it: as if it had never been, so that its id can be taken again. A tenant that was there
    /// before is an error, and left alone.
    ///
    /// It is open to everybody from this step on. Let the application's own rows in the shared database say that it is
    /// not ready yet, until the run is over.
    ///
    /// # Errors
    /// The run cannot go on. Pass it on by `?`.
    pub fn create_tenant(
        &mut self,
        step: &'static str,
        new: NewTenant,
    ) -> Result<(), Halt<W::Error>> {
        let (number, commits) = self.next_step(step)?;
        let found = self.found_in_journal(number, step)?;
        let intended = match &found {
            Some(row) => match row.result.as_deref().and_then(|uuid| uuid.parse().ok()) {
                Some(uuid) => Some(uuid),
                None => return Err(self.halt(step, Cause::Hopeless(UNREADABLE))),
            },
            None => None,
        };
        if let Some(uuid) = intended {
            self.run.tenant_uuid = Some(uuid);
            self.remember(number, step, UndoOf::Created(uuid));
        }
        match found.map(|row| row.phase) {
            Some(Phase::Done) => {
                self.committed |= commits;
                return Ok(());
            }
            Some(Phase::Undone) => {
                self.undos.pop();
                return Err(self.halt(step, Cause::NotDone));
            }
            _ => {}
        }
        self.may_be_done(step)?;
        // One that was created, and not noted: a crash in between, past the commit.
        if let Some(uuid) = intended {
            let found = self.registry.ask(|conn| conn.catalog_tenant(uuid));
            match found {
                Ok(Some(TenantRecord {
                    status: Status::Active | Status::Suspended | Status::Archived,
                    ..
                })) => return self.created(number, step, uuid, commits),
                Ok(_) => drop(self.undos.pop()),
                Err(error) => return Err(self.halt(step, Cause::Undecided(error.into()))),
            }
        }
        let uuid = Uuid::now_v7();
        let intent = StepRow {
            number,
            step: step.to_owned(),
            phase: Phase::Begun,
            result: Some(uuid.to_string()),
        };
        let (begun, run) = (self.begun, self.run.clone());
        let entered = self.write(move |conn| {
            if !begun && !conn.run_insert(&run)? {
                return Ok(false);
            }
            conn.journal_put(run.id, &intent)?;
            conn.run_set_tenant(run.id, uuid).map(|()| true)
        });
        match entered {
            Ok(true) => self.begun = true,
            Ok(false) => return Err(self.halt(step, Cause::Taken)),
            Err(error) => return Err(self.halt(step, Cause::Undecided(error))),
        }
        self.run.tenant_uuid = Some(uuid);
        self.remember(number, step, UndoOf::Created(uuid));
        hit("workflow.creating");
        let new = new.with_uuid(uuid);
        match provision::create(self.registry, self.run.tenant_id, new) {
            Ok(_) => {}
            Err(error) => return Err(self.halt(step, Cause::Create(Box::new(error)))),
        }
        self.created(number, step, uuid, commits)
    }

    fn created(
        &mut self,
        number: i32,
        step: &'static str,
        uuid: Uuid,
        commits: bool,
    ) -> Result<(), Halt<W::Error>> {
        let done = StepRow {
            number,
            step: step.to_owned(),
            phase: Phase::Done,
            result: Some(uuid.to_string()),
        };
        let run = self.run.id;
        match self.write(move |conn| conn.journal_put(run, &done)) {
            Ok(()) => {}
            Err(error) => return Err(self.halt(step, Cause::Undecided(error))),
        }
        self.committed |= commits;
        hit("workflow.created");
        Ok(())
    }

    /// The last step, in the shared database: one write transaction, in which `f` runs and the run is ended with the result
    /// that `f` returns. No step may follow.
    ///
    /// Saves a transaction: a workflow that returns its result without this is ended in one of its own.
    ///
    /// # Errors
    /// The run cannot go on. Pass it on by `?`.
    pub fn finish(
        &mut self,
        step: &'static str,
        f: impl FnOnce(&mut SharedContext<C>) -> Result<W::Output, W::Error>,
    ) -> Result<W::Output, Halt<W::Error>> {
        self.next_step(step)?;
        self.may_be_done(step)?;
        let run = self.run.clone();
        let (begun, untidy) = (self.begun, self.untidy);
        let tried = self.try_shared(step, |shared| {
            if !begun && !shared.on_connection(|conn| conn.run_insert(&run))? {
                return Err(StepError::Taken);
            }
            let output = f(shared).map_err(StepError::Own)?;
            let text = to_json(&output).map_err(StepError::Unwritable)?;
            shared.on_connection(|conn| end(conn, &run, W::KEEP, untidy, &text))?;
            Ok(output)
        })?;
        let output = match tried {
            Tried::Done(output) => output,
            Tried::Failed(cause) => return Err(self.halt(step, cause)),
            Tried::Unknown(output, error) => {
                let state = self.registry.ask(|conn| conn.run_get(run.id));
                match state {
                    Ok(Some(found)) if found.state != RunState::Running => output,
                    Ok(_) => return Err(self.halt(step, Cause::Journal(error))),
                    Err(error) => return Err(self.halt(step, Cause::Undecided(error.into()))),
                }
            }
        };
        self.begun = true;
        self.ended = true;
        hit("workflow.ended");
        Ok(output)
    }

    /// Ends the run with this result, if no step has.
    pub(super) fn finish_with(&mut self, output: &W::Output) -> Result<(), Halt<W::Error>> {
        const STEP: &str = "the end";
        if self.ended {
            return Ok(());
        }
        self.may_be_done(STEP)?;
        let text = match to_json(output) {
            Ok(text) => text,
            Err(error) => return Err(self.halt(STEP, Cause::Unwritable(error))),
        };
        let (run, begun, untidy) = (self.run.clone(), self.begun, self.untidy);
        let entered = self.write(move |conn| {
            if !begun && !conn.run_insert(&run)? {
                return Ok(false);
            }
            end(conn, &run, W::KEEP, untidy, &text).map(|()| true)
        });
        match entered {
            Ok(true) => {}
            Ok(false) => return Err(self.halt(STEP, Cause::Taken)),
            Err(error) => return Err(self.halt(STEP, Cause::Undecided(error))),
        }
        self.begun = true;
        self.ended = true;
        hit("workflow.ended");
        Ok(())
    }

    fn in_shared<T: Serialize + DeserializeOwned>(
        &mut self,
        step: &'static str,
        f: impl FnOnce(&mut SharedContext<C>) -> Result<T, W::Error>,
        undo: impl FnOnce(&str) -> Result<UndoOf<'a, C, W::Error>, Unreadable>,
    ) -> Result<T, Halt<W::Error>> {
        let (number, commits) = self.next_step(step)?;
        if let Some(found) = self.found_in_journal(number, step)? {
            return self.found(found, step, commits, undo);
        }
        self.may_be_done(step)?;
        let run = self.run.clone();
        let begun = self.begun;
        let tried = self.try_shared(step, |shared| {
            // The intent and the first step are one transaction.
            if !begun && !shared.on_connection(|conn| conn.run_insert(&run))? {
                return Err(StepError::Taken);
            }
            let value = f(shared).map_err(StepError::Own)?;
            let text = to_json(&value).map_err(StepError::Unwritable)?;
            let row = done(number, step, &text);
            shared.on_connection(|conn| conn.journal_put(run.id, &row))?;
            Ok((value, text))
        })?;
        let (value, text) = match tried {
            Tried::Done(made) => made,
            Tried::Failed(cause) => return Err(self.halt(step, cause)),
            Tried::Unknown(made, error) => match self.registry.ask(|conn| conn.journal(run.id)) {
                Ok(rows) if rows.iter().any(|row| row.number == number) => made,
                Ok(_) => return Err(self.halt(step, Cause::Journal(error))),
                Err(error) => return Err(self.halt(step, Cause::Undecided(error.into()))),
            },
        };
        self.begun = true;
        self.committed |= commits;
        hit("workflow.shared-step");
        match undo(&text) {
            Ok(undo) => self.remember(number, step, undo),
            Err(_) => return Err(self.halt(step, Cause::Hopeless(UNREADABLE))),
        }
        Ok(value)
    }

    fn in_tenant<T: Serialize + DeserializeOwned>(
        &mut self,
        step: &'static str,
        f: impl FnOnce(&mut TenantContext<C>) -> Result<T, W::Error>,
        undo: impl FnOnce(&str) -> Result<UndoOf<'a, C, W::Error>, Unreadable>,
    ) -> Result<T, Halt<W::Error>> {
        let (number, commits) = self.next_step(step)?;
        if self.recovering
            && let Some(found) = self.found_in_tenant(number, step)?
        {
            return self.found(found, step, commits, undo);
        }
        self.may_be_done(step)?;
        let tenant = match self.tenant_of_run() {
            Ok(tenant) => tenant,
            Err(error) => return Err(self.halt(step, Cause::Open(Box::new(error)))),
        };
        self.begin(step)?;
        let mut context = match self.registry.enter(&tenant) {
            Ok(context) => context,
            Err(error) => return Err(self.halt(step, Cause::Open(Box::new(error)))),
        };
        let run = self.run.id;
        let mut made = None;
        let outcome = context.transaction(|tenant| {
            tenant.on_connection(|conn| conn.keys_prepare())?;
            let value = f(tenant).map_err(StepError::Own)?;
            let text = to_json(&value).map_err(StepError::Unwritable)?;
            let key = done(number, step, &text);
            tenant.on_connection(|conn| conn.key_insert(run, &key))?;
            made = Some((value, text));
            Ok(())
        });
        drop(context);
        let (value, text) = match tried(outcome, made) {
            Tried::Done(made) => made,
            Tried::Failed(cause) => return Err(self.halt(step, cause)),
            Tried::Unknown(made, error) => match self.key_now(&tenant.record(), number, step) {
                Ok(key) if key.phase == Phase::Done => made,
                Ok(_) => return Err(self.halt(step, Cause::Journal(error))),
                Err(error) => return Err(self.halt(step, Cause::Undecided(error))),
            },
        };
        self.committed |= commits;
        self.untidy |= leaves_result(Some(&text));
        hit("workflow.tenant-step");
        match undo(&text) {
            Ok(undo) => self.remember(number, step, undo),
            Err(_) => return Err(self.halt(step, Cause::Hopeless(UNREADABLE))),
        }
        Ok(value)
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

    /// What the tenant's database says of a step. One that was not done cannot be done any more afterwards, unless the
    /// run has committed.
    fn found_in_tenant(
        &mut self,
        number: i32,
        step: &'static str,
    ) -> Result<Option<StepRow>, Halt<W::Error>> {
        let later = |row: &StepRow| row.number > number && row.phase == Phase::Done;
        let done_later = self.journal.iter().any(later);
        let record = match self.record_of_run() {
            Ok(record) => record,
            Err(error) => return Err(self.halt(step, Cause::Undecided(error.into()))),
        };
        let Some(record) = record else {
            // It is gone, and with it what was done in it.
            return match done_later {
                true => Err(self.halt(step, Cause::Hopeless("the tenant is gone"))),
                false => Ok(None),
            };
        };
        let key = match self.key_found(&record, number) {
            // What is after it was done, so it was, too: an older database was put in the place of the one that knew.
            Ok(None) if done_later => {
                let lost = "the tenant's database does not know what was done in it";
                return Err(self.halt(step, Cause::Hopeless(lost)));
            }
            Ok(None) if !self.committed => self.key_now(&record, number, step).map(Some),
            found => found,
        };
        match key {
            Ok(Some(key)) if key.step != step => Err(self.halt(step, Cause::Hopeless(CHANGED))),
            Ok(Some(key)) if key.phase == Phase::Void => Ok(None),
            Ok(key) => {
                self.untidy |= key
                    .as_ref()
                    .is_some_and(|key| leaves_result(key.result.as_deref()));
                Ok(key)
            }
            Err(error) => Err(self.halt(step, Cause::Undecided(error))),
        }
    }

    fn key_found(&mut self, record: &TenantRecord, number: i32) -> Result<Option<StepRow>, Boxed> {
        if self.keys.is_none() {
            let mut conn = connect(self.registry, record)?;
            self.keys = Some(conn.keys(self.run.id)?);
        }
        let mut keys = self.keys.iter().flatten();
        Ok(keys.find(|key| key.number == number).cloned())
    }

    /// What a step is in the tenant's database from now on: done, or void.
    fn key_now(&self, record: &TenantRecord, number: i32, step: &str) -> Result<StepRow, Boxed> {
        let mut conn = connect(self.registry, record)?;
        let key = conn.key_void(self.run.id, number, step)?;
        hit("workflow.voided");
        Ok(key)
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
        let text = found.result.as_deref().unwrap_or_default();
        let read = serde_json::from_str(text).map_err(Unreadable::from);
        let read = read.and_then(|value| Ok((value, undo(text)?)));
        let Ok((value, undo)) = read else {
            return Err(self.halt(step, Cause::Hopeless(UNREADABLE)));
        };
        self.committed |= commits;
        self.remember(found.number, step, undo);
        Ok(value)
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
        let run = self.run.clone();
        match self.write(move |conn| conn.run_insert(&run)) {
            Ok(true) => self.begun = true,
            Ok(false) => return Err(self.halt(step, Cause::Taken)),
            Err(error) => return Err(self.halt(step, Cause::Undecided(error))),
        }
        hit("workflow.began");
        Ok(())
    }

    fn try_shared<T>(
        &mut self,
        step: &'static str,
        f: impl FnOnce(&mut SharedContext<C>) -> Result<T, StepError<W::Error>>,
    ) -> Result<Tried<T, W::Error>, Halt<W::Error>> {
        let mut shared = match self.registry.shared() {
            Ok(shared) => shared,
            Err(error) => return Err(self.halt(step, Cause::Open(Box::new(error)))),
        };
        let mut made = None;
        let outcome = shared.transaction(|shared| {
            made = Some(f(shared)?);
            Ok(())
        });
        Ok(tried(outcome, made))
    }

    fn write<T>(&self, f: impl FnOnce(&mut C) -> Result<T, Error>) -> Result<T, Boxed> {
        write(self.registry, f)
    }

    /// The tenant, by its uuid: its id may belong to another one by now.
    fn tenant_of_run(&self) -> Result<Arc<Tenant<C>>, OpenError> {
        let id = self.run.tenant_id;
        let tenant = self.registry.tenant(&id)?;
        match Some(tenant.record().uuid) == self.run.tenant_uuid {
            true => Ok(tenant),
            false => Err(OpenError::UnknownTenant { id }),
        }
    }

    fn record_of_run(&self) -> Result<Option<TenantRecord>, CatalogError> {
        record_of(self.registry, &self.run)
    }

    fn remember(&mut self, number: i32, step: &'static str, undo: UndoOf<'a, C, W::Error>) {
        self.undos.push(Undo { number, step, undo });
    }

    fn halt(&mut self, step: &'static str, cause: Cause<W::Error>) -> Halt<W::Error> {
        self.halted.get_or_insert((step, cause));
        Halt(Halted::Noted)
    }
}

pub(super) type Boxed = Box<dyn std::error::Error + Send + Sync>;

const CHANGED: &str = "its steps are not those it was begun with";
const UNREADABLE: &str = "what a step made cannot be read";

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

fn leaves_result(text: Option<&str>) -> bool {
    text.is_some_and(|text| text != "null")
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

/// Ends a run that has come through.
fn end<C: Backend>(
    conn: &mut C,
    run: &RunRow,
    keep: std::time::Duration,
    untidy: bool,
    output: &str,
) -> Result<(), Error> {
    let keep = match run.key {
        Some(_) => i64::try_from(keep.as_millis()).unwrap_or(i64::MAX),
        None => 0,
    };
    conn.run_end(
        run,
        &Ending {
            state: match untidy {
                true => RunState::Finished,
                false => RunState::Done,
            },
            output: run.key.as_ref().map(|_| output),
            failed_step: None,
            failure: None,
            forget_at: Some(to_millis(SystemTime::now()).saturating_add(keep)),
        },
    )
}
