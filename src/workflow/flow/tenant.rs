//! Steps in the tenant's database, whose keys decide what was done.
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    Boxed, CHANGED, Cause, Flow, Halt, StepError, Tried, UNREADABLE, connect, done, record_of,
    to_json, tried,
};
use crate::backend::Backend;
use crate::catalog::TenantRecord;
use crate::catalog::workflows::{Phase, StepRow};
use crate::context::TenantContext;
use crate::error::{CatalogError, OpenError, Unreadable};
use crate::failpoint::hit;
use crate::registry::Tenant;
use crate::workflow::keys::UNDONE;
use crate::workflow::undo::UndoOf;
use crate::workflow::{Workflow, keys};

impl<'a, C: Backend, W: Workflow<C>> Flow<'a, C, W> {
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
            self.in_tenant = Some(found.clone());
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
        let (mut made, mut has_old) = (None, false);
        let outcome = context.transaction(|tenant| {
            tenant.on_connection(|conn| conn.keys_prepare())?;
            let old = tenant.on_connection(|conn| conn.keys_before(keys::horizon(), 1))?;
            has_old = !old.is_empty();
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
        // Old keys go with what this run leaves. A key that is not the commit itself is emptied even of nothing: that is how
        // an older journal is told that the run was over.
        self.untidy |= !self.committed || leaves_result(Some(&text)) || has_old;
        self.in_tenant = Some(done(number, step, ""));
        hit("workflow.tenant-step");
        match undo(&text) {
            Ok(undo) => self.remember(number, step, undo),
            Err(_) => return Err(self.halt(step, Cause::Hopeless(UNREADABLE))),
        }
        self.within = None;
        Ok(value)
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
            Ok(None) if keys::may_be_forgotten(&self.run) => {
                let old =
                    "the tenant's database may have forgotten what was done in it so long ago";
                return Err(self.halt(step, Cause::Hopeless(old)));
            }
            Ok(None) if !self.committed => self.key_now(&record, number, step).map(Some),
            found => found,
        };
        match key {
            // It was undone, and that was entered before what it had seen was emptied.
            Ok(Some(key)) if key.is_mark(UNDONE) => Ok(None),
            Ok(Some(key)) if key.step != step => Err(self.halt(step, Cause::Hopeless(CHANGED))),
            Ok(Some(key)) if key.phase == Phase::Void => Ok(None),
            Ok(key) => {
                self.untidy |= key
                    .as_ref()
                    .is_some_and(|key| !self.committed || leaves_result(key.result.as_deref()));
                Ok(key)
            }
            Err(error) => Err(self.halt(step, Cause::Undecided(error))),
        }
    }

    /// Refuses a step in a shared database that was restored, where the tenant's knows of a later one: it was done, and what
    /// was done after it rests on it. So it is neither done again nor is the run undone.
    pub(super) fn refuse_what_the_tenant_rests_on(
        &mut self,
        number: i32,
        step: &'static str,
    ) -> Result<(), Halt<W::Error>> {
        if !self.restored || self.committed {
            return Ok(());
        }
        let found = self.record_of_run().map_err(Boxed::from);
        let found = found.and_then(|record| match record {
            Some(record) => self.read_keys(&record),
            None => Ok(()),
        });
        if let Err(error) = found {
            return Err(self.halt(step, Cause::Undecided(error)));
        }
        if self.was_undone() {
            return Ok(());
        }
        let later = |key: &StepRow| key.number > number && key.phase == Phase::Done;
        match self.keys.iter().flatten().any(later) || keys::may_be_forgotten(&self.run) {
            true => Err(self.halt(step, Cause::Hopeless(LOST))),
            false => Ok(()),
        }
    }

    fn read_keys(&mut self, record: &TenantRecord) -> Result<(), Boxed> {
        if self.keys.is_none() {
            let mut conn = connect(self.registry, record)?;
            self.keys = Some(conn.keys(self.run.id)?);
        }
        Ok(())
    }

    /// Whether all of the run was undone, by what the tenant's database says.
    fn was_undone(&self) -> bool {
        let mut keys = self.keys.iter().flatten();
        keys.any(|key| key.is_mark(UNDONE))
    }

    fn key_found(&mut self, record: &TenantRecord, number: i32) -> Result<Option<StepRow>, Boxed> {
        self.read_keys(record)?;
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
}

const LOST: &str = "the shared database was restored, and does not know what was done in it before the last step in the \
                    tenant's";

fn leaves_result(text: Option<&str>) -> bool {
    text.is_some_and(|text| text != "null")
}
