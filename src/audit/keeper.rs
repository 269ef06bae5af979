//! The thread that writes ordinary openings in a process that opens nothing more.
use std::thread::{Builder, JoinHandle};

use parking_lot::Mutex;

/// At most one thread, begun when there is something for it to do.
#[derive(Default)]
pub(crate) struct Keeper(Mutex<Option<JoinHandle<()>>>);

impl Keeper {
    /// Begins it if there is none. Where the system gives no thread, the next opening asks again, and writes what is due
    /// meanwhile.
    pub(super) fn begin<W: FnOnce() + Send + 'static>(&self, work: impl FnOnce() -> W) {
        let mut thread = self.0.lock();
        if thread.as_ref().is_none_or(JoinHandle::is_finished) {
            let named = Builder::new().name("tenants-audit".to_owned());
            *thread = named.spawn(work()).ok();
        }
    }

    /// Waits for its end, which somebody has told it.
    pub(crate) fn end(&self) {
        if let Some(thread) = self.0.lock().take() {
            let _ = thread.join();
        }
    }
}
