//! Why a backup was not taken, found or removed.
use uuid::Uuid;

use crate::backend::{ConnectError, InvalidBackup, StorageError, Whose};
use crate::catalog::Status;
use crate::error::{CatalogError, OpenError};
use crate::tenant_id::TenantId;

/// Why a backup was not taken, verified, pinned or removed. The database it is of is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The tenant is not known, or the catalogue could not be asked.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It has no database to back up.
    #[error("tenant `{id}` is {status}: it has no database that could be backed up")]
    NoDatabase {
        /// The tenant.
        id: TenantId,
        /// Its status.
        status: Status,
    },
    /// The database to be backed up is missing, damaged or another's. Earlier backups are untouched.
    #[error("{whose} was not backed up; restore it from an earlier backup")]
    Source {
        /// Whose database it is.
        whose: Whose,
        /// What is wrong with it.
        #[source]
        source: Box<ConnectError>,
    },
    /// No backup of this id is in the catalogue.
    #[error("no backup {id} is known; `Tenancy::backups` lists those there are")]
    Unknown {
        /// The id asked for.
        id: Uuid,
    },
    /// It is pinned.
    #[error("backup {id} is pinned; unpin it first")]
    Pinned {
        /// The backup.
        id: Uuid,
    },
    /// Its tenant is under a legal hold.
    #[error("backup {id} is of a tenant under a legal hold; it is kept until `release_hold`")]
    OnHold {
        /// The backup.
        id: Uuid,
    },
    /// The files are not those of the backup in the catalogue.
    #[error("the files of backup {id} are those of another one; use another backup")]
    Replaced {
        /// The backup.
        id: Uuid,
    },
    /// The backup cannot be restored.
    #[error(transparent)]
    Invalid(Box<InvalidBackup>),
    /// A step on files or databases failed.
    #[error(transparent)]
    Storage(StorageError),
    /// Another process took the unfinished backup away, because it held this one for dead.
    #[error("backup {id} was given up before it was finished; take it again")]
    GivenUp {
        /// The backup.
        id: Uuid,
    },
    /// The tenant got another generation while the backup was taken, more than once.
    #[error(
        "backup {id} is of a generation that was replaced meanwhile, and was given up; take it again"
    )]
    Moved {
        /// The backup.
        id: Uuid,
    },
    /// The catalogue.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl BackupError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Open(error) => error.is_retryable(),
            Self::Storage(error) => error.is_retryable(),
            Self::Source { source, .. } => source.is_retryable(),
            Self::GivenUp { .. } | Self::Moved { .. } => true,
            Self::Catalog(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// Whether the disk is full. Nothing of the backup is left on it.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Storage(error) => error.is_disk_full(),
            _ => false,
        }
    }
}

impl From<StorageError> for BackupError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<InvalidBackup> for BackupError {
    fn from(error: InvalidBackup) -> Self {
        match error {
            InvalidBackup::Storage(error) => Self::Storage(error),
            other => Self::Invalid(Box::new(other)),
        }
    }
}
