//! Backups of everything, taken together.
//!
//! Each database is copied as it is at a moment of its own; a set is not one moment. What holds is an order: **the shared
//! database comes last**. References lead from tenants to shared rows, so what a tenant's copy refers to is in the shared
//! copy, unless it was deleted in between; and the catalogue, which is in the shared copy, knows every tenant of the set.
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    BackupError, BackupFilter, BackupOptions, BackupRecord, find, has_database, manifest, take,
    take_of, write,
};
use crate::backend::{
    Backend, BackupIdentity, BackupOf, BackupPlace, BackupSource, BackupStorage, InvalidBackup,
    Storage, StorageError, TenantKey,
};
use crate::catalog::backups::StoredSet;
use crate::catalog::to_millis;
use crate::failpoint::hit;
use crate::lifecycle::Running;
use crate::registry::{Registry, Tenant};
use crate::tenancy::Tenancy;

/// How everything is backed up together.
#[derive(Clone, Debug)]
#[must_use]
pub struct BackupSetOptions {
    each: BackupOptions,
    workers: usize,
}

impl Default for BackupSetOptions {
    fn default() -> Self {
        Self {
            each: BackupOptions::default(),
            workers: 2,
        }
    }
}

impl BackupSetOptions {
    /// Two at a time, each as by [`BackupOptions::new`].
    pub fn new() -> Self {
        Self::default()
    }

    /// How each backup is taken, and where the set is put.
    pub fn each(mut self, options: BackupOptions) -> Self {
        self.each = options;
        self
    }

    /// How many databases are copied at the same time; at least 1. Default 2: the disk is the limit.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }
}

/// One step of a set that is being taken.
#[derive(Debug)]
#[non_exhaustive]
pub struct BackupProgress<'a> {
    /// Databases that are done, this one included, whether it succeeded or not.
    pub done: usize,
    /// Databases there are, as far as is known.
    pub total: usize,
    /// The tenant it was; `None` for the shared database.
    pub tenant: Option<TenantKey>,
    /// What became of it.
    pub result: Result<&'a BackupRecord, &'a BackupError>,
}

/// A set of backups: one of every database there was.
#[derive(Debug)]
#[non_exhaustive]
pub struct BackupSet {
    /// Its id, which its members carry.
    pub id: Uuid,
    /// When it was begun.
    pub began_at: SystemTime,
    /// When its last member was there.
    pub ended_at: SystemTime,
    /// Its members, the shared database's last.
    pub members: Vec<BackupRecord>,
    /// What could not be backed up, and why; `None` is the shared database.
    pub failed: Vec<(Option<TenantKey>, BackupError)>,
    /// Tenants that were created while the set was taken: the catalogue in it knows them, it has no backup of them.
    pub missed: Vec<TenantKey>,
    /// Its directory, with a manifest that names all of these.
    pub path: PathBuf,
}

impl BackupSet {
    /// Whether it has a backup of every database.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.missed.is_empty()
    }
}

/// What is in the manifest of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetManifest {
    pub(crate) set: Uuid,
    pub(crate) catalog: Uuid,
    /// Unix milliseconds.
    pub(crate) began_at: i64,
    pub(crate) ended_at: i64,
    pub(crate) made_by: String,
    pub(crate) complete: bool,
    pub(crate) members: Vec<SetMember>,
    pub(crate) failed: Vec<FailedMember>,
    pub(crate) missed: Vec<TenantKey>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetMember {
    pub(crate) backup: Uuid,
    pub(crate) database: BackupIdentity,
    pub(crate) bytes: u64,
    #[serde(with = "manifest::hex")]
    pub(crate) sha256: [u8; 32],
    pub(crate) schema_version: Option<String>,
    /// In sets of before: each member's own manifest has them, and here they are more than all else together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rows: Option<std::collections::BTreeMap<String, u64>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FailedMember {
    /// `None` for the shared database.
    pub(crate) tenant: Option<TenantKey>,
    pub(crate) reason: String,
}

impl SetMember {
    fn of<C: Backend>(registry: &Registry<C>, backup: &BackupRecord) -> Result<Self, BackupError> {
        let manifest = find(registry, &backup.into())?.manifest;
        Ok(Self {
            backup: manifest.id,
            database: manifest.database,
            bytes: manifest.bytes,
            sha256: manifest.sha256,
            schema_version: manifest.schema.version,
            rows: None,
        })
    }
}

type Results = Vec<(Option<TenantKey>, Result<BackupRecord, BackupError>)>;

fn all<C: Backend>(
    tenancy: &Tenancy<C>,
    options: &BackupSetOptions,
    progress: &(dyn Fn(&BackupProgress<'_>) + Sync),
) -> Result<BackupSet, BackupError> {
    let registry = &*tenancy.registry;
    let storage = &registry.common.storage;
    let directory = match &options.each.directory {
        Some(asked) => storage.backup_directory(asked)?,
        None => None,
    };
    let mark = storage.backup_mark(directory.as_deref())?;
    hit("backup-set.marked");
    let running = Running::new(registry);
    let stored = StoredSet {
        id: running.id(),
        instance: storage.instance(),
        directory,
        mark,
        began_at: SystemTime::now(),
        ended_at: None,
        complete: false,
    };
    write(registry, |c| c.set_begin(&stored))?;
    hit("backup-set.begun");
    let made = make(registry, &stored, options, progress);
    if made.is_err() {
        // What cannot be removed now is removed by the next recovery. The members are backups like others.
        let _ = settle(registry, &stored);
    }
    made
}

fn make<C: Backend>(
    registry: &Registry<C>,
    stored: &StoredSet,
    options: &BackupSetOptions,
    progress: &(dyn Fn(&BackupProgress<'_>) + Sync),
) -> Result<BackupSet, BackupError> {
    let storage = &registry.common.storage;
    let each = BackupOptions {
        set: Some(stored.id),
        ..options.each.clone()
    };
    let tenants = tenants(registry)?;
    let total = tenants.len() + 1;
    let mut results = take_each(registry, &tenants, &each, options.workers, progress);
    let shared = take_of(registry, BackupSource::Shared, &each);
    progress(&BackupProgress {
        done: total,
        total,
        tenant: None,
        result: shared.as_ref(),
    });
    results.push((None, shared));
    let known: HashSet<_> = tenants.iter().map(|tenant| tenant.record().uuid).collect();
    let now = self::tenants(registry)?;
    let now = now.iter().map(|tenant| tenant.record().key());
    let missed: Vec<_> = now.filter(|key| !known.contains(&key.uuid)).collect();
    hit("backup-set.taken");

    let place = place(stored);
    let mut set = BackupSet {
        id: stored.id,
        began_at: stored.began_at,
        ended_at: SystemTime::now(),
        members: Vec::new(),
        failed: Vec::new(),
        missed,
        path: storage.backup_path(&place),
    };
    let mut members = Vec::new();
    for (tenant, result) in results {
        // Somebody may have removed it since, or it cannot be read again: that is one less, and no reason to have none.
        let described = result.and_then(|backup| Ok((SetMember::of(registry, &backup)?, backup)));
        match described {
            Ok((member, backup)) => {
                members.push(member);
                set.members.push(backup);
            }
            Err(error) => set.failed.push((tenant, error)),
        }
    }
    let failed = set.failed.iter().map(|(tenant, error)| FailedMember {
        tenant: *tenant,
        reason: error.to_string(),
    });
    let manifest = SetManifest {
        set: set.id,
        catalog: storage.catalog_uuid(),
        began_at: to_millis(set.began_at),
        ended_at: to_millis(set.ended_at),
        made_by: env!("CARGO_PKG_VERSION").to_owned(),
        complete: set.is_complete(),
        members,
        failed: failed.collect(),
        missed: set.missed.clone(),
    };
    storage.backup_describe(&place, &manifest::sealed(&manifest))?;
    hit("backup-set.described");
    storage.backup_publish(&place)?;
    hit("backup-set.published");
    // What cannot be read is found out by whoever needs it, and not before.
    let path = set.path.clone();
    let read = C::Storage::backup_manifest(&path)?;
    if manifest::unsealed::<SetManifest>(&read, &path)? != manifest {
        let what = "the set";
        return Err(InvalidBackup::WrongManifest { path, what }.into());
    }
    let ended = write(registry, |c| {
        c.set_end(set.id, set.ended_at, manifest.complete)
    })?;
    if !ended {
        return Err(BackupError::GivenUp { id: set.id });
    }
    hit("backup-set.committed");
    Ok(set)
}

/// The tenants that have a database, as the catalogue has them now.
fn tenants<C: Backend>(
    registry: &Registry<C>,
) -> Result<Vec<std::sync::Arc<Tenant<C>>>, BackupError> {
    let records = registry.tenants()?;
    let with_database = records.iter().filter(|record| has_database(record.status));
    let mut tenants = Vec::new();
    for record in with_database {
        match registry.tenant(&record.id) {
            Ok(tenant) => tenants.push(tenant),
            // It was deleted meanwhile.
            Err(crate::OpenError::UnknownTenant { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(tenants)
}

/// Backs up all of them, `workers` at a time, whatever becomes of some.
fn take_each<C: Backend>(
    registry: &Registry<C>,
    tenants: &[std::sync::Arc<Tenant<C>>],
    options: &BackupOptions,
    workers: usize,
    progress: &(dyn Fn(&BackupProgress<'_>) + Sync),
) -> Results {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results = Mutex::new(Vec::new());
    let work = || {
        while let Some(tenant) = tenants.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = take(registry, tenant, options);
            let key = tenant.record().key();
            progress(&BackupProgress {
                done: done.fetch_add(1, Ordering::Relaxed) + 1,
                total: tenants.len() + 1,
                tenant: Some(key),
                result: result.as_ref(),
            });
            results.lock().push((Some(key), result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..workers.min(tenants.len()) {
            scope.spawn(work);
        }
        work();
    });
    let mut results: Results = results.into_inner();
    results.sort_by_key(|(tenant, _)| tenant.map(|tenant| tenant.id.folded()));
    results
}

fn place(set: &StoredSet) -> BackupPlace {
    BackupPlace {
        directory: set.directory.clone(),
        mark: set.mark,
        id: set.id,
        of: BackupOf::Set,
        instance: set.instance,
    }
}

fn settle<C: Backend>(registry: &Registry<C>, set: &StoredSet) -> Result<(), BackupError> {
    registry.common.storage.backup_remove(&place(set))?;
    hit("backup-set.removed");
    write(registry, |c| c.set_forget(set.id))?;
    hit("backup-set.forgotten");
    Ok(())
}

/// Takes out the sets whose instance died over them. Returns how many there were.
pub(super) fn recover<C: Backend>(registry: &Registry<C>) -> Result<usize, BackupError> {
    let storage = &registry.common.storage;
    let (mut count, mut first_error) = (0, None);
    for set in registry.ask(|c| c.set_list())? {
        if set.ended_at.is_some() {
            continue;
        }
        if set.instance != storage.instance() && storage.is_alive(set.instance)? {
            continue;
        }
        let Some(_running) = Running::claim(registry, set.id) else {
            continue;
        };
        match settle(registry, &set) {
            Ok(()) => count += 1,
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    first_error.map_or(Ok(count), Err)
}

/// Takes out the sets none of whose members is left. Returns what went wrong with some.
pub(super) fn remove_empty<C: Backend>(registry: &Registry<C>) -> Vec<BackupError> {
    let empty = match empty(registry) {
        Ok(empty) => empty,
        Err(error) => return vec![error],
    };
    let removed = empty.into_iter().map(|set| remove(registry, set));
    removed.filter_map(Result::err).collect()
}

/// The sets none of whose members is left.
fn empty<C: Backend>(registry: &Registry<C>) -> Result<Vec<StoredSet>, BackupError> {
    let backups =
        registry.ask(|c| c.backup_list(crate::catalog::backups::BackupsOf::Everything))?;
    let in_use: HashSet<_> = backups.iter().filter_map(|backup| backup.set).collect();
    let mut sets = registry.ask(|c| c.set_list())?;
    sets.retain(|set| set.ended_at.is_some() && !in_use.contains(&set.id));
    Ok(sets)
}

fn remove<C: Backend>(registry: &Registry<C>, set: StoredSet) -> Result<(), BackupError> {
    match registry.common.storage.backup_reach(&place(&set)) {
        Err(StorageError::OutOfReach { .. }) => return Ok(()),
        seen => seen?,
    }
    let Some(_running) = Running::claim(registry, set.id) else {
        return Ok(());
    };
    let instance = registry.common.storage.instance();
    if write(registry, |c| c.set_begin_removal(set.id, instance))? {
        hit("backup-set.removal-begun");
        let set = StoredSet { instance, ..set };
        settle(registry, &set)?;
    }
    Ok(())
}

impl<C: Backend> Tenancy<C> {
    /// Backs up every tenant that has a database, and then the shared database, as one set.
    ///
    /// Each database is copied as it is at a moment of its own. The shared database comes last, so that what the tenants'
    /// copies refer to is in its copy, unless it was deleted in between, and that the catalogue in it knows them all.
    /// A database that cannot be backed up is named in the set, which is then not [complete](BackupSet::is_complete), and
    /// the others go on. `progress` is called after each, from several threads.
    ///
    /// # Errors
    /// The set could not be written down; see [`BackupError`]. Its members are there all the same.
    pub fn backup_all(
        &self,
        options: &BackupSetOptions,
        progress: impl Fn(&BackupProgress<'_>) + Sync,
    ) -> Result<BackupSet, BackupError> {
        all(self, options, &progress)
    }

    /// The backups of one set, newest first.
    ///
    /// # Errors
    /// [`BackupError::Catalog`].
    pub fn backups_of_set(&self, set: Uuid) -> Result<Vec<BackupRecord>, BackupError> {
        let mut backups = self.backups(&BackupFilter::all())?;
        backups.retain(|backup| backup.set == Some(set));
        Ok(backups)
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests;
