//! Backups on SQLite: `VACUUM INTO` a staging directory, which is renamed when it is complete.
//!
//! ```text
//! <directory>/<folded id or `shared`>-<uuid>/db.sqlite3       closed for good, never opened but as immutable
//! <directory>/<folded id or `shared`>-<uuid>/manifest.json
//! <directory>/.new-<instance>-<16 digits>/                    staging, and what is being removed
//! <directory>/.tenants-<catalogue>                            the mark: this is the directory, not an empty mount point
//! ```
//!
//! The mark has the catalogue's uuid in its first line and an id of its own in the second. Of a directory that stands for
//! more than one, by hand, each has a line.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::{BigInt, Text};
use uuid::Uuid;

use super::files::{self, FileAction, FileError, SIDE_SUFFIXES, lstat};
use super::identity::Identity;
use super::root::BackupDirError;
use super::storage::{Integrity, SqliteStorage, query, seal};
use super::{artefact, connect, drift, fence, message, owners, schema};
use crate::backend::error::{ConnectError, StorageError};
use crate::backend::{
    ArtefactFacts, BackupIdentity, BackupOf, BackupPlace, BackupSource, BackupStorage, Finished,
    InvalidBackup, OnDisk, RestoreTarget, Storage, TenantKey, Whose,
};
use crate::failpoint::hit;
use crate::migrate::{self, LedgerRow, MigrateConnection, MigrateOptions, MigrationSet};

pub(super) const DATABASE: &str = "db.sqlite3";
const MANIFEST: &str = "manifest.json";
const STAGING: &str = ".new-";
const MARK: &str = ".tenants-";

/// The most bytes that are read of a mark.
const LARGEST_MARK: u64 = 64 << 10;

/// The most bytes that are read of a backup's manifest: room for some ten thousand tables and migrations.
const LARGEST_MANIFEST: u64 = 4 << 20;

/// The same of a set's: room for a hundred thousand databases, be each of them one that failed and says at length why.
const LARGEST_SET_MANIFEST: u64 = 256 << 20;

/// Bytes; the page sizes of SQLite are multiples of it.
const SMALLEST_PAGE: u64 = 512;

impl SqliteStorage {
    fn backups(&self, directory: Option<&Path>) -> PathBuf {
        match directory {
            Some(directory) => directory.to_owned(),
            None => self.root().backups(),
        }
    }

    fn mark_in(&self, directory: Option<&Path>) -> PathBuf {
        mark_of(&self.backups(directory), self.catalog_uuid())
    }

    fn backup_staging(&self, place: &BackupPlace) -> PathBuf {
        let id = &place.id.simple().to_string()[16..];
        let name = format!("{STAGING}{}-{id}", place.instance.simple());
        self.backups(place.directory.as_deref()).join(name)
    }

    fn restore_staging(&self, target: &RestoreTarget) -> PathBuf {
        match target {
            RestoreTarget::Generation { key, generation } => {
                files::staging_beside(&self.path(key, *generation))
            }
            RestoreTarget::Scratch(place) => self.backup_staging(place).join(DATABASE),
        }
    }
}

/// The mark of a catalogue: a directory may be shared by several.
fn mark_of(directory: &Path, catalog: Uuid) -> PathBuf {
    directory.join(format!("{MARK}{}", catalog.simple()))
}

/// The ids in a mark, which an earlier build gave none. `None` where there is no mark.
fn read_mark(mark: &Path) -> Result<Option<Vec<Uuid>>, StorageError> {
    if lstat(mark)?.is_none() {
        return Ok(None);
    }
    let bytes = artefact::read(mark, LARGEST_MARK)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let ids = text.lines().skip(1).map(|line| line.trim().parse().ok());
    Ok(Some(ids.flatten().collect()))
}

impl BackupStorage for SqliteStorage {
    fn backup_directory(&self, asked: &Path) -> Result<Option<PathBuf>, StorageError> {
        self.root().check_outside(asked)?;
        let failed = |source| FileError::new(FileAction::Resolve, asked, source);
        // Not made here: where a disk is not mounted, backups would fill another one.
        let resolved = asked.canonicalize().map_err(failed)?;
        if !resolved.is_dir() {
            let dir = resolved;
            return Err(BackupDirError::NotADirectory { dir }.into());
        }
        Ok((resolved != self.root().backups()).then_some(resolved))
    }

    fn backup_mark(&self, directory: Option<&Path>) -> Result<Option<Uuid>, StorageError> {
        let mark = self.mark_in(directory);
        if let Some(ids) = read_mark(&mark)? {
            return Ok(ids.first().copied());
        }
        let id = Uuid::now_v7();
        let mut name = mark.as_os_str().to_owned();
        name.push(format!("-{}", id.simple()));
        let staging = PathBuf::from(name);
        let text = format!("{}\n{id}\n", self.catalog_uuid());
        artefact::write_new(&staging, text.as_bytes())?;
        // Nobody sees half of it.
        let published = files::publish(&staging, &mark);
        if published.is_err() {
            let _ = files::remove_name(&staging);
        }
        match read_mark(&mark)? {
            // Somebody else may have been faster.
            Some(ids) => Ok(ids.first().copied()),
            None => published.map(|()| None).map_err(StorageError::from),
        }
    }

    fn backup_marks_in(directory: &Path, catalog: Uuid) -> Result<Option<Vec<Uuid>>, StorageError> {
        read_mark(&mark_of(directory, catalog))
    }

    fn backup_reach(&self, place: &BackupPlace) -> Result<(), StorageError> {
        for seen in [self.backup_path(place), self.backup_staging(place)] {
            if lstat(&seen)?.is_some() {
                return Ok(());
            }
        }
        let mark = self.mark_in(place.directory.as_deref());
        match (read_mark(&mark)?, place.mark) {
            (Some(_), None) => Ok(()),
            (Some(ids), Some(wanted)) if ids.contains(&wanted) => Ok(()),
            _ => Err(StorageError::OutOfReach {
                directory: self.backups(place.directory.as_deref()),
                mark,
                id: place.mark,
            }),
        }
    }

    fn backup_path(&self, place: &BackupPlace) -> PathBuf {
        let id = place.id.simple();
        let name = match &place.of {
            BackupOf::Tenant(tenant) => format!("{}-{id}", tenant.id.folded()),
            BackupOf::Shared => format!("shared-{id}"),
            BackupOf::Set => format!("set-{id}"),
        };
        self.backups(place.directory.as_deref()).join(name)
    }

    fn backup_stage(
        &self,
        source: &BackupSource,
        place: &BackupPlace,
    ) -> Result<ArtefactFacts, InvalidBackup> {
        let whose = source.whose();
        let (path, identity) = match source {
            BackupSource::Shared => {
                let identity = Identity::shared(self.catalog_uuid());
                (self.root().shared(), identity)
            }
            BackupSource::Tenant { key, generation } => {
                let identity = Identity::tenant(self.catalog_uuid(), key, *generation);
                (self.path(key, *generation), identity)
            }
        };
        let mut original =
            connect::open(&path, &whose, self.busy_timeout()).map_err(StorageError::from)?;
        connect::check_stamp(&mut original, &whose, &identity).map_err(StorageError::from)?;
        // VACUUM reads the tables and builds the indexes anew: it would leave out what is missing in a table and
        // still in an index, and call the rest whole.
        check_whole(&mut original, &whose)?;
        hit("backup.checked");

        let staging = self.backup_staging(place);
        files::create_directory(&staging)?;
        let database = staging.join(DATABASE);
        files::create_exclusive(&database).map_err(StorageError::from)?;
        hit("backup.staged");
        let target = files::uri(&database).map_err(StorageError::from)?;
        diesel::sql_query("VACUUM INTO ?")
            .bind::<Text, _>(target)
            .execute(&mut original)
            .map_err(of_source(&whose))?;
        drop(original);
        files::sync_file(&database)?;
        hit("backup.copied");

        let (bytes, sha256) = artefact::digest(&database)?;
        let facts = look_into(&database, None).map_err(|fault| fault.of(&staging))?;
        let found = facts.identity;
        let wanted = match source {
            BackupSource::Shared => (None, 1),
            BackupSource::Tenant { key, generation } => (Some(*key), *generation),
        };
        if (found.catalog, found.tenant, found.generation)
            != (self.catalog_uuid(), wanted.0, wanted.1)
        {
            return Err(InvalidBackup::Unstamped { path: staging });
        }
        hit("backup.verified");
        Ok(ArtefactFacts {
            bytes,
            sha256,
            ..facts
        })
    }

    fn backup_describe(&self, place: &BackupPlace, manifest: &[u8]) -> Result<(), StorageError> {
        let staging = self.backup_staging(place);
        files::create_directory(&staging)?;
        artefact::write_new(&staging.join(MANIFEST), manifest)?;
        Ok(files::sync_dir(&staging)?)
    }

    fn backup_publish(&self, place: &BackupPlace) -> Result<(), StorageError> {
        Ok(files::publish(
            &self.backup_staging(place),
            &self.backup_path(place),
        )?)
    }

    fn backup_is_there(&self, place: &BackupPlace) -> bool {
        matches!(lstat(&self.backup_path(place)), Ok(Some(_)))
    }

    fn backup_hide(&self, place: &BackupPlace) -> Result<(), StorageError> {
        self.backup_reach(place)?;
        let (path, staging) = (self.backup_path(place), self.backup_staging(place));
        if lstat(&path)?.is_some() {
            files::remove_directory(&staging)?;
            files::publish(&path, &staging)?;
            hit("backup-remove.hidden");
        }
        Ok(())
    }

    fn backup_remove(&self, place: &BackupPlace) -> Result<(), StorageError> {
        self.backup_hide(place)?;
        Ok(files::remove_directory(&self.backup_staging(place))?)
    }

    fn backup_sweep(&self) -> Result<usize, StorageError> {
        let directory = self.root().backups();
        let list = |source| FileError::new(FileAction::List, &directory, source);
        let mut removed = 0;
        for entry in std::fs::read_dir(&directory).map_err(list)? {
            let entry = entry.map_err(list)?;
            let name = entry.file_name();
            let owner = name.to_str().and_then(|name| {
                let (owner, _) = name.strip_prefix(STAGING)?.split_once('-')?;
                Uuid::try_parse(owner).ok()
            });
            let Some(owner) = owner else { continue };
            if owner == self.instance() || self.is_alive(owner)? {
                continue;
            }
            files::remove_directory(&entry.path())?;
            removed += 1;
        }
        Ok(removed)
    }

    fn backup_entries(directory: &Path) -> Result<Vec<PathBuf>, StorageError> {
        let list = |source| FileError::new(FileAction::List, directory, source);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(list)? {
            let path = entry.map_err(list)?.path();
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            let is_directory = lstat(&path)?.is_some_and(|found| found.is_dir());
            if is_directory && !name.starts_with(STAGING.as_bytes()) {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    fn backup_length(path: &Path, bytes: u64) -> Result<(), InvalidBackup> {
        check_length(path, bytes)
    }

    fn backup_manifest(path: &Path) -> Result<Vec<u8>, InvalidBackup> {
        if lstat(path)
            .map_err(StorageError::from)?
            .is_some_and(|found| found.is_file())
        {
            let path = path.to_owned();
            return Err(InvalidBackup::NotADirectory { path });
        }
        let (manifest, path) = (path.join(MANIFEST), path.to_owned());
        if artefact::length(&manifest)?.is_none() {
            return Err(InvalidBackup::ManifestMissing { path });
        }
        // A set has no database. Its name says nothing: it may have been carried here under another one.
        let limit = match artefact::length(&path.join(DATABASE))? {
            Some(_) => LARGEST_MANIFEST,
            None => LARGEST_SET_MANIFEST,
        };
        let read = artefact::read(&manifest, limit)?;
        read.map_err(|bytes| InvalidBackup::ManifestTooBig { path, bytes, limit })
    }

    fn backup_check(
        path: &Path,
        bytes: u64,
        sha256: &[u8; 32],
        set: Option<&MigrationSet>,
    ) -> Result<ArtefactFacts, InvalidBackup> {
        check_length(path, bytes)?;
        let digest = artefact::digest(&path.join(DATABASE))?;
        same(digest, (bytes, *sha256), path)?;
        let found = look_into(&path.join(DATABASE), set).map_err(|fault| fault.of(path))?;
        Ok(ArtefactFacts {
            bytes,
            sha256: *sha256,
            ..found
        })
    }

    fn restore_stage(
        &self,
        path: &Path,
        bytes: u64,
        sha256: &[u8; 32],
        target: &RestoreTarget,
        set: &MigrationSet,
    ) -> Result<ArtefactFacts, InvalidBackup> {
        check_length(path, bytes)?;
        let staging = self.restore_staging(target);
        let directory = staging.parent().expect("a staging file is in a directory");
        files::create_directory(directory)?;
        hit("restore.directory");
        let digest = artefact::copy(&path.join(DATABASE), &staging).map_err(StorageError::from)?;
        hit("restore.copied");
        same(digest, (bytes, *sha256), path)?;
        let found = look_into(&staging, Some(set)).map_err(|fault| fault.of(path))?;
        hit("restore.checked");
        Ok(ArtefactFacts {
            bytes,
            sha256: *sha256,
            ..found
        })
    }

    fn restore_finish(
        &self,
        target: &RestoreTarget,
        set: Option<&MigrationSet>,
    ) -> Result<Finished, StorageError> {
        let staging = self.restore_staging(target);
        let whose = match target {
            RestoreTarget::Generation { key, .. } => Whose::Tenant(key.id),
            RestoreTarget::Scratch(_) => Whose::Template,
        };
        let mut conn = connect::open(&staging, &whose, self.busy_timeout())?;
        fence::lower(&mut conn).map_err(query("taking the fence out of a copy"))?;
        if let RestoreTarget::Generation { key, generation } = target {
            Identity::tenant(self.catalog_uuid(), key, *generation)
                .write(&mut conn)
                .map_err(query("stamping a copy"))?;
        }
        hit("restore.stamped");
        let applied = match set {
            Some(set) => migrate::run_pending(&mut conn, set, MigrateOptions::default())
                .map_err(StorageError::Migrate)?,
            None => Vec::new(),
        };
        let finished = Finished {
            applied,
            schema_version: migrate::newest_applied(&mut conn)
                .map_err(query("reading a restored ledger"))?,
            fingerprint: schema::facts(&mut conn)
                .map_err(query("reading a restored schema"))?
                .fingerprint,
        };
        hit("restore.migrated");
        seal(conn, &staging)?;
        Ok(finished)
    }

    fn stage_kept(
        &self,
        key: &TenantKey,
        from: u64,
        to: u64,
    ) -> Result<(Option<String>, String), StorageError> {
        self.stage_copy(key, from, to)?;
        let staging = files::staging_beside(&self.path(key, to));
        let reading = "reading the schema of a kept generation";
        let mut conn = connect::open(&staging, &Whose::Tenant(key.id), self.busy_timeout())?;
        let version = migrate::newest_applied(&mut conn).map_err(query(reading))?;
        let facts = schema::facts(&mut conn).map_err(query(reading))?;
        seal(conn, &staging)?;
        Ok((version, facts.fingerprint))
    }

    fn check_kept(&self, key: &TenantKey, generation: u64) -> Result<(), StorageError> {
        let (path, whose) = (self.path(key, generation), Whose::Tenant(key.id));
        let ours = Identity::tenant(self.catalog_uuid(), key, generation);
        match owners::stamp(&path, &whose, self.busy_timeout())? {
            // Somebody may have put another tenant's database here, which may be the only one that tenant has.
            Some(found) => Ok(found.check(&ours, whose)?),
            None => Ok(()),
        }
    }

    fn discard_kept(&self, key: &TenantKey, generation: u64) -> Result<(), StorageError> {
        self.check_kept(key, generation)?;
        Ok(files::remove_database(&self.path(key, generation))?)
    }

    fn on_disk(&self) -> Result<Vec<OnDisk>, StorageError> {
        super::shared::on_disk(self.root(), None, self.busy_timeout())
    }

    fn on_disk_of(&self, tenant: Uuid) -> Result<Vec<OnDisk>, StorageError> {
        super::shared::on_disk(self.root(), Some(tenant), self.busy_timeout())
    }

    fn scratch_check(
        &self,
        place: &BackupPlace,
        path: &Path,
        set: &MigrationSet,
    ) -> Result<ArtefactFacts, InvalidBackup> {
        let database = self.backup_staging(place).join(DATABASE);
        look_into(&database, Some(set)).map_err(|fault| fault.of(path))
    }

    fn scratch_remove(&self, place: &BackupPlace) -> Result<(), StorageError> {
        Ok(files::remove_directory(&self.backup_staging(place))?)
    }
}

pub(super) fn same(
    found: (u64, [u8; 32]),
    wanted: (u64, [u8; 32]),
    path: &Path,
) -> Result<(), InvalidBackup> {
    if found == wanted {
        return Ok(());
    }
    let path = path.to_owned();
    Err(InvalidBackup::HashMismatch { path })
}

/// Looks at a database's length and at its neighbours; opens nothing.
pub(super) fn check_length(path: &Path, wanted: u64) -> Result<(), InvalidBackup> {
    let (database, path) = (path.join(DATABASE), path.to_owned());
    let Some(found) = artefact::length(&database)? else {
        return Err(InvalidBackup::DatabaseMissing { path });
    };
    for suffix in SIDE_SUFFIXES {
        let mut side = database.clone().into_os_string();
        side.push(suffix);
        let side = PathBuf::from(side);
        if lstat(&side)?.is_some() {
            return Err(InvalidBackup::NotClosed { found: side });
        }
    }
    match found.cmp(&wanted) {
        _ if found == 0 => Err(InvalidBackup::Empty { path }),
        std::cmp::Ordering::Less => Err(InvalidBackup::Truncated {
            path,
            found,
            wanted,
        }),
        std::cmp::Ordering::Greater => Err(InvalidBackup::WrongLength {
            path,
            found,
            wanted,
        }),
        std::cmp::Ordering::Equal => Ok(()),
    }
}

/// What is wrong with a closed database, before it is known where it is.
pub(super) enum Fault {
    NotADatabase,
    Damaged(String),
    Unstamped,
    Storage(StorageError),
}

impl Fault {
    pub(super) fn of(self, path: &Path) -> InvalidBackup {
        let path = path.to_owned();
        match self {
            Self::NotADatabase => InvalidBackup::NotADatabase { path },
            Self::Damaged(symptom) => InvalidBackup::Damaged { path, symptom },
            Self::Unstamped => InvalidBackup::Unstamped { path },
            Self::Storage(error) => InvalidBackup::Storage(error),
        }
    }
}

/// Opens a closed database without a lock or a side file. It may come from anywhere, so its schema is not trusted.
pub(super) fn open_closed(database: &Path) -> Result<SqliteConnection, Fault> {
    let storage = |error: StorageError| Fault::Storage(error);
    let length = lstat(database).map_err(|e| storage(e.into()))?;
    let length = length.map_or(0, |found| found.len());
    if length == 0 || length % SMALLEST_PAGE != 0 {
        return Err(Fault::NotADatabase);
    }
    let url = files::uri(database).map_err(|e| storage(e.into()))?;
    let url = url.replace("?mode=rw", "?mode=ro&immutable=1");
    let mut conn = connect::establish(&url, &Whose::Template).map_err(|e| storage(e.into()))?;
    conn.batch_execute(
        "PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;
         PRAGMA mmap_size = 0;",
    )
    .map_err(fault("opening a backup"))?;
    Ok(conn)
}

/// Everything that is to be known of a closed database; length and hash are left to the caller.
///
/// With `set` it is compared with the program's migrations, too.
pub(super) fn look_into(
    database: &Path,
    set: Option<&MigrationSet>,
) -> Result<ArtefactFacts, Fault> {
    let mut conn = open_closed(database)?;
    let broken = integrity(&mut conn).map_err(fault("PRAGMA integrity_check"))?;
    if let Some(symptom) = broken {
        return Err(Fault::Damaged(symptom));
    }
    let identity = Identity::read(&mut conn).map_err(fault("reading the stamp of a backup"))?;
    let identity = identity
        .as_ref()
        .and_then(told_by)
        .ok_or(Fault::Unstamped)?;
    let reading = "reading the schema of a backup";
    Ok(ArtefactFacts {
        identity,
        ledger: ledger(&mut conn).map_err(fault(reading))?,
        fingerprint: schema::facts(&mut conn)
            .map_err(fault(reading))?
            .fingerprint,
        rows: rows(&mut conn).map_err(fault("counting the rows of a backup"))?,
        fit: set.map(|set| drift::fit(&mut conn, set)).transpose()?,
        bytes: 0,
        sha256: [0; 32],
    })
}

pub(super) fn told_by(stamp: &Identity) -> Option<BackupIdentity> {
    let uuid = |bytes: &Option<Vec<u8>>| Uuid::from_slice(bytes.as_deref()?).ok();
    let tenant = match stamp.scope.as_str() {
        "tenant" => Some(TenantKey {
            id: stamp.tenant_id.as_deref()?.parse().ok()?,
            uuid: uuid(&stamp.tenant_uuid)?,
        }),
        "shared" => None,
        _ => return None,
    };
    Some(BackupIdentity {
        catalog: uuid(&stamp.catalog_uuid)?,
        tenant,
        generation: u64::try_from(stamp.generation).ok()?,
    })
}

fn ledger(conn: &mut SqliteConnection) -> QueryResult<Vec<LedgerRow>> {
    match conn.has_ledger()? {
        true => conn.read_ledger(),
        false => Ok(Vec::new()),
    }
}

/// The rows of each table but SQLite's and this library's own. Virtual tables have none of their own.
fn rows(conn: &mut SqliteConnection) -> QueryResult<BTreeMap<String, u64>> {
    #[derive(QueryableByName)]
    struct Name {
        #[diesel(sql_type = Text)]
        name: String,
    }
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let tables = diesel::sql_query(
        "SELECT name FROM sqlite_schema
         WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_\\_tenants\\_%' ESCAPE '\\'
         AND sql NOT LIKE 'CREATE VIRTUAL TABLE%'",
    )
    .load::<Name>(conn)?;
    let mut rows = BTreeMap::new();
    for Name { name } in tables {
        let quoted = name.replace('"', "\"\"");
        let count = format!("SELECT count(*) AS count FROM \"{quoted}\"");
        let found = diesel::sql_query(count).get_result::<Count>(conn)?;
        rows.insert(name, found.count.unsigned_abs());
    }
    Ok(rows)
}

/// What `integrity_check` finds, if it finds anything.
pub(super) fn integrity(conn: &mut SqliteConnection) -> QueryResult<Option<String>> {
    let verdict = diesel::sql_query("PRAGMA integrity_check(1)").get_result::<Integrity>(conn)?;
    Ok((verdict.integrity_check != "ok").then_some(verdict.integrity_check))
}

/// Refuses to copy a database that is damaged.
pub(super) fn check_whole(conn: &mut SqliteConnection, whose: &Whose) -> Result<(), StorageError> {
    match integrity(conn).map_err(of_source(whose))? {
        None => Ok(()),
        Some(symptom) => {
            let whose = whose.clone();
            Err(ConnectError::Damaged { whose, symptom }.into())
        }
    }
}

/// What a failed statement says about a closed database.
pub(super) fn fault(action: &'static str) -> impl FnOnce(Error) -> Fault {
    move |source| match message(&source) {
        Some("file is not a database") => Fault::NotADatabase,
        Some(found) if found.contains("malformed") => Fault::Damaged(found.to_owned()),
        _ => Fault::Storage(query(action)(source)),
    }
}

/// What a failed statement says about the database a backup is taken of.
fn of_source(whose: &Whose) -> impl FnOnce(Error) -> StorageError {
    move |source| match message(&source) {
        Some(found) if found == "file is not a database" || found.contains("malformed") => {
            let (whose, symptom) = (whose.clone(), found.to_owned());
            ConnectError::Damaged { whose, symptom }.into()
        }
        _ => query("copying a database")(source),
    }
}
