//! What the console has under way, when its process is to end.
use std::sync::atomic::Ordering;

use diesel_tenants::fleet::{FleetError, RunOutcome};

use crate::console::App;

/// What a console has under way, for whoever ends its process. Made by
/// [`Console::router_and_work`](crate::Console::router_and_work); cheap to clone.
#[derive(Clone)]
pub struct Work(pub(crate) App);

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Work(…)")
    }
}

impl Work {
    /// Lets nothing more be begun: of what the console has under way each is finished at the database it is at, and no other
    /// is begun. A migration of many is [stopped](diesel_tenants::Tenancy::stop_fleet_run), with whichever processes help
    /// with it, and its rest is for the next one. Blocks for as long as the catalogue takes, and does not wait until the
    /// work has ended.
    ///
    /// Whoever cannot wait any longer ends the process: a run over the fleet is in the catalogue, tenant by tenant, and every
    /// operation is finished or undone when the library is opened next.
    ///
    /// # Errors
    /// [`FleetError::Catalog`], [`FleetError::Storage`]: the migration was not stopped. Everything else was.
    pub fn stop(&self) -> Result<(), FleetError> {
        let Self(app) = self;
        app.ending.store(true, Ordering::SeqCst);
        // There is one at most, and this process is at work on it.
        if app.fleet.available_permits() == 0 {
            for run in app.tenancy.fleet_runs()? {
                if run.outcome == RunOutcome::Running {
                    app.tenancy.stop_fleet_run(run.id)?;
                }
            }
        }
        Ok(())
    }
}
