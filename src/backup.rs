//! Backups: copies of one database as it was at one moment, closed, looked into and described.
//!
//! | step | failpoint after it | killed here, recovery |
//! |---|---|---|
//! | mark in the directory | `backup.marked` | has nothing to do |
//! | catalogue row `making` | `backup.begun` | takes it out |
//! | the database is looked through | `backup.checked` | takes the row out |
//! | staging directory and file | `backup.staged` | removes them, and the row |
//! | copied, as it is at one moment; on the disk | `backup.copied` | the same |
//! | looked into: integrity, identity, ledger, rows; length and hash | `backup.verified` | the same |
//! | manifest beside it, on the disk | `backup.described` | the same |
//! | the directory gets its name | `backup.published` | the same |
//! | **catalogue row `good`** | `backup.committed` | has nothing to do |
//!
//! Removing one: **catalogue row `removing`** (`backup-remove.begun`), its name is taken away (`backup-remove.hidden`), its
//! files go (`backup-remove.removed`), then the row (`backup-remove.forgotten`).
//!
//! A backup that is missing counts as removed only where the mark of its directory is seen, the very one that was there when
//! it was taken: an empty mount point has none, or another one, if backups were put into it while its disk was not mounted.
//! Its row stays until then, of one that was half made too.
//!
//! No other operation is kept waiting, and none keeps a backup waiting: it is not in the journal of operations, so that
//! operations may take one on the way.
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use uuid::Uuid;

use crate::backend::{
    Backend, BackupOf, BackupPlace, BackupSource, BackupStorage, ConnectError, InvalidBackup,
    Storage, StorageError, TenantKey,
};
use crate::catalog::Status;
pub use crate::catalog::backups::BackupReason;
use crate::catalog::backups::{
    BackupCommitted, BackupState, BackupsOf, Pinned, Removal, Removing, StoredBackup, StoredFacts,
};
use crate::error::{CatalogError, OpenError};
use crate::failpoint::hit;
use crate::lifecycle::Running;
use crate::registry::{Registry, Tenant, Writer};
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;

mod error;
mod listing;
mod manifest;
#[cfg(feature = "sqlite")]
mod reconcile;
mod retention;
mod sets;

pub use error::BackupError;
pub use listing::{Backups, ListedBackup, ListedSet};
pub(crate) use manifest::Manifest;
#[cfg(feature = "sqlite")]
pub(crate) use reconcile::reconcile;
pub(crate) use retention::is_there;
pub use retention::{PruneReport, RetentionPolicy, Spared};
pub use sets::{BackupProgress, BackupSet, BackupSetOptions};

/// How a backup is taken.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct BackupOptions {
    reason: BackupReason,
    directory: Option<PathBuf>,
    pinned: bool,
    set: Option<Uuid>,
}

impl BackupOptions {
    /// Taken by hand, into the `backups` of the data directory, to be pruned like any other.
    pub fn new() -> Self {
        Self::default()
    }

    /// Why it is taken. Default: [`BackupReason::Manual`].
    pub fn reason(mut self, reason: BackupReason) -> Self {
        self.reason = reason;
        self
    }

    /// The directory it is put into, which must exist: outside the data directory, or its `backups` (the default).
    ///
    /// A backup on the disk of the original does not survive that disk.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Never to be pruned, until it is unpinned. Default: no.
    pub fn pinned(mut self, pinned: bool) -> Self {
        self.pinned = pinned;
        self
    }
}

/// A backup that counts.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct BackupRecord {
    /// Its id, never used again. Ids taken by one machine sort by time.
    pub id: Uuid,
    /// The set it was taken in, if it was.
    pub set: Option<Uuid>,
    /// The tenant it is of; `None` for the shared database.
    pub tenant: Option<TenantKey>,
    /// Why it was taken.
    pub reason: BackupReason,
    /// When the copy was begun: what was committed before is in it.
    pub taken_at: SystemTime,
    /// The generation it is of.
    pub generation: u64,
    /// The newest migration in it, if it has any.
    pub schema_version: Option<String>,
    /// Hash of its normalised schema.
    pub schema_fingerprint: String,
    /// Bytes of its database.
    pub bytes: u64,
    /// SHA-256 of its database, as 64 hexadecimal digits.
    pub sha256: String,
    /// Whether it is kept from being pruned.
    pub pinned: bool,
    /// Its directory.
    pub path: PathBuf,
}

impl BackupRecord {
    fn new(backup: &StoredBackup, facts: &StoredFacts, path: PathBuf) -> Self {
        Self {
            id: backup.id,
            set: backup.set,
            tenant: backup.tenant,
            reason: backup.reason,
            taken_at: facts.taken_at,
            generation: facts.generation,
            schema_version: facts.schema_version.clone(),
            schema_fingerprint: facts.schema_fingerprint.clone(),
            bytes: facts.bytes,
            sha256: manifest::hex::text(&facts.sha256),
            pinned: backup.pinned,
            path,
        }
    }
}

/// Names one backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupRef(pub(crate) Named);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Id(Uuid),
    Path(PathBuf),
}

impl BackupRef {
    /// One that is in the catalogue.
    pub fn id(id: Uuid) -> Self {
        Self(Named::Id(id))
    }

    /// The directory of one, wherever it was taken or carried to.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self(Named::Path(path.into()))
    }
}

impl From<&BackupRecord> for BackupRef {
    fn from(record: &BackupRecord) -> Self {
        Self::id(record.id)
    }
}

/// Which backups are asked for. Default: all.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct BackupFilter {
    of: Option<Option<TenantId>>,
}

impl BackupFilter {
    /// All there are, those of deleted tenants included.
    pub fn all() -> Self {
        Self::default()
    }

    /// Those of one tenant. Of an id that no tenant has any more, those that are kept of whoever had it.
    pub fn tenant(id: &TenantId) -> Self {
        Self {
            of: Some(Some(*id)),
        }
    }

    /// Those of the shared database.
    pub fn shared() -> Self {
        Self { of: Some(None) }
    }
}

/// The statuses in which a tenant has a database that is whole, if it is not lost.
fn has_database(status: Status) -> bool {
    matches!(
        status,
        Status::Active | Status::Suspended | Status::Archived | Status::Restoring
    )
}

/// How often a backup is begun anew because the tenant got another generation meanwhile.
const TRIES: usize = 3;

/// Takes a backup of a tenant, whatever is being done to it: call it from inside an operation as well as outside.
pub(crate) fn take<C: Backend>(
    registry: &Registry<C>,
    tenant: &Tenant<C>,
    options: &BackupOptions,
) -> Result<BackupRecord, BackupError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let record = tenant.record();
        if !has_database(record.status) {
            return Err(BackupError::NoDatabase {
                id: record.id,
                status: record.status,
            });
        }
        let source = BackupSource::Tenant {
            key: record.key(),
            generation: record.generation,
        };
        let taken = take_of(registry, source, options);
        // Within the freshness bound it may have moved, and what is gone is the generation before.
        let may_have_moved = matches!(
            taken,
            Err(BackupError::Source { .. } | BackupError::Moved { .. })
        );
        if !may_have_moved || tries == TRIES {
            return taken;
        }
        registry.reload()?;
        if tenant.record().generation == record.generation {
            return taken;
        }
    }
}

pub(crate) fn take_of<C: Backend>(
    registry: &Registry<C>,
    source: BackupSource,
    options: &BackupOptions,
) -> Result<BackupRecord, BackupError> {
    let storage = &registry.common.storage;
    let directory = match &options.directory {
        Some(asked) => storage.backup_directory(asked)?,
        None => None,
    };
    let mark = storage.backup_mark(directory.as_deref())?;
    hit("backup.marked");
    let running = Running::new(registry);
    let backup = StoredBackup {
        id: running.id(),
        set: options.set,
        tenant: match source {
            BackupSource::Shared => None,
            BackupSource::Tenant { key, .. } => Some(key),
        },
        state: BackupState::Making,
        reason: options.reason,
        instance: storage.instance(),
        directory,
        mark,
        began_at: SystemTime::now(),
        pinned: options.pinned,
        facts: None,
    };
    write(registry, |c| c.backup_begin(&backup))?;
    hit("backup.begun");
    let made = make(registry, &source, &backup);
    if made.is_err() {
        // What cannot be removed now stays in the catalogue as unfinished, for the next recovery.
        let _ = settle(registry, &backup);
    }
    made
}

fn make<C: Backend>(
    registry: &Registry<C>,
    source: &BackupSource,
    backup: &StoredBackup,
) -> Result<BackupRecord, BackupError> {
    let storage = &registry.common.storage;
    let place = place(backup);
    let staged = storage.backup_stage(source, &place);
    let facts = staged.map_err(|error| match error {
        InvalidBackup::Storage(
            StorageError::Connect(ConnectError::Setup { source: error, .. })
            | StorageError::Query { source: error, .. },
        ) if C::is_lock_timeout(&error) => BackupError::Locked {
            whose: source.whose(),
            source: error,
        },
        InvalidBackup::Storage(StorageError::Connect(error)) => BackupError::Source {
            whose: source.whose(),
            source: Box::new(error),
        },
        other => other.into(),
    })?;
    let manifest = Manifest::new(
        backup.id,
        backup.set,
        backup.reason,
        backup.began_at,
        &facts,
    );
    storage.backup_describe(&place, &manifest.write())?;
    hit("backup.described");
    storage.backup_publish(&place)?;
    hit("backup.published");
    let facts = manifest.facts();
    match write(registry, |c| c.backup_commit(backup.id, &facts))? {
        BackupCommitted::Done => {}
        BackupCommitted::GivenUp => return Err(BackupError::GivenUp { id: backup.id }),
        BackupCommitted::Moved => return Err(BackupError::Moved { id: backup.id }),
    }
    hit("backup.committed");
    Ok(BackupRecord::new(
        backup,
        &facts,
        storage.backup_path(&place),
    ))
}

fn place(backup: &StoredBackup) -> BackupPlace {
    BackupPlace {
        directory: backup.directory.clone(),
        mark: backup.mark,
        id: backup.id,
        of: match backup.tenant {
            Some(tenant) => BackupOf::Tenant(tenant),
            None => BackupOf::Shared,
        },
        instance: backup.instance,
    }
}

/// Changes what the catalogue knows of backups, which no cache holds.
fn write<C: Backend, T>(
    registry: &Registry<C>,
    f: impl FnOnce(&mut Writer<'_, C>) -> diesel::QueryResult<T>,
) -> Result<T, CatalogError> {
    registry.change(f)
}

/// Undoes a backup that was being made, finishes removing one that was being removed. False where it counts: it was finished,
/// or a legal hold was laid while it was there still.
fn settle<C: Backend>(registry: &Registry<C>, backup: &StoredBackup) -> Result<bool, BackupError> {
    // The commit may have happened although its answer was lost.
    let Some(found) = registry.ask(|c| c.backup_find(backup.id))? else {
        return Ok(true);
    };
    let storage = &registry.common.storage;
    let place = place(&found);
    match found.state {
        BackupState::Good => return Ok(false),
        BackupState::Making => {}
        BackupState::Removing => {
            let mut name = Name {
                storage,
                place: &place,
                removed: Ok(()),
            };
            match write(registry, |c| c.backup_hide(found.id, &mut name))? {
                Removal::Done => {}
                Removal::Failed => name.removed?,
                Removal::OnHold => return Ok(false),
                Removal::NotGivenUp => return settle(registry, &found),
            }
        }
    }
    storage.backup_remove(&place)?;
    hit("backup-remove.removed");
    write(registry, |c| c.backup_forget(backup.id))?;
    hit("backup-remove.forgotten");
    Ok(true)
}

/// The name of a backup that is being removed.
struct Name<'a, S> {
    storage: &'a S,
    place: &'a BackupPlace,
    removed: Result<(), StorageError>,
}

impl<S: BackupStorage> Removing for Name<'_, S> {
    fn is_there(&mut self) -> bool {
        self.storage.backup_is_there(self.place)
    }

    fn remove(&mut self) -> bool {
        self.removed = self.storage.backup_hide(self.place);
        self.removed.is_ok()
    }
}

/// Settles every backup whose instance is dead. Returns how many there were.
pub(crate) fn recover<C: Backend>(registry: &Registry<C>) -> Result<usize, BackupError> {
    let storage = &registry.common.storage;
    let mut count = 0;
    let mut first_error = None;
    for backup in registry.ask(|c| c.backup_unfinished())? {
        if backup.instance != storage.instance() && storage.is_alive(backup.instance)? {
            continue;
        }
        // One of our own that no thread works on was given up.
        let Some(_running) = Running::claim(registry, backup.id) else {
            continue;
        };
        match settle(registry, &backup) {
            Ok(_) => count += 1,
            Err(error) => first_error = more_telling(first_error, error),
        }
    }
    match sets::recover(registry) {
        Ok(settled) => count += settled,
        Err(error) => first_error = more_telling(first_error, error),
    }
    match storage.backup_sweep() {
        Ok(swept) => count += swept,
        Err(error) => first_error = more_telling(first_error, error.into()),
    }
    match first_error {
        Some(error) => Err(error),
        None => Ok(count),
    }
}

/// The first error, but for one that only says that a disk is not mounted.
fn more_telling(first: Option<BackupError>, error: BackupError) -> Option<BackupError> {
    match first {
        Some(first) if error.is_out_of_reach() || !first.is_out_of_reach() => Some(first),
        _ => Some(error),
    }
}

/// The backups of a tenant, those that count and those that were half made or half removed, that are out of reach.
pub(crate) fn out_of_reach<C: Backend>(
    registry: &Registry<C>,
    tenant: Uuid,
) -> Result<Vec<Uuid>, BackupError> {
    let mut stored = registry.ask(|c| c.backup_list(BackupsOf::Tenant(tenant)))?;
    stored.extend(registry.ask(|c| c.backup_unfinished())?);
    let mut found = Vec::new();
    for backup in stored {
        if backup.tenant.is_none_or(|key| key.uuid != tenant) {
            continue;
        }
        match registry.common.storage.backup_reach(&place(&backup)) {
            Err(StorageError::OutOfReach { .. }) => found.push(backup.id),
            seen => seen?,
        }
    }
    Ok(found)
}

/// A backup that was found and read, and not yet looked into.
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) manifest: Manifest,
}

/// Finds a backup and reads its manifest.
pub(crate) fn find<C: Backend>(
    registry: &Registry<C>,
    backup: &BackupRef,
) -> Result<Found, BackupError> {
    let storage = &registry.common.storage;
    match &backup.0 {
        Named::Path(path) => {
            // SQLite takes absolute paths only, and the working directory may change on the way.
            let missing = |_| InvalidBackup::ManifestMissing { path: path.clone() };
            let path = std::path::absolute(path).map_err(missing)?;
            let manifest = read_manifest::<C>(&path)?;
            Ok(Found { path, manifest })
        }
        Named::Id(id) => {
            let found = registry.ask(|c| c.backup_find(*id))?;
            let good = found.filter(|found| found.state == BackupState::Good);
            let stored = good.ok_or(BackupError::Unknown { id: *id })?;
            let path = storage.backup_path(&place(&stored));
            let manifest = read_manifest::<C>(&path)?;
            // Both a database and its manifest can be exchanged; what the catalogue knows cannot, that way.
            if manifest.id != *id || Some(manifest.facts()) != stored.facts {
                return Err(BackupError::Replaced { id: *id });
            }
            Ok(Found { path, manifest })
        }
    }
}

/// Those that count, newest first.
pub(crate) fn list<C: Backend>(
    registry: &Registry<C>,
    of: BackupsOf,
) -> Result<Vec<BackupRecord>, BackupError> {
    let stored = registry.ask(|c| c.backup_list(of))?;
    let storage = &registry.common.storage;
    let record = |backup: &StoredBackup| {
        let facts = backup.facts.as_ref()?;
        let path = storage.backup_path(&place(backup));
        Some(BackupRecord::new(backup, facts, path))
    };
    Ok(stored.iter().filter_map(record).collect())
}

/// Reads the manifest of the backup at `path`.
pub(crate) fn read_manifest<C: Backend>(path: &Path) -> Result<Manifest, InvalidBackup> {
    let bytes = C::Storage::backup_manifest(path)?;
    Manifest::read(&bytes, path).map_err(|error| {
        let members = listing::members::<C>(&bytes, path);
        let path = path.to_owned();
        members.map_or(error, |members| InvalidBackup::Set { path, members })
    })
}

impl<C: Backend> Tenancy<C> {
    /// Backs up a tenant's database as it is at one moment, while others go on writing.
    ///
    /// It is copied, the copy is closed, looked into (integrity, whose it is, schema, rows of each table), hashed and
    /// described by a manifest beside it; only then does it count. Taken of active, suspended and archived tenants, and
    /// of one in the middle of an operation. Blocks for about as long as reading the database three times and writing
    /// it once; nobody else waits.
    ///
    /// All or nothing, also when the process is killed in between: what was begun is removed when the library is opened
    /// next, or by [`recover`](Self::recover).
    ///
    /// # Errors
    /// See [`BackupError`]; nothing is left behind, and no earlier backup is touched.
    pub fn backup(
        &self,
        id: &TenantId,
        options: &BackupOptions,
    ) -> Result<BackupRecord, BackupError> {
        let tenant = self.registry.tenant(id)?;
        take(&self.registry, &tenant, options)
    }

    /// Backs up the shared database, the catalogue included. See [`backup`](Self::backup).
    ///
    /// # Errors
    /// See [`BackupError`].
    pub fn backup_shared(&self, options: &BackupOptions) -> Result<BackupRecord, BackupError> {
        take_of(&self.registry, BackupSource::Shared, options)
    }

    /// The backups that count, newest first.
    ///
    /// # Errors
    /// [`BackupError::Open`], where a tenant is asked for that is not known; [`BackupError::Catalog`].
    pub fn backups(&self, filter: &BackupFilter) -> Result<Vec<BackupRecord>, BackupError> {
        let of = match &filter.of {
            None => BackupsOf::Everything,
            Some(None) => BackupsOf::Shared,
            Some(Some(id)) => match self.registry.tenant(id) {
                Ok(tenant) => BackupsOf::Tenant(tenant.record().uuid),
                Err(unknown @ OpenError::UnknownTenant { .. }) => {
                    let mut kept = self.backups(&BackupFilter::all())?;
                    let had = |tenant: TenantKey| tenant.id.folded() == id.folded();
                    kept.retain(|backup| backup.tenant.is_some_and(had));
                    return match kept.is_empty() {
                        true => Err(unknown.into()),
                        false => Ok(kept),
                    };
                }
                Err(other) => return Err(other.into()),
            },
        };
        list(&self.registry, of)
    }

    /// Looks into a backup: length, hash, integrity, whose it is, schema, rows of each table.
    ///
    /// Reads the whole file. The length is compared before anything opens it as a database.
    ///
    /// # Errors
    /// See [`BackupError`], in most cases [`Invalid`](BackupError::Invalid).
    pub fn verify_backup(&self, backup: &BackupRef) -> Result<(), BackupError> {
        let Found { path, manifest } = find(&self.registry, backup)?;
        let checked = C::Storage::backup_check(&path, manifest.bytes, &manifest.sha256, None);
        let checked = checked.and_then(|found| manifest.check(&found, &path));
        let verified = manifest
            .note("backup.verify")
            .with("sound", checked.is_ok());
        self.registry.audit(&verified)?;
        Ok(checked?)
    }

    /// Keeps a backup from being pruned, or no longer does.
    ///
    /// # Errors
    /// [`BackupError::Unknown`]; [`BackupError::Catalog`]; [`BackupError::Purging`] once a purge has begun that removes it.
    pub fn pin_backup(&self, id: Uuid, pinned: bool) -> Result<(), BackupError> {
        match write(&self.registry, |c| c.backup_pin(id, pinned))? {
            Pinned::Done => Ok(()),
            Pinned::Unknown => Err(BackupError::Unknown { id }),
            Pinned::Purging => Err(BackupError::Purging { id }),
        }
    }

    /// Removes one backup and its files. There is no way back.
    ///
    /// # Errors
    /// [`BackupError::Unknown`]; [`BackupError::Pinned`]; [`BackupError::OnHold`];
    /// [`StorageError::OutOfReach`](crate::backend::StorageError::OutOfReach) where its directory is not there as it was left;
    /// see [`BackupError`]. Once begun it is finished, if need be when the library is opened next.
    pub fn remove_backup(&self, id: Uuid) -> Result<(), BackupError> {
        remove(&self.registry, id)
    }
}

pub(crate) fn remove<C: Backend>(registry: &Registry<C>, id: Uuid) -> Result<(), BackupError> {
    let instance = registry.common.storage.instance();
    // Claimed before it stands in the catalogue, or another thread takes it for one that was given up.
    let Some(_running) = Running::claim(registry, id) else {
        return Err(BackupError::Unknown { id });
    };
    let found = registry.ask(|c| c.backup_find(id))?;
    if let Some(found) = found.filter(|found| found.state == BackupState::Good) {
        // A tenant that the catalogue does not know has a hold beside it.
        if let Some(tenant) = found.tenant
            && retention::is_on_hold(registry, tenant.uuid)?
        {
            return Err(BackupError::OnHold { id });
        }
        // From the commit point on nobody would know of what is out of reach.
        registry.common.storage.backup_reach(&place(&found))?;
    }
    if !write(registry, |c| c.backup_begin_removal(id, instance))? {
        let found = registry.ask(|c| c.backup_find(id))?;
        return Err(match found {
            Some(found) if found.pinned && found.state == BackupState::Good => {
                BackupError::Pinned { id }
            }
            Some(found) if found.state == BackupState::Good => BackupError::OnHold { id },
            _ => BackupError::Unknown { id },
        });
    }
    hit("backup-remove.begun");
    let backup = registry.ask(|c| c.backup_find(id))?;
    match backup {
        Some(backup) if !settle(registry, &backup)? => Err(BackupError::OnHold { id }),
        _ => Ok(()),
    }
}
