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
    /// The database to be backed up is missing, damaged or another's, or cannot be opened now. Earlier backups are untouched.
    #[error("{whose} was not backed up; {}", next_step(source))]
    Source {
        /// Whose database it is.
        whose: Whose,
        /// What is wrong with it.
        #[source]
        source: Box<ConnectError>,
    },
    /// Somebody who writes did not let go of the database.
    #[error("{whose} was not backed up: its database is locked; try again")]
    Locked {
        /// Whose database it is.
        whose: Whose,
        /// Diesel's error.
        #[source]
        source: diesel::result::Error,
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
    /// Its tenant is being purged with its backups, or was.
    #[error("backup {id} cannot be pinned: its tenant is purged with its backups")]
    Purging {
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

/// Nobody is to restore over a database that is whole and could only not be opened at this moment.
fn next_step(error: &ConnectError) -> &'static str {
    match error.is_lost() {
        true => "restore it from an earlier backup",
        false => "mend what is in the way, then try again",
    }
}

impl BackupError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Open(error) => error.is_retryable(),
            Self::Storage(error) => error.is_retryable(),
            Self::Source { source, .. } => source.is_retryable(),
            Self::GivenUp { .. } | Self::Moved { .. } | Self::Locked { .. } => true,
            Self::Catalog(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// Whether its directory is not there as it was left, as where a disk is not mounted. Nothing was forgotten.
    pub fn is_out_of_reach(&self) -> bool {
        matches!(self, Self::Storage(StorageError::OutOfReach { .. }))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_lost_is_to_be_restored() {
        let text = |source: ConnectError| {
            let (whose, source) = (Whose::Shared, Box::new(source));
            BackupError::Source { whose, source }.to_string()
        };
        let whose = Whose::Shared;
        let missing = text(ConnectError::Missing { whose });
        assert!(
            missing.ends_with("restore it from an earlier backup"),
            "{missing}"
        );
        let whose = Whose::Shared;
        let source = diesel::result::Error::BrokenTransactionManager;
        for error in [
            ConnectError::OutOfDescriptors {
                whose: Whose::Shared,
            },
            ConnectError::Setup { whose, source },
        ] {
            let text = text(error);
            assert!(text.ends_with("then try again"), "{text}");
        }
    }
}
