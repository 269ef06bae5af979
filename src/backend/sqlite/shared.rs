//! Putting a backup in the place of the shared database, while nobody has the data directory open.
//!
//! ```text
//! <root>/.restore-shared.sqlite3              the copy, until it gets its name
//! <root>/restoring-shared.json                says that it is under way: opening the library refuses
//! <root>/shared-replaced-<uuid>.sqlite3       what was there before; never removed here
//! ```
use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::backup::{check_length, look_into, same, told_by};
use super::files::{self, FileAction, FileError, SIDE_SUFFIXES, lstat};
use super::identity::Identity;
use super::lock::DirLock;
use super::root::{Root, RootError, RootOptions};
use super::storage::{Settings, query};
use super::{artefact, connect, instance, schema, tombstones};
use crate::backend::{
    ArtefactFacts, ConnectError, InvalidBackup, OnDisk, StorageError, TenantKey, Whose,
};
use crate::catalog::CatalogStore;
use crate::catalog::audit::{AuditStore as _, Draft};
use crate::failpoint::hit;
use crate::migrate::{self, MigrationSet};

const LOCK_WAIT: Duration = Duration::from_secs(30);

/// What is under way, as written beside the databases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marker {
    pub(crate) backup: Uuid,
    pub(crate) catalog: Uuid,
    aside: Uuid,
}

fn marker(root: &Root) -> PathBuf {
    root.path().join("restoring-shared.json")
}

/// Whether the shared database is being replaced, or was when its process died.
pub(super) fn is_being_restored(root: &Root) -> Result<bool, FileError> {
    Ok(lstat(&marker(root))?.is_some())
}

/// The data directory, of which nobody else replaces the shared database meanwhile.
pub(crate) struct SharedRestore {
    root: Root,
    busy_timeout: Duration,
    _lock: DirLock,
}

impl SharedRestore {
    pub(crate) fn open(settings: &Settings) -> Result<Self, SharedRestoreError> {
        let options =
            RootOptions::default().dangerously_allow_any_file_system(settings.any_file_system);
        let root = options.open(&settings.root)?;
        let lock = DirLock::lock(&root, "shared", LOCK_WAIT).map_err(StorageError::from)?;
        Ok(Self {
            root,
            busy_timeout: settings.busy_timeout,
            _lock: lock,
        })
    }

    fn staging(&self) -> PathBuf {
        self.root.path().join(".restore-shared.sqlite3")
    }

    fn aside(&self, marker: &Marker) -> PathBuf {
        let name = format!("shared-replaced-{}.sqlite3", marker.aside.simple());
        self.root.path().join(name)
    }

    pub(crate) fn backups(&self) -> PathBuf {
        self.root.backups()
    }

    /// One that was begun and not finished.
    pub(crate) fn unfinished(&self) -> Result<Option<Marker>, StorageError> {
        const LIMIT: u64 = 4096;
        let path = marker(&self.root);
        if lstat(&path)?.is_none() {
            return Ok(None);
        }
        let bytes = artefact::read(&path, LIMIT)?.unwrap_or_default();
        let read = serde_json::from_slice(&bytes);
        let unreadable =
            |error| FileError::new(FileAction::Open, &path, std::io::Error::other(error));
        Ok(Some(read.map_err(unreadable)?))
    }

    /// Copies a backup beside the shared database and looks into the copy.
    pub(crate) fn stage(
        &self,
        path: &Path,
        bytes: u64,
        sha256: &[u8; 32],
        set: &MigrationSet,
    ) -> Result<ArtefactFacts, InvalidBackup> {
        check_length(path, bytes)?;
        let staging = self.staging();
        files::remove_database(&staging)?;
        let from = path.join(super::backup::DATABASE);
        let digest = artefact::copy(&from, &staging).map_err(StorageError::from)?;
        same(digest, (bytes, *sha256), path)?;
        files::sync_file(&staging)?;
        let found = look_into(&staging, Some(set)).map_err(|fault| fault.of(path))?;
        hit("restore-shared.staged");
        Ok(ArtefactFacts {
            bytes,
            sha256: *sha256,
            ..found
        })
    }

    /// Removes a staged copy that is not to be used.
    pub(crate) fn discard(&self) -> Result<(), StorageError> {
        Ok(files::remove_database(&self.staging())?)
    }

    /// From here on nobody can open the library. Fails where somebody has it open.
    pub(crate) fn begin(&self, backup: Uuid, catalog: Uuid) -> Result<Marker, SharedRestoreError> {
        let begun = Marker {
            backup,
            catalog,
            aside: Uuid::now_v7(),
        };
        let bytes = serde_json::to_vec(&begun).expect("three uuids are JSON");
        let path = marker(&self.root);
        let staging = files::staging_beside(&path);
        files::remove_name(&staging).map_err(StorageError::from)?;
        artefact::write_new(&staging, &bytes).map_err(StorageError::from)?;
        files::publish(&staging, &path).map_err(StorageError::from)?;
        hit("restore-shared.begun");
        // Asked after the marker stands: whoever opens says that he is alive first and looks for the marker then, so
        // one of the two sees the other.
        if let Err(in_use) = self.refuse_in_use() {
            self.close().map_err(SharedRestoreError::from)?;
            return Err(in_use);
        }
        Ok(begun)
    }

    pub(crate) fn refuse_in_use(&self) -> Result<(), SharedRestoreError> {
        let directory = self.root.instances();
        let list = |source| FileError::new(FileAction::List, &directory, source);
        let mut instances = 0;
        let entries = std::fs::read_dir(&directory).map_err(|e| StorageError::from(list(e)))?;
        for entry in entries {
            let name = entry.map_err(|e| StorageError::from(list(e)))?.file_name();
            let id = name.to_str().and_then(|name| Uuid::try_parse(name).ok());
            if let Some(id) = id
                && instance::is_alive(&self.root, id).map_err(StorageError::from)?
            {
                instances += 1;
            }
        }
        match instances {
            0 => Ok(()),
            instances => Err(SharedRestoreError::InUse { instances }),
        }
    }

    /// Sets the old shared database aside and gives the copy its name. Returns where the old one is, if there was one.
    ///
    /// That is entered into its audit log first, as far as it takes anything: it may be replaced because it is damaged.
    pub(crate) fn replace(
        &self,
        marker: &Marker,
        entry: &Draft,
    ) -> Result<Option<PathBuf>, StorageError> {
        let (path, staging, aside) = (self.root.shared(), self.staging(), self.aside(marker));
        // Once it has its name there is nothing left to do.
        if lstat(&staging)?.is_some() {
            if let Ok(mut old) = connect::open(&path, &Whose::Shared, self.busy_timeout) {
                let _ = old.audit_append(std::slice::from_ref(entry));
                // What cannot be moved into the file goes with it, as its WAL.
                let _ = old.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)");
            }
            hit("restore-shared.checkpointed");
            // A database is all its names: the first that is moved does not go without the others, since this is
            // done again until the copy has its name.
            self.move_aside(&path, &aside)?;
            for suffix in SIDE_SUFFIXES {
                self.move_aside(&with(&path, suffix), &with(&aside, suffix))?;
            }
            files::sync_dir(self.root.path())?;
            hit("restore-shared.aside");
            files::publish(&staging, &path)?;
            hit("restore-shared.published");
        }
        Ok(lstat(&aside)?.map(|_| aside))
    }

    fn move_aside(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        if lstat(from)?.is_none() {
            return Ok(());
        }
        if lstat(to)?.is_some() {
            let error = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
            return Err(FileError::new(FileAction::Publish, to, error).into());
        }
        let moved = std::fs::rename(from, to);
        Ok(moved.map_err(|source| FileError::new(FileAction::Publish, from, source))?)
    }

    /// The restored shared database, with the catalogue's tables of this build.
    pub(crate) fn connect(&self, marker: &Marker) -> Result<SqliteConnection, StorageError> {
        let mut conn = connect::open_stamped(
            &self.root.shared(),
            &Whose::Shared,
            &Identity::shared(marker.catalog),
            self.busy_timeout,
        )?;
        conn.catalog_open(marker.catalog)
            .map_err(query("opening the restored catalogue"))?;
        Ok(conn)
    }

    pub(crate) fn on_disk(&self) -> Result<Vec<OnDisk>, StorageError> {
        on_disk(&self.root, self.busy_timeout)
    }

    /// The library can be opened again.
    pub(crate) fn close(&self) -> Result<(), StorageError> {
        files::remove_name(&marker(&self.root))?;
        Ok(files::sync_dir(self.root.path())?)
    }
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Every tenant that has a database which says that it is what it is called.
pub(super) fn on_disk(root: &Root, busy_timeout: Duration) -> Result<Vec<OnDisk>, StorageError> {
    let mut found: Vec<OnDisk> = Vec::new();
    for directory in list(&root.tenants())? {
        for path in list(&directory)? {
            let Some((tenant, catalog, fenced, generation)) = stamp(root, &path, busy_timeout)?
            else {
                continue;
            };
            let is_it = |one: &&mut OnDisk| one.key == tenant && one.catalog == catalog;
            let one = match found.iter_mut().find(is_it) {
                Some(one) => one,
                None => {
                    found.push(OnDisk {
                        key: tenant,
                        catalog,
                        tombstone: tombstones::stands(root, tenant.uuid)?,
                        generations: Vec::new(),
                        newest: None,
                    });
                    found.last_mut().expect("one was pushed")
                }
            };
            one.generations.push(generation);
            if !fenced
                && one
                    .newest
                    .as_ref()
                    .is_none_or(|newest| newest.0 < generation)
            {
                let mut conn = connect::open(&path, &Whose::Tenant(tenant.id), busy_timeout)?;
                let reading = "reading the schema of a tenant";
                let version = migrate::newest_applied(&mut conn).map_err(query(reading))?;
                let facts = schema::facts(&mut conn).map_err(query(reading))?;
                one.newest = Some((generation, version, facts.fingerprint));
            }
        }
    }
    Ok(found)
}

type Stamp = (TenantKey, Uuid, bool, u64);

/// What a file says it is: tenant, catalogue, whether it is fenced, generation. `None` where that is not its name, or where
/// it is no database. One that cannot be read now is an error: left out, it would be forgotten.
fn stamp(root: &Root, path: &Path, busy_timeout: Duration) -> Result<Option<Stamp>, ConnectError> {
    let name = path.file_name().and_then(|name| name.to_str());
    let is_ours = name.and_then(|name| name.strip_prefix('g')?.strip_suffix(".sqlite3"));
    if is_ours.is_none() {
        return Ok(None);
    }
    let whose = Whose::Template;
    let read = connect::open(path, &whose, busy_timeout).and_then(|mut conn| {
        let identity = Identity::read(&mut conn);
        identity.map_err(|error| connect::failed(error, &whose))
    });
    match read {
        Ok(identity) => Ok(identity.and_then(|identity| told(root, path, &identity))),
        Err(error) if error.is_nobodys() => Ok(None),
        Err(error) => Err(error),
    }
}

fn told(root: &Root, path: &Path, identity: &Identity) -> Option<Stamp> {
    let told = told_by(identity)?;
    let tenant = told.tenant?;
    let wanted = root.tenant(tenant.id.folded().as_str(), tenant.uuid, told.generation);
    (wanted.ok()? == path).then_some((tenant, told.catalog, identity.fenced, told.generation))
}

fn list(directory: &Path) -> Result<Vec<PathBuf>, FileError> {
    let failed = |source| FileError::new(FileAction::List, directory, source);
    if !lstat(directory)?.is_some_and(|found| found.is_dir()) {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(directory).map_err(failed)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed));
    paths.collect()
}

/// Why the shared database was not replaced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SharedRestoreError {
    /// The data directory.
    #[error(transparent)]
    Root(#[from] RootError),
    /// Somebody has the library open.
    #[error("the data directory is open {instances} times; end those processes first")]
    InUse {
        /// How many openings of the library are alive.
        instances: usize,
    },
    /// A step on files failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
