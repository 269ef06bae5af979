//! The seam between the engine and a database system.
//!
//! [`Backend`] is what a Diesel connection must know to carry contexts; [`Storage`] is where the databases are and how
//! they are made, found, fenced and removed. The engine above is generic over both and names no system.
use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, Connection, LoadConnection};
use diesel::result::{Error, QueryResult};
use uuid::Uuid;

use crate::catalog::audit::AuditStore;
use crate::catalog::backups::BackupStore;
use crate::catalog::health::HealthStore;
use crate::catalog::reference::ReferenceStore;
use crate::catalog::runs::RunStore;
use crate::catalog::workflows::WorkflowStore;
use crate::catalog::{CatalogStore, Certificate, PurgedGeneration, RetentionStore};
use crate::migrate::{MigrateConnection, MigrationSet};
use crate::reference::ledger::ReferenceLedger;
use crate::repair::RepairConnection;
use crate::tenant_id::TenantId;
use crate::verify::{History, InspectConnection, Leftovers};

mod backup;
mod error;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub(crate) mod transfer;

pub use backup::{
    ArtefactFacts, BackupIdentity, BackupOf, BackupPlace, BackupSource, BackupStorage, DriftKind,
    Finished, Fit, InvalidBackup, ManifestFault, Newest, OnDisk, RestoreTarget, SchemaDifference,
    UnreadableDatabase,
};
pub use error::{ConnectError, OthersDatabase, Stamp, StorageError, Whose};

/// The connection type contexts have unless another is named.
#[cfg(feature = "sqlite")]
pub type DefaultConnection = diesel::SqliteConnection;

/// A Diesel connection the engine can run on. Implemented by this crate only.
pub trait Backend:
    Connection<TransactionManager = AnsiTransactionManager>
    + LoadConnection
    + CatalogStore
    + AuditStore
    + WorkflowStore
    + RetentionStore
    + HealthStore
    + BackupStore
    + RunStore
    + MigrateConnection
    + InspectConnection
    + RepairConnection
    + ReferenceLedger
    + ReferenceStore
    + Send
    + Sized
    + 'static
{
    /// Where its databases are.
    type Storage: Storage<Conn = Self>;

    #[doc(hidden)]
    fn begin_write(&mut self) -> QueryResult<()>;
    #[doc(hidden)]
    fn begin_read(&mut self) -> QueryResult<()>;
    /// Refuses or allows writes from here on, whatever transaction is open.
    #[doc(hidden)]
    fn set_read_only(&mut self, read_only: bool) -> QueryResult<()>;
    /// Whether the transaction Diesel began is still open: some errors end it.
    #[doc(hidden)]
    fn is_in_transaction(&mut self) -> bool;
    /// What an error of this system means to the engine, if it means anything.
    #[doc(hidden)]
    fn symptom(error: &Error) -> Option<Symptom>;
}

/// What the engine understands of a database's errors.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Symptom {
    NoSuchTable(String),
    Fenced,
    /// Nothing can be written: no space, or a quota.
    DiskFull,
    /// The disk failed.
    Io,
    /// The database or its file system takes no writes.
    ReadOnly,
    /// What is in the file is no sound database.
    Damaged,
}

/// Names one tenant to a [`Storage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TenantKey {
    /// The id as it was created.
    pub id: TenantId,
    /// What the library names things by; never used twice.
    pub uuid: Uuid,
}

/// A tenant's database that was opened: the connection and the newest migration found in it.
#[doc(hidden)]
pub struct Opened<C> {
    pub conn: C,
    pub schema_version: Option<String>,
}

/// What the engine must know of a database's schema.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaFacts {
    /// Hash of the normalised schema.
    pub fingerprint: String,
    /// Its tables and views, the library's own left out.
    pub tables: Vec<String>,
    /// Foreign keys whose parent is not in this database: child table and parent.
    pub dangling: Vec<(String, String)>,
}

/// How large a database is, its side files left out.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabasePages {
    /// Bytes of all pages.
    pub bytes: u64,
    /// Bytes of those that hold nothing and are used before the database grows.
    pub free: u64,
}

/// Where databases are, and how they are made, found, fenced and removed. Implemented by this crate only.
///
/// Each method is one step of an operation. It is all or nothing and may be repeated: an operation that was killed
/// is finished or undone by calling the same steps again.
#[doc(hidden)]
pub trait Storage:
    BackupStorage + transfer::Transfer<Self::Conn> + Send + Sync + Sized + 'static
{
    type Conn: Backend<Storage = Self>;

    /// The catalogue every database of this storage belongs to.
    fn catalog_uuid(&self) -> Uuid;
    fn connect_shared(&self) -> Result<Self::Conn, ConnectError>;
    fn connect_tenant(
        &self,
        key: &TenantKey,
        generation: u64,
    ) -> Result<Opened<Self::Conn>, ConnectError>;
    /// The same, on a connection that waits for locks no longer than `wait`, be it while it is opened or afterwards.
    fn connect_tenant_within(
        &self,
        key: &TenantKey,
        generation: u64,
        wait: Duration,
    ) -> Result<Opened<Self::Conn>, ConnectError>;

    /// Opens a database to look at it or to repair it, fenced or not, whatever its schema. Settings that would change the
    /// file are left as they are.
    fn connect_to_inspect(
        &self,
        key: &TenantKey,
        generation: u64,
    ) -> Result<Self::Conn, ConnectError>;
    fn is_fenced(conn: &mut Self::Conn) -> QueryResult<bool>;
    /// Whether a connection leads to this generation of a tenant, or to the shared database.
    fn leads_to(
        &self,
        conn: &mut Self::Conn,
        tenant: Option<(&TenantKey, u64)>,
    ) -> QueryResult<bool>;
    /// The schema each migration of a set leaves behind.
    fn history(&self, set: &MigrationSet) -> Result<History, StorageError>;
    /// What lies in a tenant's directory besides `generation` and those that are `kept`.
    fn leftovers(
        &self,
        key: &TenantKey,
        generation: u64,
        kept: &[u64],
    ) -> Result<Leftovers, StorageError>;
    /// The names of what is being made in a tenant's directory, or was. The second removes them.
    fn staged(&self, key: &TenantKey) -> Result<Vec<String>, StorageError>;
    fn remove_staged(&self, key: &TenantKey) -> Result<Vec<String>, StorageError>;
    /// The names of all tenants' directories, and the name of one tenant's.
    fn tenant_directories(&self) -> Result<Vec<String>, StorageError>;
    fn directory_name(&self, key: &TenantKey) -> String;

    /// Makes sure there is a template of this schema. Waits up to `wait` for another process that is making it.
    fn prepare_template(
        &self,
        set: &MigrationSet,
        wait: Duration,
    ) -> Result<SchemaFacts, StorageError>;

    /// Makes the staging database of a new generation from the template, stamped and synced, open to nobody.
    fn stage_from_template(
        &self,
        key: &TenantKey,
        generation: u64,
        set: &MigrationSet,
    ) -> Result<(), StorageError>;
    /// Makes the staging database of `to` a verified copy of generation `from`, which is fenced.
    fn stage_copy(&self, key: &TenantKey, from: u64, to: u64) -> Result<(), StorageError>;
    /// Signs the staging database for the operation `by` and gives it its final name.
    fn publish(&self, key: &TenantKey, generation: u64, by: Uuid) -> Result<(), StorageError>;
    /// Undoes what the operation `by` made of a generation: its staging database, and the published one. What is not this
    /// tenant's is left alone. One of this tenant that `by` did not make, or that somebody has used, is refused: the
    /// catalogue does not know of it, so what it says of the others is not to be relied on. So is one whose rows are in
    /// no other file where the generation that is `needed` is gone.
    fn discard(
        &self,
        key: &TenantKey,
        generation: u64,
        by: Uuid,
        needed: Option<u64>,
    ) -> Result<(), StorageError>;
    /// Removes everything of a tenant that the operation `by` was creating as `generation`. Refused, and nothing removed,
    /// where there is more than that makes, or its database has been used.
    fn undo_create(&self, key: &TenantKey, generation: u64, by: Uuid) -> Result<(), StorageError>;
    /// Refuses a tenant of which there is a generation already, whatever is in it: it is not to be created.
    fn check_new(&self, key: &TenantKey) -> Result<(), StorageError>;
    /// The highest number of any generation of which there is a file, whatever is in it; 0 where there is none.
    fn highest_generation(&self, key: &TenantKey) -> Result<u64, StorageError>;
    /// Removes a generation that was used and no longer is. Removing what is not there is no error; what is there and is
    /// another database is left alone.
    fn remove_generation(&self, key: &TenantKey, generation: u64) -> Result<(), StorageError>;
    /// Refuses where not everything in a tenant's directory is the tenant's: a database of another one, or a directory that
    /// leads elsewhere. Returns the generations that cannot be read.
    fn check_owner(&self, key: &TenantKey) -> Result<Vec<u64>, StorageError>;
    /// The numbers of all generations of which there is a file, whatever is in it.
    fn generations(&self, key: &TenantKey) -> Result<Vec<u64>, StorageError>;
    /// Removes everything of a tenant.
    fn remove_tenant(&self, key: &TenantKey) -> Result<(), StorageError>;
    /// What the engine must know of a database's schema.
    fn schema_facts(&self, conn: &mut Self::Conn) -> QueryResult<SchemaFacts>;
    /// Whether anything is where a generation should be, be it damaged or another's.
    fn exists(&self, key: &TenantKey, generation: u64) -> Result<bool, StorageError>;
    /// Bytes of a generation on disk.
    fn size(&self, key: &TenantKey, generation: u64) -> Result<u64, StorageError>;

    /// Makes every later write to this generation fail, whichever process it comes from, once the writes under way
    /// are done; then waits up to `wait` until no statement runs on it.
    fn fence(&self, key: &TenantKey, generation: u64, wait: Duration) -> Result<(), StorageError>;
    /// Takes the fence out again. Nothing to do where there is none.
    fn unfence(&self, key: &TenantKey, generation: u64) -> Result<(), StorageError>;

    /// Whether a tenant was purged: no database of this uuid may be opened or put in place, whatever the catalogue says.
    fn is_tombstoned(&self, tenant: Uuid) -> Result<bool, StorageError>;
    /// All tenants that were purged.
    fn tombstoned(&self) -> Result<Vec<Uuid>, StorageError>;
    /// What a purge wrote down.
    fn certificate(&self, tenant: Uuid) -> Result<Option<Certificate>, StorageError>;
    /// Writes the tombstone, in place of the one that may be there, and waits until it is safe.
    fn write_tombstone(&self, certificate: &Certificate) -> Result<(), StorageError>;
    /// Writes down beside the catalogue that a tenant is under a legal hold, and waits until that is safe.
    fn write_hold(&self, tenant: Uuid, reason: &str) -> Result<(), StorageError>;
    fn has_hold(&self, tenant: Uuid) -> Result<bool, StorageError>;
    /// The tenants of which that is written down, whatever the catalogue knows of them, and why.
    fn holds(&self) -> Result<Vec<(Uuid, String)>, StorageError>;
    fn remove_hold(&self, tenant: Uuid) -> Result<(), StorageError>;
    /// Removes what processes that are no more were writing of holds.
    fn sweep_holds(&self) -> Result<(), StorageError>;
    /// The tenants of which a tombstone was being written, or is.
    fn unfinished_tombstones(&self) -> Result<Vec<Uuid>, StorageError>;
    fn remove_unfinished_tombstone(&self, tenant: Uuid) -> Result<(), StorageError>;
    /// The generations and bytes that are there of a tenant, be they damaged. `None` where nothing is.
    fn inventory(
        &self,
        key: &TenantKey,
    ) -> Result<Option<(Vec<PurgedGeneration>, u64)>, StorageError>;

    /// Bounds what the database may grow to through this connection. What it has already stays.
    fn limit(&self, conn: &mut Self::Conn, bytes: u64) -> QueryResult<()>;
    fn pages(&self, conn: &mut Self::Conn) -> QueryResult<DatabasePages>;
    /// Whether the disk has room left, so that a database that is full is so because of its limit.
    fn disk_has_room(&self) -> bool;

    /// This open of the library, and whether another one is still alive.
    fn instance(&self) -> Uuid;
    fn is_alive(&self, instance: Uuid) -> Result<bool, StorageError>;
}
