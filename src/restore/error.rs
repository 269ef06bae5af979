//! Why nothing was restored.
use std::fmt;

use uuid::Uuid;

use crate::backend::{InvalidBackup, SchemaDifference, StorageError};
use crate::backup::BackupError;
use crate::catalog::Status;
use crate::error::{CatalogError, CreateError, LifecycleError, OpenError};
use crate::tenant_id::TenantId;

/// Why nothing was restored. The tenant goes on with the database it had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The tenant is not known, or the catalogue could not be asked.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The confirmation is not the tenant's id.
    #[error(
        "this replaces the data of tenant `{id}`: it needs the id, typed exactly as confirmation"
    )]
    NotConfirmed {
        /// The tenant.
        id: TenantId,
    },
    /// The tenant was deleted, or is being deleted.
    #[error("tenant `{id}` is {status}; restore the backup as a new tenant")]
    TenantDeleted {
        /// The tenant.
        id: TenantId,
        /// Its status.
        status: Status,
    },
    /// A legal hold forbids to remove anything of the tenant.
    #[error(
        "tenant `{id}` is under a legal hold: nothing of it is removed until it is released{}",
        AlreadyGone(gone)
    )]
    OnHold {
        /// The tenant.
        id: TenantId,
        /// The numbers of the generations that were removed before it was laid: it was while they were being removed.
        gone: Vec<u64>,
    },
    /// The tenant the backup is of was purged, and stays gone.
    #[error("tenant `{id}`, whose backup this is, was purged; what was purged is not brought back")]
    Purged {
        /// The tenant, as it was called then.
        id: TenantId,
    },
    /// The backup is of another tenant, or of the shared database.
    #[error("the backup is that of {is}, need one of tenant `{wanted}`")]
    WrongTenantBackup {
        /// Whose it is.
        is: BackupOwner,
        /// Whose it should be.
        wanted: TenantId,
    },
    /// The backup belongs to another catalogue.
    #[error("the backup belongs to catalogue {found}, this one is {wanted}")]
    WrongCatalog {
        /// The catalogue it belongs to.
        found: Uuid,
        /// This one.
        wanted: Uuid,
    },
    /// The backup was not found or cannot be trusted.
    #[error(transparent)]
    Backup(Box<BackupError>),
    /// The backup has a migration newer than all this program knows.
    #[error(
        "the backup has migration {found}, this program knows up to {}; use the newer program",
        known.as_deref().unwrap_or("none")
    )]
    SchemaAhead {
        /// The newest in the backup.
        found: String,
        /// The newest known.
        known: Option<String>,
    },
    /// A migration was edited after it was applied to what was backed up.
    #[error("migration {version} is not the one that was applied to the backup; it was edited")]
    MigrationChanged {
        /// The migration.
        version: String,
    },
    /// The backup has a migration this program does not have, though it has newer ones.
    #[error("the backup has migration {version}, which this program does not have")]
    MigrationUnknown {
        /// The migration.
        version: String,
    },
    /// The program has a migration older than one in the backup that was never applied to it.
    #[error(
        "migration {version} was never applied to the backup, which has {newer_applied}; give it a newer version"
    )]
    MigrationOutOfOrder {
        /// The migration.
        version: String,
        /// The newest in the backup.
        newer_applied: String,
    },
    /// Its schema is not the one its migrations make.
    #[error(
        "the schema of the backup has drifted: {}; look at it, then `RestoreOptions::allow_drift`",
        Listed(differences)
    )]
    SchemaDrift {
        /// Each thing that is not as it should be.
        differences: Vec<SchemaDifference>,
    },
    /// The database to be replaced could not be backed up first.
    #[error(
        "the present database could not be backed up first; mend that, or `RestoreOptions::without_safety_backup`"
    )]
    NoSafetyBackup(#[source] Box<BackupError>),
    /// No old generation of the tenant is there.
    #[error("no old generation of tenant `{id}` was kept: there is nothing to undo")]
    NothingToUndo {
        /// The tenant.
        id: TenantId,
    },
    /// The generation that was asked for is not one of those that were kept.
    #[error(
        "generation {generation} of tenant `{id}` was not kept; `old_generations` lists those that were"
    )]
    NotKept {
        /// The tenant.
        id: TenantId,
        /// The generation asked for.
        generation: u64,
    },
    /// The backup is not one of the shared database.
    #[error("the backup is that of {is}, need one of the shared database")]
    NotShared {
        /// Whose it is.
        is: BackupOwner,
    },
    /// No such database is on the disk without being in the catalogue.
    #[error(
        "no database of a tenant {uuid} is unknown to the catalogue; `Tenancy::reclaimable` lists them"
    )]
    NoOrphan {
        /// The uuid asked for.
        uuid: Uuid,
    },
    /// The copy that was to be the shared database went before it got its name: nothing was replaced.
    #[error(
        "the copy of backup {backup} was removed before it was put in place; nothing was replaced, restore it again"
    )]
    NothingReplaced {
        /// The backup.
        backup: Uuid,
    },
    /// The shared database was not replaced.
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    Shared(Box<crate::backend::sqlite::SharedRestoreError>),
    /// A step on its files failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The operation on the tenant could not be done.
    #[error(transparent)]
    Lifecycle(Box<LifecycleError>),
    /// The new tenant could not be created.
    #[error(transparent)]
    Create(Box<CreateError>),
    /// The catalogue.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Whose database a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackupOwner {
    /// A tenant's, by its id and uuid: an id may have been taken again.
    Tenant(TenantId, Uuid),
    /// The shared database.
    Shared,
}

impl fmt::Display for BackupOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(id, uuid) => write!(f, "tenant `{id}` ({uuid})"),
            Self::Shared => f.write_str("the shared database"),
        }
    }
}

/// The first differences, and how many more there are.
struct Listed<'a>(&'a [SchemaDifference]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        for (number, difference) in self.0.iter().take(SHOWN).enumerate() {
            let comma = if number == 0 { "" } else { "; " };
            write!(f, "{comma}{difference}")?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl RestoreError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Open(error) => error.is_retryable(),
            Self::Backup(error) | Self::NoSafetyBackup(error) => error.is_retryable(),
            Self::Storage(error) => error.is_retryable(),
            Self::Lifecycle(error) => error.is_retryable(),
            Self::Create(error) => error.is_retryable(),
            Self::Catalog(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// Why the backup was refused, if it was.
    pub fn invalid_backup(&self) -> Option<&InvalidBackup> {
        match self {
            Self::Backup(error) => match &**error {
                BackupError::Invalid(error) => Some(error),
                _ => None,
            },
            _ => None,
        }
    }
}

impl From<BackupError> for RestoreError {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Storage(error) => Self::Storage(error),
            BackupError::Catalog(error) => Self::Catalog(error),
            other => Self::Backup(Box::new(other)),
        }
    }
}

impl From<InvalidBackup> for RestoreError {
    fn from(error: InvalidBackup) -> Self {
        BackupError::from(error).into()
    }
}

impl From<LifecycleError> for RestoreError {
    fn from(error: LifecycleError) -> Self {
        Self::Lifecycle(Box::new(error))
    }
}

impl From<CreateError> for RestoreError {
    fn from(error: CreateError) -> Self {
        Self::Create(Box::new(error))
    }
}

/// What was removed before a legal hold was laid.
struct AlreadyGone<'a>(&'a [u64]);

impl fmt::Display for AlreadyGone<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.0.split_first() else {
            return Ok(());
        };
        write!(f, "; before it was laid, generation {first}")?;
        others.iter().try_for_each(|other| write!(f, ", {other}"))?;
        f.write_str(" was removed")
    }
}
