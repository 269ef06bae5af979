//! Steps in the shared database, the one that ends the run among them.
use std::time::SystemTime;

use diesel::result::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Boxed, Cause, Flow, Halt, StepError, Tried, UNREADABLE, done, to_json, tried};
use crate::backend::Backend;
use crate::catalog::to_millis;
use crate::catalog::workflows::{Ending, RunRow, RunState, StepRow};
use crate::context::SharedContext;
use crate::error::Unreadable;
use crate::failpoint::hit;
use crate::workflow::Workflow;
use crate::workflow::alone::enter;
use crate::workflow::undo::UndoOf;

impl<'a, C: Backend, W: Workflow<C>> Flow<'a, C, W> {
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
        let (begun, untidy, others) = (self.begun, self.untidy, self.others());
        let in_tenant = self.in_tenant.clone();
        let tried = self.try_shared(step, |shared| {
            if !begun && !shared.on_connection(|conn| enter(conn, &run, &others))? {
                return Err(StepError::Taken);
            }
            let output = f(shared).map_err(StepError::Own)?;
            let text = to_json(&output).map_err(StepError::Unwritable)?;
            shared.on_connection(|conn| end(conn, &run, W::KEEP, untidy, in_tenant, &text))?;
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
        self.within = None;
        Ok(output)
    }

    /// Ends the run that was over before: what it gave is not known. What is left to be emptied is emptied.
    pub(in crate::workflow) fn end_without_output(
        &mut self,
        step: &'static str,
    ) -> Result<(), Boxed> {
        let run = self.run.clone();
        let keep = i64::try_from(W::KEEP.as_millis()).unwrap_or(i64::MAX);
        let ending = Ending {
            state: match self.untidy {
                true => RunState::Finished,
                false => RunState::Done,
            },
            output: None,
            failed_step: Some(step),
            failure: None,
            forget_at: Some(to_millis(SystemTime::now()).saturating_add(keep)),
        };
        self.write(|conn| conn.run_end(&run, &ending))?;
        hit("workflow.ended");
        Ok(())
    }

    /// Ends the run with this result, if no step has.
    pub(in crate::workflow) fn finish_with(
        &mut self,
        output: &W::Output,
    ) -> Result<(), Halt<W::Error>> {
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
        let (others, in_tenant) = (self.others(), self.in_tenant.clone());
        let entered = self.write(move |conn| {
            if !begun && !enter(conn, &run, &others)? {
                return Ok(false);
            }
            end(conn, &run, W::KEEP, untidy, in_tenant, &text).map(|()| true)
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
        self.refuse_what_the_tenant_rests_on(number, step)?;
        self.may_be_done(step)?;
        let run = self.run.clone();
        let (begun, others) = (self.begun, self.others());
        let tried = self.try_shared(step, |shared| {
            // The intent and the first step are one transaction.
            if !begun && !shared.on_connection(|conn| enter(conn, &run, &others))? {
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
        self.within = None;
        Ok(value)
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
}

/// Ends a run that has come through.
fn end<C: Backend>(
    conn: &mut C,
    run: &RunRow,
    keep: std::time::Duration,
    untidy: bool,
    in_tenant: Option<StepRow>,
    output: &str,
) -> Result<(), Error> {
    if let Some(step) = in_tenant.filter(|_| run.key.is_some()) {
        conn.journal_put(run.id, &StepRow::in_tenant(step.number, &step.step))?;
    }
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
