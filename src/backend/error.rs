//! Why a database could not be opened, and why a step of an operation failed.
use crate::tenant_id::TenantId;
use uuid::Uuid;

/// Why a database was refused or could not be opened. Nothing was created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is no database where the catalogue says it is.
    #[error(
        "the database of {whose} is missing; restore it from a backup, nothing was created in its place"
    )]
    Missing {
        /// Whose it is.
        whose: Whose,
    },
    /// A file of no bytes, which SQLite would take for an empty database.
    #[error("the database of {whose} is an empty file; restore it from a backup")]
    Empty {
        /// Whose it is.
        whose: Whose,
    },
    /// The file is a link, a directory, a pipe, or open to other users.
    #[error("the database of {whose} is refused: {reason}")]
    Unsafe {
        /// Whose it is.
        whose: Whose,
        /// What is wrong with it.
        reason: String,
    },
    /// Not a database, cut short, or with damaged pages.
    #[error(
        "the database of {whose} is damaged ({symptom}); keep the file and restore from a backup"
    )]
    Damaged {
        /// Whose it is.
        whose: Whose,
        /// In the database system's words.
        symptom: String,
    },
    /// A database without this library's stamp.
    #[error("the database of {whose} carries no identity: it was not made by this library")]
    Unstamped {
        /// Whose it should be.
        whose: Whose,
    },
    /// The stamp of another tenant, catalogue, generation or scope: files were swapped or restored by hand.
    #[error(
        "the database of {wanted} is really that of {found}; put the files back where they belong"
    )]
    Foreign {
        /// Whose it should be.
        wanted: Whose,
        /// Whose it is.
        found: Box<Stamp>,
    },
    /// The tenant was purged. A catalogue or files of before have been put back.
    #[error(
        "the database of {whose} is refused: the tenant was purged, and a tombstone says so; open the library anew, \
         which sets an older catalogue right"
    )]
    Purged {
        /// Whose it was.
        whose: Whose,
    },
    /// The generation is fenced.
    #[error("the database of {whose} is fenced for maintenance; try again")]
    Fenced {
        /// Whose it is.
        whose: Whose,
    },
    /// The database misses migrations of this program, or has some this program does not know.
    #[error("the database of {whose} does not fit this program")]
    Schema {
        /// Whose it is.
        whose: Whose,
        /// The versions.
        #[source]
        mismatch: crate::migrate::SchemaMismatch,
    },
    /// The process has no file descriptor left.
    #[error(
        "no file descriptor is left to open the database of {whose}; raise `ulimit -n` or lower `max_connections`"
    )]
    OutOfDescriptors {
        /// Whose it is.
        whose: Whose,
    },
    /// Opening a database needs a little room on its disk, and there is none.
    #[error("the disk with the database of {whose} is full; free some room on it and try again")]
    DiskFull {
        /// Whose it is.
        whose: Whose,
        /// Diesel's error.
        #[source]
        source: diesel::result::Error,
    },
    /// The linked SQLite has the WAL-reset bug, which can corrupt a database with two writers.
    #[error(
        "SQLite {found} is linked, {wanted} or newer is needed (earlier ones can corrupt a WAL database)"
    )]
    SqliteTooOld {
        /// The linked version.
        found: String,
        /// The oldest that is accepted.
        wanted: &'static str,
    },
    /// Diesel could not connect.
    #[error("cannot open the database of {whose}")]
    Open {
        /// Whose it is.
        whose: Whose,
        /// Diesel's error.
        #[source]
        source: diesel::ConnectionError,
    },
    /// A setting or the stamp could not be read.
    #[error("cannot set up a connection to the database of {whose}")]
    Setup {
        /// Whose it is.
        whose: Whose,
        /// Diesel's error.
        #[source]
        source: diesel::result::Error,
    },
}

impl ConnectError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::OutOfDescriptors { .. } | Self::Fenced { .. })
    }

    /// Whether there is no such database any more, as opposed to one that cannot be opened now.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(
            self,
            Self::Missing { .. }
                | Self::Empty { .. }
                | Self::Damaged { .. }
                | Self::Unstamped { .. }
                | Self::Foreign { .. }
        )
    }
}

impl crate::pool::ConnectFailure for ConnectError {
    fn out_of_descriptors(&self) -> bool {
        matches!(self, Self::OutOfDescriptors { .. })
    }
}

/// A database by its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Whose {
    /// The shared database.
    Shared,
    /// A tenant's.
    Tenant(TenantId),
    /// The template new tenants are cloned from.
    Template,
}

impl std::fmt::Display for Whose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shared => f.write_str("the shared scope"),
            Self::Tenant(id) => write!(f, "tenant `{id}`"),
            Self::Template => f.write_str("the tenant template"),
        }
    }
}

/// The identity a database was found to have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stamp {
    /// `shared`, `tenant` or `template`.
    pub scope: String,
    /// The tenant's id as stamped.
    pub tenant_id: Option<String>,
    /// The tenant's uuid.
    pub tenant_uuid: Option<Uuid>,
    /// The generation.
    pub generation: u64,
    /// Whether it belongs to another catalogue.
    pub other_catalog: bool,
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.tenant_id {
            Some(id) => write!(f, "tenant `{id}`, generation {}", self.generation)?,
            None => write!(f, "the {} scope", self.scope)?,
        }
        if self.other_catalog {
            f.write_str(", of another catalogue")?;
        }
        Ok(())
    }
}

/// A database lies in the directory of a tenant that is to be removed, and is another's: files were swapped, or restored by
/// hand.
#[derive(Debug, thiserror::Error)]
#[error(
    "{found:?} in the directory of tenant `{tenant}` is really the database of {owner}, and was not removed; put the files \
     back where they belong"
)]
#[non_exhaustive]
pub struct OthersDatabase {
    /// In whose directory it is.
    pub tenant: TenantId,
    /// Its name there.
    pub found: String,
    /// Whose it is.
    pub owner: Stamp,
}

/// Why a step on a database's files failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The database could not be opened.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// What is to be removed with a tenant is another's.
    #[error(transparent)]
    Others(Box<OthersDatabase>),
    /// A file could not be inspected, made, synced or removed.
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    File(#[from] crate::backend::sqlite::files::FileError),
    /// A new database's file could not be made or given its name.
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    Stage(#[from] crate::backend::sqlite::files::StageError),
    /// Another process did not give a lock back in time.
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    Lock(#[from] crate::backend::sqlite::lock::LockError),
    /// A directory is not taken for backups or exports.
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    BackupDirectory(#[from] crate::backend::sqlite::root::BackupDirError),
    /// A backup is not where it was put, and neither is the mark of its directory, so nothing says that it is gone.
    #[error(
        "backup directory {directory:?} is out of reach: {mark:?} is not there{}, as where its disk is not mounted; mount \
         it, then try again",
        Line(*id)
    )]
    OutOfReach {
        /// The directory.
        directory: std::path::PathBuf,
        /// Its mark: a file that says which directory it is.
        mark: std::path::PathBuf,
        /// The line the mark had when the backup was put there. Where a disk is gone for good, it is added to the file by hand:
        /// what was on it then counts as removed. `None`: any mark will do.
        id: Option<uuid::Uuid>,
    },
    /// A path cannot be given to SQLite.
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    Uri(#[from] crate::backend::sqlite::files::UriError),
    /// A statement failed.
    #[error("{action} failed")]
    Query {
        /// What was being done.
        action: &'static str,
        /// Diesel's error.
        #[source]
        source: diesel::result::Error,
    },
    /// A migration failed while the template was made.
    #[error("the tenant template cannot be made")]
    Template(#[source] crate::migrate::MigrateError),
    /// A migration of a restored database failed, or its ledger cannot be read.
    #[error("the restored database cannot be migrated")]
    Migrate(#[source] crate::migrate::MigrateError),
    /// A copy did not pass `PRAGMA integrity_check`.
    #[error("the copy of tenant `{tenant}` is damaged ({symptom}); the original is still in use")]
    DamagedCopy {
        /// The tenant.
        tenant: TenantId,
        /// In SQLite's words.
        symptom: String,
    },
    /// What a purge wrote down cannot be read or written. Its tombstone holds all the same.
    #[error(
        "the certificate of the purged tenant {tenant} is unreadable; keep the file, it is its tombstone"
    )]
    Certificate {
        /// The tenant's uuid.
        tenant: Uuid,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A file that was not made by the operation that is being undone, or that somebody has used since.
    #[error(
        "{found:?} of tenant `{tenant}` was not made by the operation that is to be undone, or has been used since, and \
         was not removed; if the catalogue is older than the databases, restore the shared database from its newest \
         backup, which finds them again"
    )]
    NotOfOperation {
        /// The tenant.
        tenant: TenantId,
        /// The name of the file in the tenant's directory.
        found: String,
    },
    /// A migration makes a table of the other scope.
    #[error(
        "the {found} migrations make `{table}`, which `routes!` lists under `{listed}`; make it in the {listed} migrations"
    )]
    TableOfOtherScope {
        /// The table.
        table: String,
        /// The scope it is listed in.
        listed: crate::scope::ScopeKind,
        /// The scope of the database it was found in.
        found: crate::scope::ScopeKind,
    },
    /// A foreign key refers to a table that is not in the database, so no row could be inserted.
    #[error(
        "`{table}` has a foreign key to `{parent}`, which is not in the {scope} database: every insert into it would \
         fail; keep the id without REFERENCES"
    )]
    DanglingReference {
        /// The table that refers.
        table: String,
        /// The table it refers to.
        parent: String,
        /// The scope of the database.
        scope: crate::scope::ScopeKind,
    },
    /// Another process did not finish in time.
    #[error("{what} is busy in another process; try again")]
    Busy {
        /// What is being waited for.
        what: &'static str,
    },
}

impl StorageError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Busy { .. } => true,
            #[cfg(feature = "sqlite")]
            Self::Lock(crate::backend::sqlite::lock::LockError::Timeout { .. }) => true,
            Self::Connect(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// Whether the disk, or this user's share of it, is full.
    pub fn is_disk_full(&self) -> bool {
        match self {
            #[cfg(feature = "sqlite")]
            Self::File(error) => error.is_disk_full(),
            #[cfg(feature = "sqlite")]
            Self::Stage(crate::backend::sqlite::files::StageError::Io(error)) => {
                error.is_disk_full()
            }
            #[cfg(feature = "sqlite")]
            Self::Query { source, .. } => crate::backend::sqlite::is_disk_full(source),
            Self::Connect(ConnectError::DiskFull { .. }) => true,
            _ => false,
        }
    }
}

/// What a mark is to have in it.
struct Line(Option<uuid::Uuid>);

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(id) => write!(f, ", or has no line {id}"),
            None => Ok(()),
        }
    }
}
