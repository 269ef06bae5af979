//! Drills: a backup that was never restored is a hope.
//!
//! Steps: those of staging a restore, then `drill.restored` · `drill.checked` · `drill.removed`. Everything happens in a
//! staging directory among the backups, which is swept when the instance is dead.
use std::collections::HashSet;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::{How, RestoreError, accept_schema, stage};
use crate::backend::{
    Backend, BackupOf, BackupPlace, BackupStorage, RestoreTarget, Storage, TenantKey,
};
use crate::backup::{self, BackupFilter, BackupRecord, BackupRef};
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

fn drill<C: Backend>(
    registry: &Registry<C>,
    backup: &BackupRef,
) -> Result<DrillReport, RestoreError> {
    let began = Instant::now();
    let found = backup::find(registry, backup)?;
    let (common, tenant) = (&registry.common, found.manifest.database.tenant);
    let set = match tenant {
        Some(_) => &common.tenant_migrations,
        None => &common.shared_migrations,
    };
    registry.audit(&found.manifest.note("drill.begin"))?;
    let running = Running::new(registry);
    let place = BackupPlace {
        directory: None,
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
    let restored = stage(registry, &found, &target, set, how).and_then(|finished| {
        hit("drill.restored");
        // As the next open would find it.
        let facts = common.storage.scratch_check(&place, &found.path, set)?;
        accept_schema(&facts, set, false)?;
        hit("drill.checked");
        Ok(finished)
    });
    let removed = common.storage.scratch_remove(&place);
    hit("drill.removed");
    let ended = found.manifest.note("drill.end");
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
        let mut seen = HashSet::new();
        let mut reports = Vec::new();
        for backup in self.backups(&BackupFilter::all())? {
            if seen.insert(backup.tenant.map(|tenant| tenant.uuid)) {
                let report = self.drill(&BackupRef::from(&backup));
                reports.push(Drilled { backup, report });
            }
        }
        Ok(reports)
    }
}
