//! SQLite files below one root, as the engine's [`Storage`].
use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use uuid::Uuid;

use super::files;
use super::identity::{self, Identity};
use super::instance::{self, Instance};
use super::lock::DirLock;
use super::root::{Root, RootOptions};
use super::{connect, fence, holds, inspect, leftovers, maker, owners, quota, schema, tombstones};
use crate::backend::error::{ConnectError, StorageError, Whose};
use crate::backend::{BackupStorage, DatabasePages, Opened, SchemaFacts, Storage, TenantKey};
use crate::catalog::{CatalogStore, Certificate, PurgedGeneration};
use crate::error::{SetupError, withhold};
use crate::migrate::{self, MigrateOptions, MigrationSet};
use crate::verify::{History, Leftovers};

/// Settings of the SQLite backend.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) root: PathBuf,
    pub(crate) init: bool,
    pub(crate) busy_timeout: Duration,
    pub(crate) any_file_system: bool,
}

/// One data directory, opened.
pub struct SqliteStorage {
    root: Root,
    instance: Instance,
    catalog: Uuid,
    busy_timeout: Duration,
}

/// How long to wait for another process that makes the shared database: it takes milliseconds.
const CREATION_WAIT: Duration = Duration::from_secs(30);

impl SqliteStorage {
    /// Opens the data directory and the shared database, making them if `init` says so.
    pub(crate) fn open(settings: &Settings) -> Result<Self, SetupError> {
        let options =
            RootOptions::default().dangerously_allow_any_file_system(settings.any_file_system);
        let root = match settings.init {
            true => options.init(&settings.root),
            false => options.open(&settings.root),
        }
        .map_err(SetupError::Root)?;
        let instance = Instance::register(&root).map_err(StorageError::from)?;
        // Looked for once others can see that this one is alive: whoever restores asks the other way round.
        if super::shared::is_being_restored(&root).map_err(StorageError::from)? {
            return Err(SetupError::SharedRestoreUnfinished);
        }
        let busy_timeout = settings.busy_timeout;
        if settings.init && !root.shared().exists() {
            if has_tenants(&root)? {
                return Err(SetupError::SharedLost);
            }
            create_shared(&root, busy_timeout)?;
        }
        let mut conn = connect::open(&root.shared(), &Whose::Shared, busy_timeout)
            .map_err(StorageError::from)?;
        let (catalog, format) = {
            let stamp = Identity::read(&mut conn)
                .map_err(|e| StorageError::from(connect::failed(e, &Whose::Shared)))?;
            if stamp.is_none() {
                let whose = Whose::Shared;
                return Err(StorageError::from(ConnectError::Unstamped { whose }).into());
            }
            let opened = conn.catalog_open(Uuid::now_v7());
            opened.map_err(|e| StorageError::from(connect::failed(e, &Whose::Shared)))?
        };
        connect::check_stamp(&mut conn, &Whose::Shared, &Identity::shared(catalog))
            .map_err(StorageError::from)?;
        if format > crate::catalog::FORMAT {
            return Err(SetupError::CatalogAhead {
                found: format,
                known: crate::catalog::FORMAT,
            });
        }
        instance::sweep(&root).map_err(StorageError::from)?;
        Ok(Self {
            root,
            instance,
            catalog,
            busy_timeout,
        })
    }

    /// The data directory.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The database file of a tenant's generation.
    pub fn path(&self, key: &TenantKey, generation: u64) -> PathBuf {
        let path = self
            .root
            .tenant(key.id.folded().as_str(), key.uuid, generation);
        path.expect("a folded TenantId is what the root asks for")
    }

    /// Whether `by` made this generation and nobody has used it.
    fn is_unused(&self, key: &TenantKey, generation: u64, by: Uuid) -> Result<bool, StorageError> {
        let mut conn = self.connect_to_inspect(key, generation)?;
        let reading = query("reading which operation made a database");
        maker::is_unused(&mut conn, by).map_err(reading)
    }

    pub(super) fn busy_timeout(&self) -> Duration {
        self.busy_timeout
    }

    pub(super) fn directory(&self, key: &TenantKey) -> PathBuf {
        let path = self
            .root
            .tenant_directory(key.id.folded().as_str(), key.uuid);
        path.expect("a folded TenantId is what the root asks for")
    }

    /// Opens a database nobody else has, whoever it says it is.
    pub(super) fn open_staging(
        &self,
        path: &Path,
        whose: &Whose,
    ) -> Result<SqliteConnection, StorageError> {
        Ok(connect::open(path, whose, self.busy_timeout)?)
    }

    fn template_path(&self, set: &MigrationSet) -> PathBuf {
        self.root.template(set.digest().as_bytes())
    }

    /// Opens a published template without a lock or a side file, so that it stays a closed file to everyone else.
    fn read_template(&self, set: &MigrationSet) -> Result<SchemaFacts, StorageError> {
        let path = self.template_path(set);
        let whose = Whose::Template;
        files::check_database_file(&path).map_err(|e| ConnectError::Unsafe {
            whose: whose.clone(),
            reason: e.to_string(),
        })?;
        let url = files::uri(&path).map_err(|e| ConnectError::Unsafe {
            whose: whose.clone(),
            reason: e.to_string(),
        })?;
        let url = url.replace("?mode=rw", "?mode=ro&immutable=1");
        let mut conn = SqliteConnection::establish(&url).map_err(|source| ConnectError::Open {
            whose: whose.clone(),
            source,
        })?;
        let wanted = Identity::template(&set.digest().to_string());
        connect::check_stamp(&mut conn, &whose, &wanted)?;
        schema::facts(&mut conn).map_err(query("reading the template's schema"))
    }

    fn build_template(&self, set: &MigrationSet) -> Result<(), StorageError> {
        let path = self.template_path(set);
        let staging = files::staging_beside(&path);
        files::remove_database(&staging)?;
        files::create_exclusive(&staging)?;
        let mut conn = connect::open_new(&staging, &Whose::Template, self.busy_timeout)?;
        stamp(&mut conn, &Identity::template(&set.digest().to_string()))?;
        migrate::run_pending(&mut conn, set, MigrateOptions::default())
            .map_err(StorageError::Template)?;
        seal(conn, &staging)?;
        Ok(files::publish(&staging, &path)?)
    }
}

impl Storage for SqliteStorage {
    type Conn = SqliteConnection;

    fn connect_to_inspect(
        &self,
        key: &TenantKey,
        generation: u64,
    ) -> Result<SqliteConnection, ConnectError> {
        let whose = Whose::Tenant(key.id);
        let path = self.path(key, generation);
        let mut conn = connect::open_to_inspect(&path, &whose, self.busy_timeout)?;
        let identity = Identity::tenant(self.catalog, key, generation);
        connect::check_stamp(&mut conn, &whose, &identity)?;
        Ok(conn)
    }

    fn is_fenced(conn: &mut SqliteConnection) -> QueryResult<bool> {
        Ok(Identity::read(conn)?.is_some_and(|identity| identity.fenced))
    }

    fn leads_to(
        &self,
        conn: &mut SqliteConnection,
        tenant: Option<(&TenantKey, u64)>,
    ) -> QueryResult<bool> {
        let wanted = match tenant {
            Some((key, generation)) => Identity::tenant(self.catalog, key, generation),
            None => Identity::shared(self.catalog),
        };
        let found = Identity::read(conn)?;
        Ok(found.is_some_and(|found| found.is_same_database(&wanted)))
    }

    fn history(&self, set: &MigrationSet) -> Result<History, StorageError> {
        inspect::history(set)
    }

    fn leftovers(
        &self,
        key: &TenantKey,
        generation: u64,
        kept: &[u64],
    ) -> Result<Leftovers, StorageError> {
        Ok(leftovers::beside(&self.directory(key), generation, kept)?)
    }

    fn staged(&self, key: &TenantKey) -> Result<Vec<String>, StorageError> {
        Ok(leftovers::staged(&self.directory(key))?)
    }

    fn remove_staged(&self, key: &TenantKey) -> Result<Vec<String>, StorageError> {
        owners::check_directory(&self.directory(key), key)?;
        Ok(leftovers::remove_staged(&self.directory(key))?)
    }

    fn tenant_directories(&self) -> Result<Vec<String>, StorageError> {
        Ok(leftovers::names(&self.root.tenants())?)
    }

    fn directory_name(&self, key: &TenantKey) -> String {
        let directory = self.directory(key);
        let name = directory.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    fn catalog_uuid(&self) -> Uuid {
        self.catalog
    }

    fn connect_shared(&self) -> Result<SqliteConnection, ConnectError> {
        connect::open_stamped(
            &self.root.shared(),
            &Whose::Shared,
            &Identity::shared(self.catalog),
            self.busy_timeout,
        )
    }

    fn connect_tenant(
        &self,
        key: &TenantKey,
        generation: u64,
    ) -> Result<Opened<SqliteConnection>, ConnectError> {
        self.connect_tenant_within(key, generation, self.busy_timeout)
    }

    fn connect_tenant_within(
        &self,
        key: &TenantKey,
        generation: u64,
        wait: Duration,
    ) -> Result<Opened<SqliteConnection>, ConnectError> {
        let whose = Whose::Tenant(key.id);
        if tombstones::stands(&self.root, key.uuid).map_err(|e| ConnectError::Unsafe {
            whose: whose.clone(),
            reason: e.to_string(),
        })? {
            return Err(ConnectError::Purged { whose });
        }
        let mut conn = connect::open_stamped(
            &self.path(key, generation),
            &whose,
            &Identity::tenant(self.catalog, key, generation),
            wait,
        )?;
        maker::forget(&mut conn).map_err(|e| connect::failed(e, &whose))?;
        let schema_version =
            migrate::newest_applied(&mut conn).map_err(|e| connect::failed(e, &whose))?;
        Ok(Opened {
            conn,
            schema_version,
        })
    }

    fn prepare_template(
        &self,
        set: &MigrationSet,
        wait: Duration,
    ) -> Result<SchemaFacts, StorageError> {
        if !self.template_path(set).exists() {
            let _lock = DirLock::lock(&self.root, "template", wait)?;
            if !self.template_path(set).exists() {
                self.build_template(set)?;
            }
        }
        self.read_template(set)
    }

    fn stage_from_template(
        &self,
        key: &TenantKey,
        generation: u64,
        set: &MigrationSet,
    ) -> Result<(), StorageError> {
        let staging = files::staging_beside(&self.path(key, generation));
        files::create_directory(&self.directory(key))?;
        crate::failpoint::hit("stage.directory");
        files::clone_closed(&self.template_path(set), &staging)?;
        crate::failpoint::hit("stage.cloned");
        let mut conn = self.open_staging(&staging, &Whose::Tenant(key.id))?;
        let identity = Identity::tenant(self.catalog, key, generation);
        identity
            .write(&mut conn)
            .map_err(query("stamping a new database"))?;
        crate::failpoint::hit("stage.stamped");
        seal(conn, &staging)
    }

    fn stage_copy(&self, key: &TenantKey, from: u64, to: u64) -> Result<(), StorageError> {
        let staging = files::staging_beside(&self.path(key, to));
        let whose = Whose::Tenant(key.id);
        let mut original = connect::open(&self.path(key, from), &whose, self.busy_timeout)?;
        let identity = Identity::tenant(self.catalog, key, from);
        connect::check_stamp(&mut original, &whose, &identity)?;
        // VACUUM leaves out what is missing in a table and still in an index: the copy would be whole, with fewer rows,
        // and the last file that has them all be removed.
        super::backup::check_whole(&mut original, &whose)?;
        files::create_exclusive(&staging)?;
        crate::failpoint::hit("copy.staged");
        let target = files::uri(&staging)?;
        diesel::sql_query("VACUUM INTO ?")
            .bind::<Text, _>(target)
            .execute(&mut original)
            .map_err(query("VACUUM INTO"))?;
        drop(original);
        crate::failpoint::hit("copy.copied");
        let mut conn = self.open_staging(&staging, &whose)?;
        fence::lower(&mut conn).map_err(query("taking the fence out of a copy"))?;
        Identity::tenant(self.catalog, key, to)
            .write(&mut conn)
            .map_err(query("stamping a copy"))?;
        let verdict = diesel::sql_query("PRAGMA integrity_check")
            .get_result::<Integrity>(&mut conn)
            .map_err(query("PRAGMA integrity_check"))?;
        if verdict.integrity_check != "ok" {
            return Err(StorageError::DamagedCopy {
                tenant: key.id,
                symptom: verdict.integrity_check,
            });
        }
        crate::failpoint::hit("copy.verified");
        seal(conn, &staging)
    }

    fn publish(&self, key: &TenantKey, generation: u64, by: Uuid) -> Result<(), StorageError> {
        let whose = Whose::Tenant(key.id);
        if self.is_tombstoned(key.uuid)? {
            return Err(ConnectError::Purged { whose }.into());
        }
        let path = self.path(key, generation);
        let staging = files::staging_beside(&path);
        let mut conn = self.open_staging(&staging, &whose)?;
        maker::sign(&mut conn, by).map_err(query("signing a new database"))?;
        seal(conn, &staging)?;
        crate::failpoint::hit("publish.signed");
        Ok(files::publish(&staging, &path)?)
    }

    fn discard(
        &self,
        key: &TenantKey,
        generation: u64,
        by: Uuid,
        needed: Option<u64>,
    ) -> Result<(), StorageError> {
        let path = self.path(key, generation);
        files::remove_database(&files::staging_beside(&path))?;
        let is_unused = self.is_unused(key, generation, by);
        let rows_are_elsewhere = match needed {
            Some(needed) => self.exists(key, needed)?,
            None => true,
        };
        match is_unused {
            Ok(true) if rows_are_elsewhere => Ok(files::remove_database(&path)?),
            Ok(_) => Err(StorageError::NotOfOperation {
                tenant: key.id,
                found: leftovers::database(generation),
            }),
            // Nothing, or nothing of this tenant's: it is left alone.
            Err(StorageError::Connect(error)) if error.is_lost() => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn undo_create(&self, key: &TenantKey, generation: u64, by: Uuid) -> Result<(), StorageError> {
        let directory = self.directory(key);
        let found = leftovers::not_of_creation(&directory, generation)?;
        let found = match found {
            None => match self.is_unused(key, generation, by) {
                Ok(true) => None,
                Ok(false) => Some(leftovers::database(generation)),
                Err(StorageError::Connect(ConnectError::Missing { .. })) => None,
                Err(error) => return Err(error),
            },
            found => found,
        };
        match found {
            None => Ok(files::remove_directory(&directory)?),
            Some(found) => Err(StorageError::NotOfOperation {
                tenant: key.id,
                found,
            }),
        }
    }

    fn check_new(&self, key: &TenantKey) -> Result<(), StorageError> {
        match self.highest_generation(key)? {
            0 => Ok(()),
            generation => Err(StorageError::NotOfOperation {
                tenant: key.id,
                found: leftovers::database(generation),
            }),
        }
    }

    fn highest_generation(&self, key: &TenantKey) -> Result<u64, StorageError> {
        Ok(leftovers::highest(&self.directory(key))?)
    }

    fn remove_generation(&self, key: &TenantKey, generation: u64) -> Result<(), StorageError> {
        match self.check_kept(key, generation) {
            Err(StorageError::Connect(ConnectError::Foreign { .. })) => return Ok(()),
            checked => checked?,
        }
        Ok(files::remove_database(&self.path(key, generation))?)
    }

    fn check_owner(&self, key: &TenantKey) -> Result<Vec<u64>, StorageError> {
        owners::check_all(&self.directory(key), key, self.catalog, self.busy_timeout)
    }

    fn generations(&self, key: &TenantKey) -> Result<Vec<u64>, StorageError> {
        Ok(leftovers::numbers(&self.directory(key))?)
    }

    fn remove_tenant(&self, key: &TenantKey) -> Result<(), StorageError> {
        Ok(files::remove_directory(&self.directory(key))?)
    }

    fn schema_facts(&self, conn: &mut SqliteConnection) -> QueryResult<SchemaFacts> {
        schema::facts(conn)
    }

    fn exists(&self, key: &TenantKey, generation: u64) -> Result<bool, StorageError> {
        Ok(files::lstat(&self.path(key, generation))?.is_some())
    }

    fn size(&self, key: &TenantKey, generation: u64) -> Result<u64, StorageError> {
        Ok(files::size(&self.path(key, generation))?)
    }

    fn fence(&self, key: &TenantKey, generation: u64, wait: Duration) -> Result<(), StorageError> {
        let whose = Whose::Tenant(key.id);
        let mut conn = connect::open(&self.path(key, generation), &whose, self.busy_timeout)?;
        let identity = Identity::tenant(self.catalog, key, generation);
        connect::check_stamp(&mut conn, &whose, &identity)?;
        fence::raise(&mut conn, wait).map_err(query("raising the fence"))?;
        crate::failpoint::hit("fence.raised");
        match fence::drain(&mut conn, wait).map_err(query("draining the database"))? {
            true => Ok(()),
            false => Err(StorageError::Busy {
                what: "the tenant's database",
            }),
        }
    }

    fn unfence(&self, key: &TenantKey, generation: u64) -> Result<(), StorageError> {
        super::shared::unfence(&self.root, self.catalog, key, generation, self.busy_timeout)
    }

    fn is_tombstoned(&self, tenant: Uuid) -> Result<bool, StorageError> {
        Ok(tombstones::stands(&self.root, tenant)?)
    }

    fn tombstoned(&self) -> Result<Vec<Uuid>, StorageError> {
        Ok(tombstones::all(&self.root)?)
    }

    fn certificate(&self, tenant: Uuid) -> Result<Option<Certificate>, StorageError> {
        tombstones::read(&self.root, tenant)
    }

    fn write_tombstone(&self, certificate: &Certificate) -> Result<(), StorageError> {
        tombstones::write(&self.root, certificate)
    }

    fn write_hold(&self, tenant: Uuid, reason: &str) -> Result<(), StorageError> {
        holds::write(&self.root, tenant, reason, self.instance())
    }

    fn has_hold(&self, tenant: Uuid) -> Result<bool, StorageError> {
        holds::stands(&self.root, tenant)
    }

    fn holds(&self) -> Result<Vec<(Uuid, String)>, StorageError> {
        holds::all(&self.root)
    }

    fn remove_hold(&self, tenant: Uuid) -> Result<(), StorageError> {
        holds::remove(&self.root, tenant)
    }

    fn sweep_holds(&self) -> Result<(), StorageError> {
        holds::sweep(&self.root, |instance| self.is_alive(instance))
    }

    fn unfinished_tombstones(&self) -> Result<Vec<Uuid>, StorageError> {
        Ok(tombstones::unfinished(&self.root)?)
    }

    fn remove_unfinished_tombstone(&self, tenant: Uuid) -> Result<(), StorageError> {
        Ok(tombstones::remove_unfinished(&self.root, tenant)?)
    }

    fn inventory(
        &self,
        key: &TenantKey,
    ) -> Result<Option<(Vec<PurgedGeneration>, u64)>, StorageError> {
        Ok(tombstones::inventory(&self.directory(key))?)
    }

    fn limit(&self, conn: &mut SqliteConnection, bytes: u64) -> QueryResult<()> {
        quota::limit(conn, bytes)
    }

    fn pages(&self, conn: &mut SqliteConnection) -> QueryResult<DatabasePages> {
        quota::pages(conn)
    }

    fn disk_has_room(&self) -> bool {
        quota::disk_has_room(self.root.path())
    }

    fn instance(&self) -> Uuid {
        self.instance.id()
    }

    fn is_alive(&self, instance: Uuid) -> Result<bool, StorageError> {
        Ok(instance::is_alive(&self.root, instance)?)
    }
}

/// Tenants without a shared database mean that it was lost, not that this is the first time.
fn has_tenants(root: &Root) -> Result<bool, StorageError> {
    Ok(files::first_entry(&root.tenants())?.is_some())
}

/// Makes the shared database beside its place and gives it its name when it is complete.
fn create_shared(root: &Root, busy_timeout: Duration) -> Result<(), StorageError> {
    let _lock = DirLock::lock(root, "shared", CREATION_WAIT)?;
    let path = root.shared();
    if path.exists() {
        return Ok(());
    }
    let staging = files::staging_beside(&path);
    files::remove_database(&staging)?;
    files::create_exclusive(&staging)?;
    crate::failpoint::hit("init.staged");
    let mut conn = connect::open_new(&staging, &Whose::Shared, busy_timeout)?;
    let catalog = Uuid::now_v7();
    stamp(&mut conn, &Identity::shared(catalog))?;
    crate::failpoint::hit("init.stamped");
    conn.catalog_open(catalog)
        .map_err(query("making the catalogue"))?;
    crate::failpoint::hit("init.catalogue");
    seal(conn, &staging)?;
    crate::failpoint::hit("init.synced");
    files::publish(&staging, &path)?;
    crate::failpoint::hit("init.published");
    Ok(())
}

pub(super) fn stamp(conn: &mut SqliteConnection, identity: &Identity) -> Result<(), StorageError> {
    conn.immediate_transaction(|conn| {
        conn.batch_execute(identity::CREATE)?;
        identity.write(conn)
    })
    .map_err(query("stamping a new database"))
}

/// Closes a finished staging database and waits until it is on the disk.
///
/// The last connection that closes moves the WAL into the file and removes it. Should that fail, the WAL stays, and
/// [`files::publish`] refuses a file that has one.
pub(super) fn seal(conn: SqliteConnection, staging: &Path) -> Result<(), StorageError> {
    drop(conn);
    Ok(files::sync_file(staging)?)
}

#[derive(QueryableByName)]
pub(super) struct Integrity {
    #[diesel(sql_type = Text)]
    pub(super) integrity_check: String,
}

pub(super) fn query(action: &'static str) -> impl FnOnce(diesel::result::Error) -> StorageError {
    move |source| StorageError::Query {
        action,
        source: withhold(source),
    }
}
