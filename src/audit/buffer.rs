//! Ordinary openings wait here, in memory, until there are enough of them or the oldest has waited long enough.
use std::time::Duration;

use parking_lot::Mutex;

use super::AuditSettings;
use crate::catalog::audit::Draft;
use crate::clock::Coarse;

/// So many times the batch may wait while the shared database cannot be written; then nobody is let in any more.
const PATIENCE: usize = 4;

/// How long after a failure nobody tries again, unless the batch is full.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Buffer {
    waiting: Mutex<Waiting>,
    /// Held while a batch is written, so that who asks for a flush gets what others are just writing.
    writing: Mutex<()>,
}

#[derive(Default)]
struct Waiting {
    drafts: Vec<Draft>,
    oldest: Option<Coarse>,
    failed: Option<Coarse>,
}

impl Buffer {
    /// Adds one, and writes the batch when it is due. Fails, and adds nothing, when what waits cannot be written and no
    /// more can wait.
    pub(super) fn add<E>(
        &self,
        draft: Draft,
        settings: &AuditSettings,
        write: impl Fn(&[Draft]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.len() >= PATIENCE * settings.batch {
            self.flush(&write)?;
        }
        let due = {
            let mut waiting = self.waiting.lock();
            waiting.drafts.push(draft);
            let now = Coarse::now();
            let oldest = *waiting.oldest.get_or_insert(now);
            // While it cannot be written, not everybody who comes waits for that.
            let just_failed = waiting.failed.is_some_and(|at| now.since(at) < RETRY);
            let due = waiting.drafts.len() >= settings.batch || now.since(oldest) >= settings.delay;
            due && !just_failed
        };
        if due {
            // What could not be written goes on waiting, up to the bound above.
            let _ = self.flush(write);
        }
        Ok(())
    }

    /// Writes what waits. What cannot be written goes on waiting.
    pub(crate) fn flush<E>(&self, write: impl FnOnce(&[Draft]) -> Result<(), E>) -> Result<(), E> {
        let _writing = self.writing.lock();
        let batch = {
            let mut waiting = self.waiting.lock();
            waiting.oldest = None;
            std::mem::take(&mut waiting.drafts)
        };
        if batch.is_empty() {
            return Ok(());
        }
        let written = write(&batch);
        let mut waiting = self.waiting.lock();
        waiting.failed = None;
        if written.is_err() {
            let now = Coarse::now();
            waiting.oldest = Some(now);
            waiting.failed = Some(now);
            waiting.drafts.splice(0..0, batch);
        }
        written
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.lock().drafts.len()
    }
}
