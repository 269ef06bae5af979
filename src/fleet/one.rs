//! One tenant of a run.
use std::time::{Duration, Instant};

use super::error::TenantError;
use super::options::MigrateFleet;
use super::plan::skip;
use super::report::TenantFailure;
use crate::backend::{Backend, ConnectError, StorageError};
use crate::catalog::Status;
use crate::catalog::runs::{RunTenant, TenantState};
use crate::error::LifecycleError;
use crate::lifecycle;
use crate::migrate::MigrateOptions;
use crate::registry::{Registry, Tenant};

/// Waiting begins with this and doubles up to [`LONGEST_PAUSE`].
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(1);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Migrates a tenant that this worker has claimed, and writes into it what became of that.
pub(super) fn migrate<C: Backend>(
    registry: &Registry<C>,
    options: &MigrateFleet,
    claimed: &mut RunTenant,
) -> Option<TenantFailure> {
    let started = Instant::now();
    // Another process may have put it into the run, after creating it a moment ago.
    let find = || registry.tenant_of(claimed.tenant_uuid);
    let found = find().or_else(|| registry.reload().ok().and_then(|()| find()));
    let Some(tenant) = found else {
        skip(claimed, Status::Deleted);
        return None;
    };
    let attempt = Attempt {
        registry,
        options,
        tenant: &tenant,
        deadline: started + options.tenant_timeout,
    };
    let failure = match attempt.make() {
        Ok(applied) => {
            claimed.state = TenantState::Done;
            claimed.result.applied = applied;
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
        Err(error) => {
            claimed.state = TenantState::Failed;
            let failure = TenantFailure::new::<C>(error);
            let kind = failure.kind.as_str().to_owned();
            claimed.result.error = Some((kind, failure.message.clone()));
            Some(failure)
        }
    };
    claimed.result.to_version = tenant.record().schema_version.clone();
    if claimed.state == TenantState::Failed {
        // Those before the one that failed are committed.
        claimed.result.applied = attempt.between(&claimed.from_version, &claimed.result.to_version);
    }
    let took = started.elapsed();
    claimed.result.duration = Some(took);
    claimed.result.overran = took > options.tenant_timeout;
    failure
}

struct Attempt<'a, C: Backend> {
    registry: &'a Registry<C>,
    options: &'a MigrateFleet,
    tenant: &'a Tenant<C>,
    deadline: Instant,
}

impl<C: Backend> Attempt<'_, C> {
    /// Returns the versions that were applied.
    fn make(&self) -> Result<Vec<String>, TenantError> {
        if let Some(hook) = &self.options.before_each {
            self.patiently(|| self.is_left_alone())?;
            let record = self.tenant.record();
            if !lifecycle::MIGRATABLE.contains(&record.status) {
                return Err(LifecycleError::WrongStatus {
                    id: record.id,
                    status: record.status,
                    to: None,
                }
                .into());
            }
            hook(&record).map_err(|source| TenantError::Before {
                id: record.id,
                source,
            })?;
        }
        let until = MigrateOptions::default().until(self.deadline);
        let applied =
            self.patiently(|| lifecycle::migrate_one(self.registry, self.tenant, until))?;
        Ok(applied.into_iter().map(|it| it.version).collect())
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

    /// Tries until it succeeds, fails for good, or the time is up. The last error counts.
    fn patiently<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, LifecycleError>,
    ) -> Result<T, LifecycleError> {
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match attempt() {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            if !error.is_retryable() || Instant::now() + pause >= self.deadline {
                return Err(error);
            }
            if is_out_of_descriptors(&error) {
                self.registry.pools.close_idle();
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
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

fn is_out_of_descriptors(error: &LifecycleError) -> bool {
    matches!(
        error,
        LifecycleError::Connect(ConnectError::OutOfDescriptors { .. })
            | LifecycleError::Storage(StorageError::Connect(ConnectError::OutOfDescriptors { .. }))
    )
}
