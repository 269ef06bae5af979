//! Putting a backup in the place of the shared database, while nobody has the data directory open.
//!
//! ```text
//! <root>/.restore-shared.sqlite3              the copy, until it gets its name
//! <root>/restoring-shared.json                says that it is under way: opening the library refuses
//! <root>/shared-replaced-<uuid>.sqlite3       what was there before; never removed here
//! ```
use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::backup::{check_length, look_into, same, told_by};
use super::files::{self, FileAction, FileError, SIDE_SUFFIXES, lstat};
use super::identity::Identity;
use super::leftovers::{self, Entry};
use super::lock::DirLock;
use super::root::{Root, RootError, RootOptions};
use super::storage::{Settings, query};
use super::{artefact, connect, fence, holds, instance, schema, tombstones};
use crate::backend::{
    ArtefactFacts, ConnectError, InvalidBackup, Newest, OnDisk, StorageError, TenantKey, Whose,
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
    /// Whether there was a database to be set aside.
    #[serde(default = "yes")]
    replaces: bool,
}

/// What markers meant that did not say it.
fn yes() -> bool {
    true
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

    /// The directory a backup is in, where that is one that backups may be put into, and not the data directory's own.
    pub(crate) fn beside(&self, backup: &Path) -> Option<PathBuf> {
        let directory = backup.parent()?.canonicalize().ok()?;
        let is_other = directory != self.backups() && self.root.check_outside(&directory).is_ok();
        is_other.then_some(directory)
    }

    /// The tenants that are under a legal hold, whatever the catalogue knows of it, and why.
    pub(crate) fn holds(&self) -> Result<Vec<(Uuid, String)>, StorageError> {
        holds::all(&self.root)
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

    /// Removes a staged copy that is not to be used: not while the marker stands, which says that it will be.
    pub(crate) fn discard(&self) -> Result<(), StorageError> {
        match is_being_restored(&self.root)? {
            true => Ok(()),
            false => Ok(files::remove_database(&self.staging())?),
        }
    }

    /// From here on nobody can open the library. Fails where somebody has it open.
    pub(crate) fn begin(&self, backup: Uuid, catalog: Uuid) -> Result<Marker, SharedRestoreError> {
        let begun = Marker {
            backup,
            catalog,
            aside: Uuid::now_v7(),
            replaces: lstat(&self.root.shared())
                .map_err(StorageError::from)?
                .is_some(),
        };
        let bytes = serde_json::to_vec(&begun).expect("uuids are JSON");
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
    pub(crate) fn replace(&self, marker: &Marker, entry: &Draft) -> Result<Replaced, StorageError> {
        let (path, staging, aside) = (self.root.shared(), self.staging(), self.aside(marker));
        if lstat(&staging)?.is_none() {
            // Either it has its name, and the old database is aside; or it went without ever getting it.
            let is_aside = lstat(&aside)?.is_some() || !marker.replaces;
            if !is_aside || lstat(&path)?.is_none() {
                return Ok(Replaced::Not);
            }
        } else {
            if let Ok(mut old) = connect::open(&path, &Whose::Shared, self.busy_timeout) {
                // Closing it moves its WAL into the file. What cannot be moved goes with it, as its WAL.
                let _ = old.audit_append(std::slice::from_ref(entry));
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
        Ok(Replaced::By(lstat(&aside)?.map(|_| aside)))
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
        on_disk(&self.root, None, self.busy_timeout)
    }

    /// The name of a tenant's directory.
    pub(crate) fn directory_name(&self, key: &TenantKey) -> String {
        let path = self
            .root
            .tenant_directory(key.id.folded().as_str(), key.uuid)
            .expect("a folded TenantId is what the root asks for");
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Whether a tenant has a tombstone, or may have one.
    pub(crate) fn is_purged(&self, tenant: Uuid) -> bool {
        is_purged(&self.root, tenant)
    }

    /// Takes the fence out of a generation in which an operation left it that was never committed.
    pub(crate) fn unfence(
        &self,
        marker: &Marker,
        key: &TenantKey,
        generation: u64,
    ) -> Result<(), StorageError> {
        unfence(
            &self.root,
            marker.catalog,
            key,
            generation,
            self.busy_timeout,
        )
    }

    /// The library can be opened again.
    pub(crate) fn close(&self) -> Result<(), StorageError> {
        files::remove_name(&marker(&self.root))?;
        Ok(files::sync_dir(self.root.path())?)
    }
}

/// What became of an attempt to put the copy in the place of the shared database.
#[derive(Debug)]
pub(crate) enum Replaced {
    /// It has its name. Where the database is that was there before, if there was one.
    By(Option<PathBuf>),
    /// The copy is gone and has not got its name: nothing was replaced by it.
    Not,
}

/// Takes the fence out of a generation. Nothing to do where there is none.
pub(super) fn unfence(
    root: &Root,
    catalog: Uuid,
    key: &TenantKey,
    generation: u64,
    busy_timeout: Duration,
) -> Result<(), StorageError> {
    let whose = Whose::Tenant(key.id);
    let path = root
        .tenant(key.id.folded().as_str(), key.uuid, generation)
        .expect("a folded TenantId is what the root asks for");
    let mut conn = connect::open(&path, &whose, busy_timeout)?;
    let identity = Identity::tenant(catalog, key, generation);
    match connect::check_stamp(&mut conn, &whose, &identity)?.fenced {
        true => fence::lower(&mut conn).map_err(query("lowering the fence")),
        false => Ok(()),
    }
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// What is in the directory of every tenant, or in those that may be `of` one.
pub(super) fn on_disk(
    root: &Root,
    of: Option<Uuid>,
    busy_timeout: Duration,
) -> Result<Vec<OnDisk>, StorageError> {
    let digits = of.map(|uuid| uuid.simple().to_string()[24..].to_owned());
    let mut found = Vec::new();
    for directory in list(&root.tenants())? {
        let name = directory.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        if digits
            .as_ref()
            .is_none_or(|digits| name.ends_with(digits.as_str()))
        {
            found.push(look_around(root, &directory, name, busy_timeout));
        }
    }
    Ok(found)
}

/// What is in one tenant's directory. What fails is that tenant's trouble, and part of what was found.
fn look_around(root: &Root, directory: &Path, name: String, busy_timeout: Duration) -> OnDisk {
    let mut found = OnDisk {
        directory: name,
        owner: None,
        tombstone: false,
        generations: Vec::new(),
        newest: None,
        unreadable: Vec::new(),
    };
    let names = match leftovers::names(directory) {
        Ok(names) => names,
        Err(error) => {
            found.unreadable.push((0, error.to_string()));
            return found;
        }
    };
    for name in names {
        let Entry::Database(generation) = Entry::of(&name) else {
            continue;
        };
        found.generations.push(generation);
        match look_at(root, &directory.join(name), generation, busy_timeout) {
            Ok((owner, newest)) => {
                found.owner = Some(owner);
                // By its number alone: a fence is left in the newest by an operation that was killed.
                let other = found.newest.as_ref();
                if other.is_none_or(|other| other.generation < newest.generation) {
                    found.newest = Some(newest);
                }
            }
            Err(reason) => found.unreadable.push((generation, reason)),
        }
    }
    if let Some((tenant, _)) = found.owner {
        found.tombstone = is_purged(root, tenant.uuid);
    }
    found
}

/// In doubt it was: what is left alone can be looked at again.
fn is_purged(root: &Root, tenant: Uuid) -> bool {
    tombstones::stands(root, tenant).unwrap_or(true)
}

/// What a file says it is, if that is its name; why it could not be read, in words.
fn look_at(
    root: &Root,
    path: &Path,
    generation: u64,
    busy_timeout: Duration,
) -> Result<((TenantKey, Uuid), Newest), String> {
    let whose = Whose::Template;
    let words = |error: ConnectError| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        match (cause, error) {
            // Whose it is is not known before it is read.
            (_, ConnectError::Unsafe { reason, .. }) => reason,
            (_, ConnectError::Damaged { symptom, .. }) => format!("damaged ({symptom})"),
            (_, ConnectError::Empty { .. }) => "an empty file".to_owned(),
            (_, ConnectError::Missing { .. }) => "gone".to_owned(),
            (Some(cause), _) => cause,
            (None, error) => error.to_string(),
        }
    };
    let mut conn = connect::open(path, &whose, busy_timeout).map_err(words)?;
    let failed = |error| words(connect::failed(error, &whose));
    let identity = Identity::read(&mut conn).map_err(failed)?;
    let told = identity
        .as_ref()
        .and_then(|identity| told_by(identity).and_then(|told| Some((told, told.tenant?))));
    let (Some(identity), Some((told, tenant))) = (&identity, told) else {
        return Err("it carries no identity of a tenant".to_owned());
    };
    let wanted = root.tenant(tenant.id.folded().as_str(), tenant.uuid, told.generation);
    if !wanted.is_ok_and(|wanted| wanted == path) {
        return Err(format!(
            "it is really generation {} of tenant `{}`",
            told.generation, tenant.id
        ));
    }
    let newest = Newest {
        generation,
        fenced: identity.fenced,
        version: migrate::newest_applied(&mut conn).map_err(failed)?,
        fingerprint: schema::facts(&mut conn).map_err(failed)?.fingerprint,
    };
    Ok(((tenant, told.catalog), newest))
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
