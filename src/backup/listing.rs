//! Backups in a directory, by their manifests alone.
use std::collections::HashSet;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use uuid::Uuid;

use super::manifest::{self, Manifest};
use super::sets::SetManifest;
use super::{BackupError, BackupReason, read_manifest};
use crate::backend::{Backend, BackupStorage, DefaultConnection, InvalidBackup, TenantKey};
use crate::catalog::from_millis;

/// The backups in one directory, told by their manifests: no catalogue is asked, and none need exist.
///
/// # Example
/// ```no_run
/// # use diesel_tenants::Backups;
/// let backups = Backups::<diesel::SqliteConnection>::at("/mnt/backups")?;
/// for backup in backups.list() {
///     backups.verify(&backup.path)?;
/// }
/// # Ok::<(), diesel_tenants::Error>(())
/// ```
#[derive(Debug)]
pub struct Backups<C: Backend = DefaultConnection> {
    backups: Vec<ListedBackup>,
    sets: Vec<ListedSet>,
    damaged: Vec<InvalidBackup>,
    backend: PhantomData<fn() -> C>,
}

/// A backup as its manifest describes it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct ListedBackup {
    /// Its id.
    pub id: Uuid,
    /// The set it was taken in, if it was.
    pub set: Option<Uuid>,
    /// The catalogue it belongs to.
    pub catalog: Uuid,
    /// The tenant it is of; `None` for the shared database.
    pub tenant: Option<TenantKey>,
    /// Why it was taken.
    pub reason: BackupReason,
    /// When the copy was begun.
    pub taken_at: SystemTime,
    /// The generation it is of.
    pub generation: u64,
    /// The newest migration in it, if it has any.
    pub schema_version: Option<String>,
    /// Bytes of its database.
    pub bytes: u64,
    /// Rows of all its tables.
    pub rows: u64,
    /// Its directory.
    pub path: PathBuf,
}

impl ListedBackup {
    fn new(manifest: &Manifest, path: &Path) -> Self {
        Self {
            id: manifest.id,
            set: manifest.set,
            catalog: manifest.database.catalog,
            tenant: manifest.database.tenant,
            reason: manifest.reason,
            taken_at: from_millis(manifest.taken_at),
            generation: manifest.database.generation,
            schema_version: manifest.schema.version.clone(),
            bytes: manifest.bytes,
            rows: manifest.rows.values().sum(),
            path: path.to_owned(),
        }
    }
}

/// A set as its manifest describes it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct ListedSet {
    /// Its id.
    pub id: Uuid,
    /// The catalogue it belongs to.
    pub catalog: Uuid,
    /// When it was begun.
    pub began_at: SystemTime,
    /// When its last member was there.
    pub ended_at: SystemTime,
    /// Whether it had a backup of every database.
    pub complete: bool,
    /// The ids of its members, the shared database's last.
    pub members: Vec<Uuid>,
    /// Its members that are not in this directory any more, or not yet.
    pub missing: Vec<Uuid>,
    /// What could not be backed up, in words; `None` is the shared database.
    pub failed: Vec<(Option<TenantKey>, String)>,
    /// Its directory.
    pub path: PathBuf,
}

impl<C: Backend> Backups<C> {
    /// Reads the manifests in `directory`. What has none, or a damaged one, is in [`damaged`](Self::damaged).
    ///
    /// # Errors
    /// [`BackupError::Storage`]: the directory cannot be listed.
    pub fn at(directory: impl AsRef<Path>) -> Result<Self, BackupError> {
        let directory = directory.as_ref();
        let absolute = std::path::absolute(directory).unwrap_or(directory.to_owned());
        let mut found = Self {
            backups: Vec::new(),
            sets: Vec::new(),
            damaged: Vec::new(),
            backend: PhantomData,
        };
        for path in C::Storage::backup_entries(&absolute)? {
            match read::<C>(&path) {
                Ok(Read::Backup(backup)) => found.backups.push(backup),
                Ok(Read::Set(set)) => found.sets.push(set),
                Err(error) => found.damaged.push(error),
            }
        }
        found
            .backups
            .sort_by_key(|b| std::cmp::Reverse((b.taken_at, b.id)));
        found
            .sets
            .sort_by_key(|s| std::cmp::Reverse((s.began_at, s.id)));
        let there: HashSet<Uuid> = found.backups.iter().map(|backup| backup.id).collect();
        for set in &mut found.sets {
            let is_missing = |id: &&Uuid| !there.contains(id);
            set.missing = set.members.iter().filter(is_missing).copied().collect();
        }
        Ok(found)
    }

    /// The backups, newest first.
    pub fn list(&self) -> &[ListedBackup] {
        &self.backups
    }

    /// The sets, newest first.
    pub fn sets(&self) -> &[ListedSet] {
        &self.sets
    }

    /// Directories that should be backups and cannot be read as such.
    pub fn damaged(&self) -> &[InvalidBackup] {
        &self.damaged
    }

    #[cfg(feature = "sqlite")]
    pub(super) fn into_damaged(self) -> Vec<InvalidBackup> {
        self.damaged
    }

    /// Looks into one backup as [`Tenancy::verify_backup`](crate::Tenancy::verify_backup) does.
    ///
    /// # Errors
    /// [`BackupError::Invalid`]; [`BackupError::Storage`].
    pub fn verify(&self, path: impl AsRef<Path>) -> Result<(), BackupError> {
        let path = path.as_ref();
        let manifest = read_manifest::<C>(path)?;
        let found = C::Storage::backup_check(path, manifest.bytes, &manifest.sha256, None)?;
        Ok(manifest.check(&found, path)?)
    }
}

/// The members of a set that are beside it; `None` where the bytes are not those of a set's manifest.
pub(super) fn members<C: Backend>(
    manifest: &[u8],
    path: &Path,
) -> Option<Vec<(Option<TenantKey>, PathBuf)>> {
    let set = manifest::unsealed::<SetManifest>(manifest, path).ok()?;
    let beside = path
        .parent()
        .and_then(|beside| Backups::<C>::at(beside).ok());
    let beside = beside.map_or(Vec::new(), |beside| beside.backups);
    let ids: HashSet<Uuid> = set.members.iter().map(|member| member.backup).collect();
    let members = beside.into_iter().filter(|it| ids.contains(&it.id));
    Some(members.map(|it| (it.tenant, it.path)).collect())
}

enum Read {
    Backup(ListedBackup),
    Set(ListedSet),
}

fn read<C: Backend>(path: &Path) -> Result<Read, InvalidBackup> {
    let bytes = C::Storage::backup_manifest(path)?;
    let first = match Manifest::read(&bytes, path) {
        Ok(manifest) => return Ok(Read::Backup(ListedBackup::new(&manifest, path))),
        Err(error) => error,
    };
    match manifest::unsealed::<SetManifest>(&bytes, path) {
        Ok(set) => Ok(Read::Set(ListedSet {
            id: set.set,
            catalog: set.catalog,
            began_at: from_millis(set.began_at),
            ended_at: from_millis(set.ended_at),
            complete: set.complete,
            members: set.members.iter().map(|member| member.backup).collect(),
            missing: Vec::new(),
            failed: set
                .failed
                .into_iter()
                .map(|f| (f.tenant, f.reason))
                .collect(),
            path: path.to_owned(),
        })),
        Err(_) => Err(first),
    }
}
