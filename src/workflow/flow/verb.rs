//! Steps by the library's own verbs, which are no transaction of the application's.
use std::sync::Arc;

use super::{Cause, DOUBTFUL, Flow, Halt, done};
use crate::backend::Backend;
use crate::failpoint::hit;
use crate::tenancy::Tenancy;
use crate::workflow::Workflow;

impl<'a, C: Backend, W: Workflow<C>> Flow<'a, C, W> {
    /// A step past the commit, by verbs of the library: suspending the tenant, setting its quota.
    ///
    /// No transaction is open in it, and none may be opened on what the verb writes. What it did is entered into the
    /// journal after it, so a process that dies in between has it done once more: it must be such that twice is the same
    /// as once. There is nothing to undo about it, so it comes after [`committing`](Self::committing); before that, the
    /// run is stuck.
    ///
    /// # Errors
    /// The run cannot go on. Pass it on by `?`.
    pub fn verb(
        &mut self,
        step: &'static str,
        f: impl FnOnce(&Tenancy<C>) -> Result<(), W::Error>,
    ) -> Result<(), Halt<W::Error>> {
        let (number, _) = self.next_step(step)?;
        if self.found_in_journal(number, step)?.is_some() {
            self.within = None;
            return Ok(());
        }
        if !self.committed {
            return Err(self.halt(step, Cause::Hopeless(TOO_EARLY)));
        }
        if self.is_doubtful() {
            return Err(self.halt(step, Cause::Hopeless(DOUBTFUL)));
        }
        let tenancy = Tenancy {
            registry: Arc::clone(self.registry),
        };
        if let Err(error) = f(&tenancy) {
            return Err(self.halt(step, Cause::Own(error)));
        }
        let (run, row) = (self.run.id, done(number, step, "null"));
        if let Err(error) = self.write(move |conn| conn.journal_put(run, &row)) {
            return Err(self.halt(step, Cause::Undecided(error)));
        }
        hit("workflow.verb");
        self.within = None;
        Ok(())
    }
}

const TOO_EARLY: &str = "a verb of the library before the commit";
