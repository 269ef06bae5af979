//! Restoring: a backup becomes the next generation of the tenant it was taken of, or the first one of a new tenant.
//!
//! Everything about a new generation is in `lifecycle/generation.rs`; this is what its staging database is made of:
//!
//! | step | failpoint after it |
//! |---|---|
//! | the backup is found, and looked into where it lies | `restore.verified` |
//! | tenant closed and fenced | those of the generation |
//! | the present database is backed up | `restore.saved`, and those of the backup |
//! | copied to the staging file, hashed on the way | `restore.copied` |
//! | the copy is looked into: the original may have been exchanged | `restore.checked` |
//! | fence out, stamped with the new generation | `restore.stamped` |
//! | brought to the program's migrations | `restore.migrated` |
//!
//! Killed before the catalogue names the new generation: the staging file goes, the old one serves. Undoing is the same
//! with a copy of the generation that was kept.
use std::sync::Arc;

use uuid::Uuid;

use crate::audit::AuditNote;
use crate::backend::{
    ArtefactFacts, Backend, BackupStorage, Finished, OnDisk, RestoreTarget, Storage, TenantKey,
};
use crate::backup::{
    self, BackupError, BackupOptions, BackupReason, BackupRecord, BackupRef, Found,
};
use crate::catalog::{OldGeneration, Operation, OperationKind, Status, TenantRecord};
use crate::error::OpenError;
use crate::failpoint::hit;
use crate::lifecycle::{Next, Old, Staged, next_generation};
use crate::migrate::{Applied, MigrationSet, Verdict};
use crate::provision::{self, NewTenant};
use crate::registry::{Registry, Tenant, TenantHandle};
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;

mod discard;
mod drill;
mod error;
#[cfg(feature = "sqlite")]
mod shared;
mod undo;

pub use discard::Discarded;
pub(crate) use discard::recover;
pub use drill::{DrillOptions, DrillReport, Drilled};
pub use error::{BackupOwner, RestoreError};
#[cfg(feature = "sqlite")]
pub use shared::SharedRestored;
#[cfg(feature = "sqlite")]
pub(crate) use shared::restore_shared;
pub use undo::Undone;

/// How a backup is restored over a tenant.
#[derive(Clone, Debug)]
#[must_use]
pub struct RestoreOptions {
    confirmation: String,
    safety_backup: bool,
    migrate: bool,
    allow_drift: bool,
}

impl RestoreOptions {
    /// Confirmed with the tenant's id, typed by whoever decides: the tenant's present data is replaced.
    pub fn confirmed(id: impl Into<String>) -> Self {
        Self {
            confirmation: id.into(),
            safety_backup: true,
            migrate: true,
            allow_drift: false,
        }
    }

    /// Takes no backup of the present database first. It is kept all the same, as the old generation.
    pub fn without_safety_backup(mut self) -> Self {
        self.safety_backup = false;
        self
    }

    /// Leaves the schema as it is in the backup. Default: it is migrated to this program's.
    pub fn without_migrating(mut self) -> Self {
        self.migrate = false;
        self
    }

    /// Restores a backup whose schema is not what its migrations make. It may have triggers and views of anybody's:
    /// look at the differences in [`RestoreError::SchemaDrift`] first.
    pub fn allow_drift(mut self) -> Self {
        self.allow_drift = true;
        self
    }
}

/// How a backup becomes a new tenant. Default: of this catalogue only, no drift, migrated to this program's schema.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct CloneOptions {
    any_catalog: bool,
    without_migrating: bool,
    allow_drift: bool,
}

impl CloneOptions {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a backup of another catalogue too: another installation's, or this one's before its shared database was
    /// lost. References from its rows to shared rows lead to other rows here.
    pub fn from_any_catalog(mut self) -> Self {
        self.any_catalog = true;
        self
    }

    /// Leaves the schema as it is in the backup.
    pub fn without_migrating(mut self) -> Self {
        self.without_migrating = true;
        self
    }

    /// See [`RestoreOptions::allow_drift`].
    pub fn allow_drift(mut self) -> Self {
        self.allow_drift = true;
        self
    }
}

/// What [`Tenancy::restore`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// The generation in use now.
    pub generation: u64,
    /// The backup it was made of.
    pub backup: Uuid,
    /// The backup that was taken of what it replaced.
    pub safety: Option<BackupRecord>,
    /// The generation that is kept for [`Tenancy::undo`]. `None` where there was no file to keep.
    pub kept: Option<u64>,
    /// The migrations it was brought up with.
    pub migrated: Vec<Applied>,
}

/// The statuses in which a tenant's database can be replaced. It has the same again afterwards.
const REPLACEABLE: [Status; 3] = [Status::Active, Status::Suspended, Status::Archived];

/// Whose a backup is, if it may be used for `wanted`.
fn owner<C: Backend>(
    registry: &Registry<C>,
    found: &Found,
    wanted: TenantId,
    any_catalog: bool,
) -> Result<TenantKey, RestoreError> {
    let identity = found.manifest.database;
    let ours = registry.common.storage.catalog_uuid();
    if identity.catalog != ours && !any_catalog {
        return Err(RestoreError::WrongCatalog {
            found: identity.catalog,
            wanted: ours,
        });
    }
    let tenant = identity.tenant.ok_or(RestoreError::WrongTenantBackup {
        is: BackupOwner::Shared,
        wanted,
    })?;
    // What was purged does not come back, under whichever id.
    if registry.common.storage.is_tombstoned(tenant.uuid)? {
        return Err(RestoreError::Purged { id: tenant.id });
    }
    Ok(tenant)
}

/// Looks into a backup where it lies, before anything is touched.
fn verify<C: Backend>(
    found: &Found,
    set: &MigrationSet,
    allow_drift: bool,
) -> Result<(), RestoreError> {
    let Found { path, manifest } = found;
    let facts = C::Storage::backup_check(path, manifest.bytes, &manifest.sha256, Some(set))?;
    accept(found, &facts, set, allow_drift)?;
    hit("restore.verified");
    Ok(())
}

/// Copies a backup to `target`, looks into the copy, and makes of it what it is to be.
fn stage<C: Backend>(
    registry: &Registry<C>,
    found: &Found,
    target: &RestoreTarget,
    set: &MigrationSet,
    how: How,
) -> Result<Finished, RestoreError> {
    let Found { path, manifest } = found;
    let storage = &registry.common.storage;
    let facts = storage.restore_stage(path, manifest.bytes, &manifest.sha256, target, set)?;
    accept(found, &facts, set, how.allow_drift)?;
    Ok(storage.restore_finish(target, how.migrate.then_some(set))?)
}

#[derive(Debug, Clone, Copy)]
struct How {
    migrate: bool,
    allow_drift: bool,
}

/// Whether a database is the one its manifest describes, and one this program can use.
fn accept(
    found: &Found,
    facts: &ArtefactFacts,
    set: &MigrationSet,
    allow_drift: bool,
) -> Result<(), RestoreError> {
    found.manifest.check(facts, &found.path)?;
    accept_schema(facts, set, allow_drift)
}

fn accept_schema(
    facts: &ArtefactFacts,
    set: &MigrationSet,
    allow_drift: bool,
) -> Result<(), RestoreError> {
    let Some(fit) = &facts.fit else {
        return Ok(());
    };
    match fit.verdict.clone() {
        Verdict::UpToDate | Verdict::Behind { .. } => {}
        Verdict::Ahead { newest } => {
            return Err(RestoreError::SchemaAhead {
                found: newest,
                known: set.latest().map(str::to_owned),
            });
        }
        Verdict::Changed { version } => return Err(RestoreError::MigrationChanged { version }),
        Verdict::Unknown { version } => return Err(RestoreError::MigrationUnknown { version }),
        Verdict::OutOfOrder {
            version,
            newer_applied,
        } => {
            return Err(RestoreError::MigrationOutOfOrder {
                version,
                newer_applied,
            });
        }
    }
    if !fit.differences.is_empty() && !allow_drift {
        return Err(RestoreError::SchemaDrift {
            differences: fit.differences.clone(),
        });
    }
    Ok(())
}

fn restore<C: Backend>(
    registry: &Registry<C>,
    id: &TenantId,
    backup: &BackupRef,
    options: &RestoreOptions,
) -> Result<Restored, RestoreError> {
    let tenant = match registry.tenant(id) {
        Ok(tenant) => tenant,
        Err(unknown @ OpenError::UnknownTenant { .. }) => {
            return Err(why_unknown(registry, backup).unwrap_or(unknown.into()));
        }
        Err(error) => return Err(error.into()),
    };
    let record = tenant.record();
    if options.confirmation != record.id.as_str() {
        return Err(RestoreError::NotConfirmed { id: record.id });
    }
    refuse_deleted(&record)?;
    let found = backup::find(registry, backup).map_err(|error| match error {
        BackupError::Invalid(invalid) => invalid.of_set(Some(record.uuid)).into(),
        other => other,
    })?;
    let is = owner(registry, &found, record.id, false)?;
    if is.uuid != record.uuid {
        return Err(RestoreError::WrongTenantBackup {
            is: BackupOwner::Tenant(is.id, is.uuid),
            wanted: record.id,
        });
    }
    let set = &registry.common.tenant_migrations;
    verify::<C>(&found, set, options.allow_drift)?;

    let mut safety = None;
    let mut migrated = Vec::new();
    let next = Next {
        kind: OperationKind::Restore,
        from: &REPLACEABLE,
        old: Old::Keep,
        over_lost: true,
    };
    let how = How {
        migrate: options.migrate,
        allow_drift: options.allow_drift,
    };
    let operation = next_generation(registry, &tenant, &next, |operation| {
        let source = AuditNote::of_library("restore.source")
            .about(record.key())
            .generation(operation.to_generation)
            .subject(found.manifest.id);
        registry.audit(&source)?;
        if options.safety_backup {
            safety = save(registry, &tenant)?;
            hit("restore.saved");
        }
        let target = RestoreTarget::Generation {
            key: record.key(),
            generation: operation.to_generation,
        };
        let finished = stage(registry, &found, &target, set, how)?;
        migrated = finished.applied;
        Ok::<_, RestoreError>(Staged {
            schema: Some((finished.schema_version, finished.fingerprint)),
        })
    })?;
    Ok(Restored {
        generation: operation.to_generation,
        backup: found.manifest.id,
        safety,
        kept: kept(registry, &record, &operation)?,
        migrated,
    })
}

/// Those of what was found on the disk that the catalogue does not know.
fn orphans<C: Backend>(
    registry: &Registry<C>,
    found: Vec<OnDisk>,
) -> Result<Vec<(TenantKey, OnDisk)>, RestoreError> {
    let catalog = registry.common.storage.catalog_uuid();
    let mut orphans = Vec::new();
    for found in found {
        if let Some(key) = found.tenant_of(catalog)
            && found.usable().is_some()
            && registry.ask(|c| c.catalog_tenant(key.uuid))?.is_none()
        {
            orphans.push((key, found));
        }
    }
    Ok(orphans)
}

fn refuse_deleted(record: &TenantRecord) -> Result<(), RestoreError> {
    match record.status {
        status @ (Status::Deleting | Status::Deleted) => Err(RestoreError::TenantDeleted {
            id: record.id,
            status,
        }),
        _ => Ok(()),
    }
}

/// The id of a deleted tenant is not known any more; its backups are.
fn why_unknown<C: Backend>(registry: &Registry<C>, backup: &BackupRef) -> Option<RestoreError> {
    let found = backup::find(registry, backup).ok()?;
    let uuid = found.manifest.database.tenant?.uuid;
    let record = registry.ask(|c| c.catalog_tenant(uuid)).ok()??;
    refuse_deleted(&record).err()
}

/// Backs up what is about to be replaced. `None` where there is nothing that could be: it is missing or damaged.
fn save<C: Backend>(
    registry: &Registry<C>,
    tenant: &Tenant<C>,
) -> Result<Option<BackupRecord>, RestoreError> {
    let options = BackupOptions::new().reason(BackupReason::BeforeRestore);
    match backup::take(registry, tenant, &options) {
        Ok(backup) => Ok(Some(backup)),
        Err(BackupError::Source { source, .. }) if source.is_lost() => Ok(None),
        Err(error) => Err(RestoreError::NoSafetyBackup(Box::new(error))),
    }
}

/// The generation an operation came from, if it was kept.
fn kept<C: Backend>(
    registry: &Registry<C>,
    record: &TenantRecord,
    operation: &Operation,
) -> Result<Option<u64>, RestoreError> {
    let old = registry.ask(|c| c.catalog_generations(record.uuid))?;
    let from = operation.from_generation;
    Ok(old.iter().any(|old| old.generation == from).then_some(from))
}

impl<C: Backend> Tenancy<C> {
    /// Databases of this catalogue on the disk whose tenants it does not know: they were created after the backup it was
    /// restored from. Opens every tenant's database.
    ///
    /// # Errors
    /// [`RestoreError::Storage`]; [`RestoreError::Catalog`].
    pub fn reclaimable(&self) -> Result<Vec<TenantKey>, RestoreError> {
        let found = self.registry.common.storage.on_disk()?;
        let orphans = orphans(&self.registry, found)?;
        Ok(orphans.into_iter().map(|(key, _)| key).collect())
    }

    /// Takes an orphan that is [reclaimable](Self::reclaimable) back into the catalogue, active, under the id and uuid it is stamped with.
    ///
    /// # Errors
    /// [`RestoreError::NoOrphan`]; [`RestoreError::Create`], for instance where its id was taken by another tenant.
    pub fn reclaim_orphan(
        &self,
        uuid: Uuid,
        new: NewTenant,
    ) -> Result<TenantHandle<C>, RestoreError> {
        let found = self.registry.common.storage.on_disk_of(uuid)?;
        let (key, orphan) = orphans(&self.registry, found)?
            .into_iter()
            .find(|(key, _)| key.uuid == uuid)
            .ok_or(RestoreError::NoOrphan { uuid })?;
        let tenant = provision::reclaim(&self.registry, &key, &orphan, new)?;
        Ok(TenantHandle::new(Arc::clone(&self.registry), tenant))
    }

    /// Makes a backup of a tenant its database, as its next generation.
    ///
    /// The backup is looked into first. Then the tenant is closed and fenced, so that other processes' writes fail with
    /// [`TenantFenced`](crate::error::TenantFenced) rather than being lost; what it has is backed up; the backup is copied,
    /// the copy looked into, stamped and brought to this program's migrations; and the catalogue names it. The database
    /// that was in use stays, fenced, for [`undo`](Self::undo). One that is missing or damaged can be restored over.
    ///
    /// Waits up to the drain timeout (default 10 s) for contexts and statements to end, and takes about as long as
    /// writing the database twice.
    ///
    /// # Errors
    /// See [`RestoreError`]; the tenant then goes on with the database it had, also when the process is killed.
    pub fn restore(
        &self,
        id: &TenantId,
        backup: &BackupRef,
        options: &RestoreOptions,
    ) -> Result<Restored, RestoreError> {
        restore(&self.registry, id, backup, options)
    }

    /// The tenant's databases that are in use no more and were kept, newest first.
    ///
    /// They are kept until they are [discarded](Self::discard_old_generations); each takes as much room as it did when
    /// it was in use.
    ///
    /// # Errors
    /// [`RestoreError::Open`]; [`RestoreError::Catalog`].
    pub fn old_generations(&self, id: &TenantId) -> Result<Vec<OldGeneration>, RestoreError> {
        let uuid = self.registry.tenant(id)?.record().uuid;
        Ok(self.registry.ask(|c| c.catalog_generations(uuid))?)
    }

    /// Creates a new tenant whose database is a copy of a backup, of whichever tenant: with a uuid and an identity of
    /// its own. All or nothing, as [`create`](Self::create).
    ///
    /// # Errors
    /// See [`RestoreError`]; nothing is left behind.
    pub fn clone_from_backup(
        &self,
        backup: &BackupRef,
        id: &TenantId,
        new: NewTenant,
        options: &CloneOptions,
    ) -> Result<TenantHandle<C>, RestoreError> {
        let found = backup::find(&self.registry, backup)?;
        owner(&self.registry, &found, *id, options.any_catalog)?;
        let common = Arc::clone(&self.registry.common);
        let set = &common.tenant_migrations;
        verify::<C>(&found, set, options.allow_drift)?;
        let how = How {
            migrate: !options.without_migrating,
            allow_drift: options.allow_drift,
        };
        let tenant = provision::create_from(&self.registry, *id, new, |key| {
            let cloned = AuditNote::of_library("tenant.clone")
                .about(*key)
                .subject(found.manifest.id);
            self.registry.audit(&cloned)?;
            let target = RestoreTarget::Generation {
                key: *key,
                generation: 1,
            };
            let finished = stage(&self.registry, &found, &target, set, how)?;
            Ok::<_, RestoreError>(Staged {
                schema: Some((finished.schema_version, finished.fingerprint)),
            })
        })?;
        Ok(TenantHandle::new(Arc::clone(&self.registry), tenant))
    }
}
