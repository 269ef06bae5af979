//! One tenant of a run.
use std::time::{Duration, Instant, SystemTime};

use super::error::TenantError;
use super::options::{Hook, MigrateFleet};
use super::plan::skip;
use super::report::{TenantFailure, drift};
use crate::backend::{Backend, ConnectError, StorageError};
use crate::backup::{self, BackupError, BackupOptions, BackupReason, BackupRecord};
use crate::catalog::backups::BackupsOf;
use crate::catalog::runs::{RunTenant, TenantState};
use crate::catalog::{Status, TenantRecord};
use crate::deadline;
use crate::error::LifecycleError;
use crate::failpoint::hit;
use crate::lifecycle::{self, Migrated};
use crate::migrate::{Applied, MigrateOptions};
use crate::registry::{Registry, Tenant};
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;

/// Waiting begins with this and doubles up to [`LONGEST_PAUSE`].
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(1);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Migrates a tenant that this worker has claimed, and writes into it what became of that.
pub(super) fn migrate<C: Backend>(
    registry: &Registry<C>,
    options: &MigrateFleet,
    run_began_at: SystemTime,
    claimed: &mut RunTenant,
) -> Option<TenantFailure> {
    let started = Instant::now();
    // Another process may have put it into the run, after creating it a moment ago.
    let find = || registry.tenant_of(claimed.tenant_uuid);
    let found = match find() {
        Some(tenant) => Ok(Some(tenant)),
        None => {
            let deadline = deadline::after(options.tenant_timeout);
            let reload = || registry.reload().map_err(LifecycleError::from);
            patiently(registry, deadline, reload).map(|()| find())
        }
    };
    let tenant = match found {
        Ok(Some(tenant)) => tenant,
        Ok(None) => {
            skip(claimed, Status::Deleted);
            return None;
        }
        // Not deleted for all that is known.
        Err(error) => {
            claimed.result.duration = Some(started.elapsed());
            return Some(fail::<C>(claimed, error.into()));
        }
    };
    let attempt = Attempt {
        registry,
        tenant: &tenant,
        backup_first: options.backup_first,
        check_first: options.check_first,
        before_each: options.before_each.as_deref(),
        timeout: options.tenant_timeout,
        bounded: true,
        backed_up_since: (claimed.attempts > 1).then_some(run_began_at),
    };
    let mut made = Made::default();
    let failure = match attempt.make(&mut made) {
        Ok(Migrated { applied, drifted }) => {
            claimed.state = TenantState::Done;
            claimed.result.applied = applied.into_iter().map(|it| it.version).collect();
            claimed.result.error = drifted.then(drift);
            None
        }
        Err(TenantError::Migrate(LifecycleError::WrongStatus { status, .. })) => {
            skip(claimed, status);
            None
        }
        Err(TenantError::Migrate(LifecycleError::Unknown { .. })) => {
            skip(claimed, Status::Deleted);
            None
        }
        Err(error) => Some(fail::<C>(claimed, error)),
    };
    claimed.result.backup = made.backup.map(|backup| backup.id);
    claimed.result.to_version = tenant.record().schema_version.clone();
    if claimed.state == TenantState::Failed {
        // Those before the one that failed are committed.
        claimed.result.applied = attempt.between(&claimed.from_version, &claimed.result.to_version);
    }
    let took = started.elapsed();
    claimed.result.duration = Some(took);
    claimed.result.overran = took.saturating_sub(made.reading) > options.tenant_timeout;
    failure
}

fn fail<C: Backend>(claimed: &mut RunTenant, error: TenantError) -> TenantFailure {
    claimed.state = TenantState::Failed;
    let failure = TenantFailure::new::<C>(error);
    let kind = failure.kind.as_str().to_owned();
    claimed.result.error = Some((kind, failure.message.clone()));
    failure
}

/// How one tenant is migrated by [`Tenancy::migrate_tenant_with`].
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct MigrateTenant {
    backup_first: bool,
    check_first: bool,
    timeout: Option<Duration>,
}

impl MigrateTenant {
    /// As [`MigrateFleet::backup_first`]. Default: no.
    pub fn backup_first(self, yes: bool) -> Self {
        Self {
            backup_first: yes,
            ..self
        }
    }

    /// As [`MigrateFleet::check_first`]. Default: no.
    pub fn check_first(self, yes: bool) -> Self {
        Self {
            check_first: yes,
            ..self
        }
    }

    /// How long it may take, as [`MigrateFleet::tenant_timeout`]: a backup and a look are not counted. Default: the
    /// [drain timeout](crate::Builder::drain_timeout) for waiting until nothing else is done to the tenant, and no
    /// limit from then on.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self {
            timeout: Some(timeout),
            ..self
        }
    }
}

/// What [`Tenancy::migrate_tenant_with`] did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TenantMigrated {
    /// The migrations that were applied, oldest first.
    pub applied: Vec<Applied>,
    /// The backup that was taken before. `None` where none was wanted, or nothing was to be done.
    pub backup: Option<BackupRecord>,
    /// Whether its schema is another one than the migrations make, although it has them all: somebody changed it beside
    /// them. [`Tenancy::verify`] names every difference.
    pub drifted: bool,
}

impl<C: Backend> Tenancy<C> {
    /// Brings one tenant's database to the newest migration. Returns those that were applied.
    ///
    /// Waits while something else is done to the tenant, up to the [drain timeout](crate::Builder::drain_timeout).
    ///
    /// # Errors
    /// See [`LifecycleError`]. Each migration is all or nothing; those before a failing one stay.
    pub fn migrate_tenant(&self, id: &TenantId) -> Result<Vec<Applied>, LifecycleError> {
        let tenant = self.registry.tenant(id)?;
        let wait = self.registry.settings.drain_timeout;
        patiently(&self.registry, deadline::after(wait), || {
            let options = MigrateOptions::default();
            lifecycle::migrate_one(&self.registry, &tenant, options, &mut Duration::default())
        })
        .map(|migrated| migrated.applied)
    }

    /// [`migrate_tenant`](Self::migrate_tenant), with options.
    ///
    /// # Errors
    /// See [`TenantError`].
    pub fn migrate_tenant_with(
        &self,
        id: &TenantId,
        options: &MigrateTenant,
    ) -> Result<TenantMigrated, TenantError> {
        let tenant = self.registry.tenant(id).map_err(LifecycleError::from)?;
        let wait = options.timeout;
        let wait = wait.unwrap_or(self.registry.settings.drain_timeout);
        let attempt = Attempt {
            registry: &self.registry,
            tenant: &tenant,
            backup_first: options.backup_first,
            check_first: options.check_first,
            before_each: None,
            timeout: wait,
            bounded: options.timeout.is_some(),
            backed_up_since: None,
        };
        let mut made = Made::default();
        let Migrated { applied, drifted } = attempt.make(&mut made)?;
        Ok(TenantMigrated {
            applied,
            backup: made.backup,
            drifted,
        })
    }
}

struct Attempt<'a, C: Backend> {
    registry: &'a Registry<C>,
    tenant: &'a Tenant<C>,
    backup_first: bool,
    check_first: bool,
    before_each: Option<&'a Hook>,
    /// For waiting until nothing else is done to the tenant, and again for the hook and migrating it. Backing it up and
    /// looking through it take as long as it is large, and are not counted.
    timeout: Duration,
    /// Whether the timeout is one for the migrations, too, and not for waiting alone.
    bounded: bool,
    /// A backup that was taken before it is migrated, since then, is this attempt's too.
    backed_up_since: Option<SystemTime>,
}

/// For how long a backup is one from just before the migration. What was written since is not in it.
const STILL_JUST: Duration = Duration::from_secs(10 * 60);

/// What is known of an attempt also where it fails.
#[derive(Default)]
struct Made {
    backup: Option<BackupRecord>,
    /// How long backing it up and looking through it took.
    reading: Duration,
}

impl<C: Backend> Attempt<'_, C> {
    fn make(&self, made: &mut Made) -> Result<Migrated, TenantError> {
        let mut deadline = deadline::after(self.timeout);
        if self.backup_first || self.before_each.is_some() {
            patiently(self.registry, deadline, || self.is_left_alone())?;
            let record = self.tenant.record();
            let id = record.id;
            if !lifecycle::MIGRATABLE.contains(&record.status) {
                let (status, to) = (record.status, None);
                return Err(LifecycleError::WrongStatus { id, status, to }.into());
            }
            if self.backup_first && self.misses_something(&record) {
                let began = Instant::now();
                let taken = patiently(self.registry, deadline, || self.back_up(&record));
                made.reading += began.elapsed();
                made.backup = Some(taken?);
                hit("migrate-tenant.backed-up");
                deadline = deadline::after(self.timeout);
            }
            if let Some(hook) = self.before_each {
                hook(&record).map_err(|source| TenantError::Before { id, source })?;
            }
        }
        let options = MigrateOptions {
            deadline: self.bounded.then_some(deadline),
            check_first: self.check_first,
            ..MigrateOptions::default()
        };
        let looked = &mut made.reading;
        let migrate = || lifecycle::migrate_one(self.registry, self.tenant, options, looked);
        Ok(patiently(self.registry, deadline, migrate)?)
    }

    /// Takes a backup, unless the run has [just](STILL_JUST) taken one of this very generation and schema: a large database
    /// that is begun anew again and again would fill the disk with copies of itself.
    fn back_up(&self, record: &TenantRecord) -> Result<BackupRecord, TenantError> {
        let taken = match self.backed_up_since {
            Some(since) => self.backed_up_already(record, since),
            None => Ok(None),
        };
        let options = BackupOptions::new().reason(BackupReason::BeforeMigrate);
        let taken = taken.and_then(|taken| match taken {
            Some(taken) => Ok(taken),
            None => backup::take(self.registry, self.tenant, &options),
        });
        taken.map_err(|source| TenantError::Backup {
            id: record.id,
            source: Box::new(source),
        })
    }

    fn backed_up_already(
        &self,
        record: &TenantRecord,
        since: SystemTime,
    ) -> Result<Option<BackupRecord>, BackupError> {
        let backups = backup::list(self.registry, BackupsOf::Tenant(record.uuid))?;
        let serves = |backup: &BackupRecord| {
            let age = SystemTime::now().duration_since(backup.taken_at);
            backup.reason == BackupReason::BeforeMigrate
                && backup.taken_at >= since
                && age.is_ok_and(|age| age < STILL_JUST)
                && backup.generation == record.generation
                && backup.schema_version == record.schema_version
                && backup::is_there(self.registry, backup).is_ok()
        };
        Ok(backups.into_iter().find(serves))
    }

    /// Whether there is something to be done, as the catalogue has it: if it is wrong, there is nothing to be lost.
    fn misses_something(&self, record: &TenantRecord) -> bool {
        let set = &self.registry.common.tenant_migrations;
        set.gate(record.schema_version.as_deref()).is_err()
    }

    /// Whether no operation is open on the tenant, after settling one that a dead process left.
    fn is_left_alone(&self) -> Result<(), LifecycleError> {
        let (id, uuid) = {
            let record = self.tenant.record();
            (record.id, record.uuid)
        };
        let open = self.registry.ask(|c| c.catalog_open_operation(uuid))?;
        if let Some(operation) = open
            && !lifecycle::clear_unfinished(self.registry, uuid)?
        {
            let kind = operation.kind;
            return Err(LifecycleError::InProgress { id, kind });
        }
        Ok(self.registry.reload()?)
    }

    /// The versions of this program after `from`, up to `to`.
    fn between(&self, from: &Option<String>, to: &Option<String>) -> Vec<String> {
        let set = &self.registry.common.tenant_migrations;
        let versions = set.iter().map(|script| script.version());
        let applied =
            versions.filter(|it| Some(*it) > from.as_deref() && Some(*it) <= to.as_deref());
        applied.map(str::to_owned).collect()
    }
}

/// An error that may be gone a moment later.
trait Passing {
    fn passes(&self) -> bool;
    fn is_out_of_descriptors(&self) -> bool;
}

impl Passing for LifecycleError {
    fn passes(&self) -> bool {
        self.is_retryable()
    }

    fn is_out_of_descriptors(&self) -> bool {
        matches!(
            self,
            Self::Connect(ConnectError::OutOfDescriptors { .. })
                | Self::Storage(StorageError::Connect(ConnectError::OutOfDescriptors { .. }))
        )
    }
}

impl Passing for TenantError {
    fn passes(&self) -> bool {
        self.is_retryable()
    }

    fn is_out_of_descriptors(&self) -> bool {
        match self {
            Self::Migrate(error) => error.is_out_of_descriptors(),
            Self::Backup { source, .. } => matches!(
                &**source,
                BackupError::Source { source, .. } if matches!(**source, ConnectError::OutOfDescriptors { .. })
            ),
            Self::Before { .. } => false,
        }
    }
}

/// Tries until it succeeds, fails for good, or the time is up. The last error counts.
fn patiently<C: Backend, T, E: Passing>(
    registry: &Registry<C>,
    deadline: Instant,
    mut attempt: impl FnMut() -> Result<T, E>,
) -> Result<T, E> {
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match attempt() {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        if !error.passes() || Instant::now() + pause >= deadline {
            return Err(error);
        }
        if error.is_out_of_descriptors() {
            registry.pools.close_idle();
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
