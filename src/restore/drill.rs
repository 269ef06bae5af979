//! Drills: a backup that was never restored is a hope.
//!
//! Steps: those of staging a restore, then `drill.restored` · `drill.checked` · `drill.removed`. Everything happens in a
//! staging directory among the backups, which is swept when the instance is dead.
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use uuid::Uuid;

use super::{How, RestoreError, accept_schema, stage};
use crate::audit::AuditNote;
use crate::backend::{
    Backend, BackupOf, BackupPlace, BackupStorage, RestoreTarget, Storage, TenantKey,
};
use crate::backup::{self, BackupFilter, BackupRecord, BackupRef, Found};
use crate::failpoint::hit;
use crate::lifecycle::Running;
use crate::registry::Registry;
use crate::tenancy::Tenancy;

/// What a drill has shown: the backup can be restored by this program.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct DrillReport {
    /// The backup.
    pub backup: Uuid,
    /// The tenant it is of; `None` for the shared database.
    pub tenant: Option<TenantKey>,
    /// Bytes of its database.
    pub bytes: u64,
    /// Rows of all its tables, as many as its manifest says.
    pub rows: u64,
    /// The newest migration after it was brought up to this program.
    pub schema_version: Option<String>,
    /// How many migrations that took.
    pub migrated: usize,
    /// How long all of it took: what restoring would take, without waiting for anybody.
    pub took: Duration,
}

/// One of [`Tenancy::drill_all`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Drilled {
    /// The backup.
    pub backup: BackupRecord,
    /// What restoring it to scratch has shown.
    pub report: Result<DrillReport, RestoreError>,
}

/// Which backups [`Tenancy::drill_newest`] drills, and how. The default is all of them, one after the other.
#[derive(Clone, Debug)]
#[must_use]
pub struct DrillOptions {
    sample: Option<usize>,
    workers: usize,
}

impl Default for DrillOptions {
    fn default() -> Self {
        Self {
            sample: None,
            workers: 1,
        }
    }
}

impl DrillOptions {
    /// The backups of this many databases at most: of those first that were never drilled, then of those that were longest
    /// ago, as the audit log has it. So every one has its turn in the end, and no call takes longer as the fleet grows.
    /// Default: of all.
    pub fn sample(self, most: usize) -> Self {
        Self {
            sample: Some(most),
            ..self
        }
    }

    /// How many at once, at least one. Each needs room for its database. Default: one.
    pub fn workers(self, workers: usize) -> Self {
        Self {
            workers: workers.max(1),
            ..self
        }
    }
}

fn drill<C: Backend>(
    registry: &Registry<C>,
    backup: &BackupRef,
) -> Result<DrillReport, RestoreError> {
    let began = Instant::now();
    let found = backup::find(registry, backup)?;
    drill_found(registry, &found, began)
}

/// One of a list. That it was its turn is remembered also where it is not there, or a few that are lost would be all that
/// is ever drilled.
fn take_turn<C: Backend>(
    registry: &Registry<C>,
    backup: &BackupRecord,
) -> Result<DrillReport, RestoreError> {
    let began = Instant::now();
    match backup::find(registry, &BackupRef::from(backup)) {
        Ok(found) => drill_found(registry, &found, began),
        Err(error) => {
            let note = AuditNote::of_library(END).subject(backup.id);
            let note = match backup.tenant {
                Some(tenant) => note.about(tenant),
                None => note,
            };
            registry.audit(&note.with("restorable", false))?;
            Err(error.into())
        }
    }
}

fn drill_found<C: Backend>(
    registry: &Registry<C>,
    found: &Found,
    began: Instant,
) -> Result<DrillReport, RestoreError> {
    let (common, tenant) = (&registry.common, found.manifest.database.tenant);
    let set = match tenant {
        Some(_) => &common.tenant_migrations,
        None => &common.shared_migrations,
    };
    registry.audit(&found.manifest.note("drill.begin"))?;
    let running = Running::new(registry);
    let place = BackupPlace {
        directory: None,
        mark: None,
        id: running.id(),
        of: match tenant {
            Some(tenant) => BackupOf::Tenant(tenant),
            None => BackupOf::Shared,
        },
        instance: common.storage.instance(),
    };
    let how = How {
        migrate: true,
        allow_drift: false,
    };
    let target = RestoreTarget::Scratch(place.clone());
    let restored = stage(registry, found, &target, set, how).and_then(|finished| {
        hit("drill.restored");
        // As the next open would find it.
        let facts = common.storage.scratch_check(&place, &found.path, set)?;
        accept_schema(&facts, set, false)?;
        hit("drill.checked");
        Ok(finished)
    });
    let removed = common.storage.scratch_remove(&place);
    hit("drill.removed");
    let ended = found.manifest.note(END);
    registry.audit(&ended.with("restorable", restored.is_ok()))?;
    let restored = restored?;
    removed?;
    Ok(DrillReport {
        backup: found.manifest.id,
        tenant,
        bytes: found.manifest.bytes,
        rows: found.manifest.rows.values().sum(),
        schema_version: restored.schema_version,
        migrated: restored.applied.len(),
        took: began.elapsed(),
    })
}

/// What the audit log says when a drill is over.
const END: &str = "drill.end";

/// The tenant a backup is of; `None` for the shared database.
fn whose(backup: &BackupRecord) -> Option<Uuid> {
    backup.tenant.map(|tenant| tenant.uuid)
}

impl<C: Backend> Tenancy<C> {
    /// Restores a backup to a scratch place, with all the checks and migrations a restore has, and removes it again. No
    /// tenant is touched, and nobody waits.
    ///
    /// Needs as much room in the data directory as the backup has bytes, for about as long as reading it three times.
    ///
    /// # Errors
    /// See [`RestoreError`]: what restoring would fail with.
    pub fn drill(&self, backup: &BackupRef) -> Result<DrillReport, RestoreError> {
        drill(&self.registry, backup)
    }

    /// Drills the newest backup of every database there are backups of, one after the other, whatever becomes of some.
    ///
    /// # Errors
    /// The backups cannot be listed. What a drill fails with is in the list.
    pub fn drill_all(&self) -> Result<Vec<Drilled>, RestoreError> {
        self.drill_newest(&DrillOptions::default())
    }

    /// Drills the newest backup of databases there are backups of, whatever becomes of some: of all, or of a sample, so that
    /// it can be done every night however many they are. Least recently drilled first.
    ///
    /// # Errors
    /// The backups cannot be listed. What a drill fails with is in the list.
    pub fn drill_newest(&self, options: &DrillOptions) -> Result<Vec<Drilled>, RestoreError> {
        let registry = &self.registry;
        let mut backups = self.backups(&BackupFilter::all())?;
        let mut seen = HashSet::new();
        backups.retain(|backup| seen.insert(whose(backup)));
        let drilled = registry.ask(|c| c.audit_newest_of(END))?;
        backups.sort_by_key(|backup| drilled.get(&whose(backup)).copied());
        backups.truncate(options.sample.unwrap_or(usize::MAX));
        let next = AtomicUsize::new(0);
        let reports = Mutex::new(Vec::new());
        let work = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(backup) = backups.get(number) else {
                    return;
                };
                let report = take_turn(registry, backup);
                reports.lock().push((number, report));
            }
        };
        match options.workers.min(backups.len()) {
            0 | 1 => work(),
            workers => std::thread::scope(|threads| {
                for _ in 0..workers {
                    threads.spawn(work);
                }
            }),
        }
        let mut reports = reports.into_inner();
        reports.sort_by_key(|(number, _)| *number);
        let reports = backups.into_iter().zip(reports);
        let drilled = reports.map(|(backup, (_, report))| Drilled { backup, report });
        Ok(drilled.collect())
    }
}
