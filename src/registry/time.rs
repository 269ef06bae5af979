//! What time it is, for what would remove something because of its age.
use std::time::SystemTime;

use super::Registry;
use crate::backend::Backend;
use crate::catalog::from_millis;
use crate::catalog::retention::BELIEVED_AHEAD;
use crate::error::CatalogError;

impl<C: Backend> Registry<C> {
    /// The clock's time, but no later than the clock of a fleet that is alive could have it: nothing gets older by a clock
    /// that has jumped ahead.
    pub(crate) fn believed_now(&self) -> Result<SystemTime, CatalogError> {
        let seen = self.ask(|c| c.retention_clock_seen())?;
        Ok(SystemTime::now().min(from_millis(seen) + BELIEVED_AHEAD))
    }
}
