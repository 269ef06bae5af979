//! The whole fleet at once: migrations as a run that survives its processes.
//!
//! [`Tenancy::migrate_fleet`](crate::Tenancy::migrate_fleet) brings all tenants to the newest migration, in waves, with
//! several threads, and with as many processes as call it. What it has done and has still to do is in the catalogue, so
//! a run that is killed is gone on with by the next call, and touches only the rest.
//!
//! | step | failpoint after it | killed here, the next call |
//! |---|---|---|
//! | the run, a row per tenant, this worker | `fleet.started` | goes on with the run |
//! | … or this worker joins the run there is | `fleet.joined` | goes on with the run |
//! | … after ending another that was interrupted | `fleet.superseded` | begins its own |
//! | a few tenants claimed | `fleet.claimed` | gives them back and takes them again |
//! | each is migrated, an operation of its own | `migrate-tenant.…`, `migrate.…` | finds it migrated or not, never half |
//! | what became of it is recorded | `fleet.recorded` | leaves it alone |
//! | claims of dead workers given back | `fleet.released` | takes them |
//! | the last worker finishes the run | `fleet.left` | finds nothing to do |
//!
//! A run with nothing to do writes nothing and opens no tenant's database: see [`FleetPlan`].
use uuid::Uuid;

use crate::backend::Backend;
use crate::tenancy::Tenancy;

mod error;
mod one;
mod options;
mod plan;
mod report;
mod run;

pub use crate::catalog::runs::{RunOutcome, TenantState};
pub use crate::migrate::PendingMigration;
pub use error::{FailureKind, FleetError, TenantError};
pub use one::{MigrateTenant, TenantMigrated};
pub use options::{MigrateFleet, StopRule, Wave};
pub use plan::{FleetPlan, PlannedAction, TenantPlan};
pub use report::{FleetProgress, FleetReport, FleetRun, FleetTotals, TenantFailure, TenantReport};

impl<C: Backend> Tenancy<C> {
    /// Brings every tenant to the newest migration, as one run. Blocks until it is over.
    ///
    /// - **In waves**: one tenant, then one percent, then the rest, unless [`MigrateFleet`] says otherwise. The first
    ///   failure in a wave before the last ends the run; so does a failure too many.
    /// - **A tenant that fails does not stop the rest.** It stands in the report with its error. What was committed of it
    ///   stays, what was not left nothing. In the next run it is [no canary](MigrateFleet::waves), whatever its id.
    /// - **Suspended and archived tenants are migrated too.** Those that are being made, restored or deleted are skipped.
    ///   Tenants that are created while it goes on are no part of it.
    /// - **One run at a time, and any number of processes on it.** A process that asks for the same migrations and the
    ///   same tenants joins the run that is being worked on and helps; all return the report of the whole. One that asks
    ///   for something else is refused with [`FleetError::RunActive`]. Waves and stop rule are those of the call that
    ///   began the run; the number of workers, the timeout and the hook are each process' own.
    /// - **It survives.** After a crash the next such call goes on with the run, and touches only what is left. A run
    ///   that was stopped, or in which tenants failed, is over: the next call begins one with what is left, with its
    ///   waves from the start.
    /// - **Nothing to do is cheap.** What the catalogue knows is enough to see it; no tenant is opened and no run
    ///   recorded.
    ///
    /// The migrations are tried before any tenant is touched: new tenants' template is made with them.
    ///
    /// `progress` is called on this thread, after each tenant that this process has finished and now and then while it
    /// waits for others. `|_| {}` is nobody.
    ///
    /// # Errors
    /// See [`FleetError`]. Failed tenants are no error: ask [`FleetReport::is_success`].
    ///
    /// # Example
    /// ```
    /// use diesel_tenants::prelude::*;
    /// use diesel_tenants::MigrateFleet;
    /// # use diesel_tenants::MigrationSet;
    /// # mod schema {
    /// #     diesel::table! { users { id -> Integer, name -> Text, } }
    /// #     diesel::table! { patients { id -> Integer, ward -> Text, } }
    /// # }
    /// # routes! {
    /// #     static ROUTES;
    /// #     shared { accounts { schema::users } }
    /// #     tenant { patients { schema::patients } }
    /// # }
    /// # let dir = tempfile::tempdir()?;
    /// # let open = |migrations: MigrationSet| {
    /// #     Tenancy::<SqliteConnection>::builder(&ROUTES)
    /// #         .sqlite(dir.path().join("data")).init().tenant_migrations(migrations).open()
    /// # };
    /// # let first = MigrationScript::new("0001", "patients", "CREATE TABLE patients (id INTEGER PRIMARY KEY)");
    /// # let second = MigrationScript::new("0002", "ward", "ALTER TABLE patients ADD COLUMN ward TEXT");
    /// # let tenancy = open(MigrationSet::new([first.clone()]))?;
    /// # tenancy.create(&"TH001".parse()?, NewTenant::named("Teaching Hospital"))?;
    /// # let tenancy = open(MigrationSet::new([first, second]))?;
    /// let report = tenancy.migrate_fleet(&MigrateFleet::default(), |progress| {
    ///     eprintln!("{} of {}", progress.total() - progress.totals.left, progress.total());
    /// })?;
    /// assert!(report.is_success());
    /// assert_eq!(report.tenants[0].applied, ["0002"]);
    ///
    /// // A second run finds nothing to do.
    /// let again = tenancy.migrate_fleet(&MigrateFleet::default(), |_| {})?;
    /// assert_eq!((again.run, again.totals.up_to_date), (None, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn migrate_fleet(
        &self,
        options: &MigrateFleet,
        progress: impl FnMut(&FleetProgress),
    ) -> Result<FleetReport, FleetError> {
        run::migrate(&self.registry, options, progress)
    }

    /// What [`migrate_fleet`](Self::migrate_fleet) would do: which migrations would be applied where, and what stands in
    /// the way. Changes nothing.
    ///
    /// From the catalogue alone, without opening a tenant's database; or from the databases, with
    /// [`MigrateFleet::deep`]: that finds migrations that were edited, are unknown or come too late, and names them.
    ///
    /// # Errors
    /// See [`FleetError`]. A tenant that cannot be opened is no error, but refused in the plan.
    pub fn plan_fleet(&self, options: &MigrateFleet) -> Result<FleetPlan, FleetError> {
        plan::plan(&self.registry, options)
    }

    /// The newest 100 runs, newest first.
    ///
    /// # Errors
    /// [`FleetError::Catalog`]; [`FleetError::Storage`].
    pub fn fleet_runs(&self) -> Result<Vec<FleetRun>, FleetError> {
        run::all(&self.registry)
    }

    /// The report of an earlier run, or of one that is being worked on. Errors are there as text and
    /// [kind](FailureKind); tenants that needed nothing are only counted.
    ///
    /// # Errors
    /// [`FleetError::UnknownRun`]; [`FleetError::Catalog`]; [`FleetError::Storage`].
    pub fn fleet_run(&self, id: Uuid) -> Result<FleetReport, FleetError> {
        run::one(&self.registry, id)
    }

    /// Goes on with a run that is not finished, whichever tenants it was begun for, and helps if others are at work on
    /// it. For one that was begun for chosen tenants and whose process died. Blocks until it is over; of one that is
    /// finished it gives the report.
    ///
    /// Of `options` those count that are each process' own: workers, timeout, hook.
    ///
    /// # Errors
    /// [`FleetError::UnknownRun`], [`FleetError::OtherTarget`]; else as [`migrate_fleet`](Self::migrate_fleet).
    pub fn resume_fleet_run(
        &self,
        id: Uuid,
        options: &MigrateFleet,
        progress: impl FnMut(&FleetProgress),
    ) -> Result<FleetReport, FleetError> {
        run::resume(&self.registry, id, options, progress)
    }

    /// Stops a run: tenants that are being worked on, by whichever process, are finished, and no other is begun. The run
    /// is then [`Stopped`](RunOutcome::Stopped), and the next [`migrate_fleet`](Self::migrate_fleet) begins one with
    /// what is left. Does not wait for that. False where the run is finished already.
    ///
    /// # Errors
    /// [`FleetError::UnknownRun`]; [`FleetError::Catalog`]; [`FleetError::Storage`].
    pub fn stop_fleet_run(&self, id: Uuid) -> Result<bool, FleetError> {
        run::stop(&self.registry, id)
    }
}
