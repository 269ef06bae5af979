//! Ordinary openings wait here, in memory, until there are enough of them or the oldest has waited long enough.
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

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
    /// Something waits that nothing waited beside, or nothing more will come.
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    drafts: Vec<Draft>,
    /// How many are being written just now, and wait again if they cannot be.
    in_flight: usize,
    oldest: Option<Coarse>,
    failed: Option<Coarse>,
    closed: bool,
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
            let oldest = *waiting.oldest.get_or_insert_with(|| {
                self.changed.notify_one();
                now
            });
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
            waiting.in_flight = waiting.drafts.len();
            std::mem::take(&mut waiting.drafts)
        };
        if batch.is_empty() {
            return Ok(());
        }
        let written = write(&batch);
        let mut waiting = self.waiting.lock();
        waiting.failed = None;
        waiting.in_flight = 0;
        if written.is_err() {
            let now = Coarse::now();
            waiting.oldest = Some(now);
            waiting.failed = Some(now);
            waiting.drafts.splice(0..0, batch);
            self.changed.notify_one();
        }
        written
    }

    /// How many wait.
    fn len(&self) -> usize {
        let waiting = self.waiting.lock();
        waiting.drafts.len() + waiting.in_flight
    }

    /// Writes what waits whenever the oldest has waited for `delay`, until the buffer is [closed](Self::close): for a
    /// thread of its own, which sleeps for the rest of the time. What cannot be written is tried again after as long, and
    /// not more often than others try it.
    pub(super) fn keep<E>(&self, delay: Duration, write: impl Fn(&[Draft]) -> Result<(), E>) {
        let mut waiting = self.waiting.lock();
        while !waiting.closed {
            let Some(oldest) = waiting.oldest else {
                self.changed.wait(&mut waiting);
                continue;
            };
            let delay = match waiting.failed {
                Some(_) => delay.max(RETRY),
                None => delay,
            };
            let left = delay.saturating_sub(Coarse::now().since(oldest));
            if left.is_zero() {
                MutexGuard::unlocked(&mut waiting, || drop(self.flush(&write)));
            } else {
                self.changed.wait_for(&mut waiting, left);
            }
        }
    }

    /// Lets who [keeps](Self::keep) it go. What waits goes on waiting.
    pub(crate) fn close(&self) {
        self.waiting.lock().closed = true;
        self.changed.notify_all();
    }
}
