//! What can go wrong: one enum per operation, [`Error`] for all of them, and the errors that reach a caller through
//! Diesel.
use std::sync::Arc;
use std::time::Duration;

use crate::backend::{Backend, ConnectError, StorageError};
use crate::backup::BackupError;
use crate::catalog::{OperationKind, Status};
use crate::display_name::DisplayNameError;
use crate::fleet::FleetError;
use crate::migrate::{MigrateError, MigrationSetError};
use crate::repair::RepairError;
use crate::restore::RestoreError;
use crate::subdomain::{Subdomain, SubdomainError};
use crate::tenant_id::{TenantId, TenantIdError};
use crate::verify::VerifyError;

mod access;
mod audit;
mod in_query;
mod purge;
mod quota;
mod recreate;
mod rename;
mod retention;
mod withheld;
mod workflow;

pub use crate::fanout::{FanOutError, VisitError};
pub use crate::reference::{PushError, ReferenceError, ReferenceListError};
pub use access::AccessError;
pub use audit::AuditError;
pub(crate) use in_query::missing_table;
pub use in_query::{
    ContextPoisoned, MissingTable, PoisonCause, QuotaExceeded, ReadOnlyTransaction,
    StaleGeneration, TenantFenced, WrongScope,
};
pub use purge::PurgeError;
pub use quota::{QuotaError, QuotaOutOfRange};
pub use recreate::RecreateError;
pub use rename::RenameError;
pub use retention::RetentionError;
pub use withheld::ValueWithheld;
pub(crate) use withheld::{in_own_words, withhold};
pub use workflow::{OwnError, Unreadable, WorkflowError};

/// Any error of this library, for a function that does several things.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Of [`Builder::open`](crate::Builder).
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Of opening a context.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Of creating a tenant.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// Of an operation on a tenant.
    #[error(transparent)]
    Lifecycle(#[from] LifecycleError),
    /// Of letting somebody in.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Of the audit log.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Of a workflow.
    #[error(transparent)]
    Workflow(Box<WorkflowError<OwnError>>),
    /// Of deleting a tenant or of a legal hold.
    #[error(transparent)]
    Retention(#[from] RetentionError),
    /// Of purging a tenant.
    #[error(transparent)]
    Purge(#[from] PurgeError),
    /// Of emptying a tenant.
    #[error(transparent)]
    Recreate(#[from] RecreateError),
    /// Of renaming a tenant.
    #[error(transparent)]
    Rename(#[from] RenameError),
    /// Of setting a quota.
    #[error(transparent)]
    Quota(#[from] QuotaError),
    /// Of a backup.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// Of restoring a backup.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// Of looking at a database.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Of repairing one.
    #[error(transparent)]
    Repair(Box<RepairError>),
    /// Of a run over the fleet.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// Of going over all tenants.
    #[error(transparent)]
    FanOut(#[from] FanOutError),
    /// Of one tenant while going over all of them.
    #[error(transparent)]
    Visit(#[from] VisitError),
    /// Of pushing a list to all tenants.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// Of pushing a list to one of them.
    #[error(transparent)]
    Push(#[from] PushError),
    /// Of a list's name or version.
    #[error(transparent)]
    ReferenceList(#[from] ReferenceListError),
    /// Of taking over another program's database.
    #[error(transparent)]
    Adopt(#[from] crate::adopt::AdoptError),
    /// Of a mapping file.
    #[error(transparent)]
    Mapping(#[from] crate::adopt::MappingError),
    /// Of exporting a tenant.
    #[error(transparent)]
    Export(#[from] crate::export::ExportError),
    /// Of importing a tenant.
    #[error(transparent)]
    Import(Box<crate::import::ImportError>),
    /// Of a tenant id.
    #[error(transparent)]
    TenantId(#[from] TenantIdError),
    /// Of a statement.
    #[error(transparent)]
    Query(diesel::result::Error),
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        Self::Query(withhold(error))
    }
}

impl From<RepairError> for Error {
    fn from(error: RepairError) -> Self {
        Self::Repair(Box::new(error))
    }
}

impl From<crate::import::ImportError> for Error {
    fn from(error: crate::import::ImportError) -> Self {
        Self::Import(Box::new(error))
    }
}

impl Error {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Open(error) => error.is_retryable(),
            Self::Create(error) => error.is_retryable(),
            Self::Lifecycle(error) => error.is_retryable(),
            Self::Access(error) => error.is_retryable(),
            Self::Workflow(error) => error.is_retryable(),
            Self::Retention(error) => error.is_retryable(),
            Self::Purge(error) => error.is_retryable(),
            Self::Recreate(error) => error.is_retryable(),
            Self::Rename(error) => error.is_retryable(),
            Self::Quota(error) => error.is_retryable(),
            Self::Backup(error) => error.is_retryable(),
            Self::Restore(error) => error.is_retryable(),
            Self::Verify(error) => error.is_retryable(),
            Self::Repair(error) => error.is_retryable(),
            Self::Fleet(error) => error.is_retryable(),
            Self::Visit(error) => error.is_retryable(),
            Self::Push(error) => error.is_retryable(),
            Self::Adopt(error) => error.is_retryable(),
            Self::Export(error) => error.is_retryable(),
            Self::Import(error) => error.is_retryable(),
            Self::Setup(error) => error.is_retryable(),
            Self::Audit(error) => error.is_retryable(),
            Self::FanOut(error) => error.is_retryable(),
            Self::Reference(error) => error.is_retryable(),
            Self::ReferenceList(_) | Self::Mapping(_) | Self::TenantId(_) | Self::Query(_) => false,
        }
    }
}

/// Why the library could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The data directory.
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    Root(crate::backend::sqlite::root::RootError),
    /// The shared database's files.
    #[error("the shared database cannot be opened")]
    Storage(#[from] StorageError),
    /// There are tenants, and no shared database that knows them.
    #[error(
        "the shared database is missing although there are tenants; restore it from a backup, nothing was created in its place"
    )]
    SharedLost,
    /// The shared database is being restored, or was when its process died.
    #[error(
        "a restore of the shared database was begun and is not finished; call `Builder::restore_shared` again with the \
         same backup"
    )]
    SharedRestoreUnfinished,
    /// The shared database.
    #[error("the shared database cannot be opened")]
    Shared(#[source] ConnectError),
    /// A newer build has been at work.
    #[error("the catalogue has format {found}, this build knows {known}; deploy the newer build")]
    CatalogAhead {
        /// The format found.
        found: i32,
        /// The newest one known.
        known: i32,
    },
    /// A migration of the shared database was applied, and could not be entered into the audit log.
    #[error("the migration of the shared database cannot be entered into the audit log")]
    Audit(#[source] CatalogError),
    /// The quota of a plan.
    #[error("the plan `{plan}` cannot have the quota it was given")]
    PlanQuota {
        /// The plan.
        plan: String,
        /// What is wrong with it.
        #[source]
        source: QuotaOutOfRange,
    },
    /// A migration set that cannot be run.
    #[error("the migrations cannot be used")]
    Migrations(#[source] MigrationSetError),
    /// A migration of the shared database failed.
    #[error("the shared database cannot be migrated")]
    MigrateShared(#[source] MigrateError),
}

impl SetupError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Storage(error) => error.is_retryable(),
            Self::Shared(error) => error.is_retryable(),
            Self::MigrateShared(error) => error.is_retryable(),
            _ => false,
        }
    }
}

/// Why the catalogue could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The shared database could not be opened.
    #[error("the catalogue cannot be reached")]
    Connect(#[source] ConnectError),
    /// Another writer had it until the busy timeout was over.
    #[error("the catalogue is locked by another writer; try again")]
    Locked(#[source] diesel::result::Error),
    /// A statement failed.
    #[error("the catalogue cannot be read or changed")]
    Query(#[source] diesel::result::Error),
}

impl CatalogError {
    /// Why a statement on the catalogue failed.
    pub(crate) fn of<C: Backend>(error: diesel::result::Error) -> Self {
        let error = withhold(error);
        match C::is_lock_timeout(&error) {
            true => Self::Locked(error),
            false => Self::Query(error),
        }
    }

    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect(error) => error.is_retryable(),
            Self::Locked(_) => true,
            Self::Query(_) => false,
        }
    }
}

/// Why no context was opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Opening never creates.
    #[error("tenant `{id}` is not known; `Tenancy::create` makes a new one")]
    UnknownTenant {
        /// The id asked for.
        id: TenantId,
    },
    /// No tenant answers at this subdomain.
    #[error("no tenant has the subdomain `{subdomain}`")]
    UnknownSubdomain {
        /// The subdomain asked for.
        subdomain: Subdomain,
    },
    /// The tenant is not active.
    #[error("tenant `{id}` is {status}, {}", match status {
        Status::Reserved => "its database was never made; `Tenancy::create` makes it",
        _ => "contexts are opened on active tenants only",
    })]
    Unavailable {
        /// The tenant.
        id: TenantId,
        /// Its status.
        status: Status,
    },
    /// Its database was refused or could not be opened.
    #[error(transparent)]
    Connect(ConnectError),
    /// It was to be migrated on the way, and that failed. For a minute after a failure that lasts, this is the answer to
    /// everybody without another try; `Tenancy::migrate_tenant` always tries.
    #[error("tenant `{id}` could not be migrated before it was opened")]
    MigrateOnOpen {
        /// The tenant.
        id: TenantId,
        /// The reason.
        #[source]
        source: Arc<LifecycleError>,
    },
    /// All connections this database may have are in use.
    #[error(
        "no connection to {} within {waited:?} ({in_use} of {max} in use); try again",
        whose(tenant)
    )]
    Busy {
        /// The tenant; `None` for the shared database.
        tenant: Option<TenantId>,
        /// How long was waited.
        waited: Duration,
        /// Connections in use.
        in_use: usize,
        /// The limit per database.
        max: usize,
    },
    /// All connections the process may have are in use.
    #[error(
        "no connection left for {} within {waited:?} ({open} of {max} open, {in_use} in use); try again or raise `max_connections`",
        whose(tenant)
    )]
    BudgetExhausted {
        /// The tenant; `None` for the shared database.
        tenant: Option<TenantId>,
        /// Connections open.
        open: usize,
        /// Connections in use.
        in_use: usize,
        /// The limit over all databases.
        max: usize,
        /// How long was waited.
        waited: Duration,
    },
    /// The catalogue could not be asked, and what is cached is older than the freshness bound.
    #[error(transparent)]
    Catalog(CatalogError),
    /// The pool of the shared database is closed.
    #[error("the shared database is closed")]
    ShuttingDown,
}

impl OpenError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Busy { .. } | Self::BudgetExhausted { .. } => true,
            Self::Unavailable { status, .. } => {
                matches!(status, Status::Restoring | Status::Provisioning)
            }
            Self::Connect(error) => error.is_retryable(),
            Self::MigrateOnOpen { source, .. } => source.is_retryable(),
            Self::Catalog(error) => error.is_retryable(),
            _ => false,
        }
    }
}

/// The one answer to callers who must not learn which tenants there are.
///
/// Made by [`OpenError::for_untrusted`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this tenant is not available")]
pub struct TenantUnavailable;

impl OpenError {
    /// What an untrusted caller may be told: unknown, suspended, archived and deleted tenants are one and the same.
    ///
    /// `None` for errors that say nothing about which tenants there are, such as [`OpenError::Busy`].
    pub fn for_untrusted(&self) -> Option<TenantUnavailable> {
        let about_existence = matches!(
            self,
            Self::UnknownTenant { .. } | Self::UnknownSubdomain { .. } | Self::Unavailable { .. }
        );
        about_existence.then_some(TenantUnavailable)
    }
}

fn whose(tenant: &Option<TenantId>) -> String {
    match tenant {
        Some(id) => format!("tenant `{id}`"),
        None => "the shared database".to_owned(),
    }
}

/// Why a tenant was not created. Nothing of it is left, unless it says so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The id, after folding case and `-` to `_`, is in use.
    #[error(
        "tenant `{id}` exists already, as `{found}` ({status}); {}",
        match status {
            Status::Reserved => "`Tenancy::create` makes its database",
            _ => "ids differ by more than case and `-` or `_`",
        }
    )]
    AlreadyExists {
        /// The id asked for.
        id: TenantId,
        /// The one that has it.
        found: TenantId,
        /// Its status.
        status: Status,
    },
    /// Somebody else is creating it, a thread of this process or another process.
    #[error("tenant `{id}` is being created by somebody else; wait for it, or try again")]
    InProgress {
        /// The id.
        id: TenantId,
    },
    /// A deleted tenant had this id.
    #[error(
        "the id `{id}` belonged to a tenant that was deleted; choose another, or `reuse_retired_id` for a new, empty tenant"
    )]
    Retired {
        /// The id.
        id: TenantId,
    },
    /// Another tenant answers at this subdomain.
    #[error("the subdomain `{subdomain}` belongs to tenant `{by}`; choose another")]
    SubdomainTaken {
        /// The subdomain.
        subdomain: Subdomain,
        /// Whose it is.
        by: TenantId,
    },
    /// The display name.
    #[error(transparent)]
    DisplayName(#[from] DisplayNameError),
    /// The subdomain.
    #[error(transparent)]
    Subdomain(#[from] SubdomainError),
    /// The quota.
    #[error(transparent)]
    Quota(#[from] QuotaOutOfRange),
    /// A step on the database's files failed.
    #[error("the tenant's database could not be made")]
    Storage(#[from] StorageError),
    /// The catalogue.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The tenant was created, and could not be looked up afterwards.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What an earlier attempt left could not be cleared away.
    #[error(transparent)]
    Unfinished(#[from] LifecycleError),
    /// It failed, and what it had made could not be removed.
    #[error(
        "creating tenant `{id}` failed, and undoing it too ({undo}); it is undone when the library is opened next"
    )]
    NotUndone {
        /// The id.
        id: TenantId,
        /// Why it failed.
        #[source]
        error: Box<dyn std::error::Error + Send + Sync>,
        /// Why it could not be undone.
        undo: Box<LifecycleError>,
    },
}

impl CreateError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::InProgress { .. } => true,
            Self::Open(error) => error.is_retryable(),
            Self::Storage(error) => error.is_retryable(),
            Self::Unfinished(error) => error.is_retryable(),
            Self::Catalog(error) => error.is_retryable(),
            _ => false,
        }
    }
}

/// Why an operation on a tenant did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LifecycleError {
    /// The tenant is not known, or the catalogue could not be asked.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It went away in the meantime.
    #[error("tenant `{id}` is not known any more")]
    Unknown {
        /// The tenant.
        id: TenantId,
    },
    /// No tenant has, or had, this uuid.
    #[error("no tenant of the uuid {uuid} is in the catalogue")]
    UnknownUuid {
        /// The uuid asked for.
        uuid: uuid::Uuid,
    },
    /// Its status does not allow it.
    #[error("tenant `{id}` is {status}{}", match (status, to) {
        (Status::Archived, Some(Status::Suspended)) =>
            " and not in use; `unarchive` brings it back, and takes its deletion back".to_owned(),
        (Status::Active, Some(Status::Suspended)) => " and was not archived".to_owned(),
        (_, Some(to)) => format!(" and cannot become {to}"),
        (_, None) => String::new(),
    })]
    WrongStatus {
        /// The tenant.
        id: TenantId,
        /// Its status.
        status: Status,
        /// The status asked for, if one was.
        to: Option<Status>,
    },
    /// Something else is being done to it.
    #[error("tenant `{id}` is in the middle of a {kind}; wait for it")]
    InProgress {
        /// The tenant.
        id: TenantId,
        /// What is being done.
        kind: OperationKind,
    },
    /// The catalogue is older than the databases, and the newest rows are not in the generation it names. What would be
    /// made of that one would come before them.
    #[error(
        "generation {generation} of tenant `{id}` is on the disk and newer than the catalogue, which was put back to an \
         earlier day; end all processes and restore the shared database from its newest backup (`restore-shared`), \
         which finds it again; remove nothing"
    )]
    NewerGeneration {
        /// The tenant.
        id: TenantId,
        /// The newest generation on the disk.
        generation: u64,
    },
    /// Contexts stayed open.
    #[error(
        "{open} contexts on tenant `{id}` were still open after {waited:?}; it is as it was before"
    )]
    Busy {
        /// The tenant.
        id: TenantId,
        /// Contexts that are open in this process.
        open: usize,
        /// How long was waited.
        waited: Duration,
    },
    /// A step on its files failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Its database could not be opened.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A migration failed.
    #[error("tenant `{id}` could not be migrated")]
    Migrate {
        /// The tenant.
        id: TenantId,
        /// Which one and why.
        #[source]
        source: Box<MigrateError>,
    },
    /// Its schema could not be read.
    #[error("the schema of tenant `{id}` cannot be read")]
    Schema {
        /// The tenant.
        id: TenantId,
        /// Diesel's error.
        #[source]
        source: diesel::result::Error,
    },
    /// A backup that was left half done could not be settled.
    #[error("a backup that was left half done could not be settled")]
    Backup(#[source] Box<BackupError>),
    /// An old generation that was given up could not be removed.
    #[error("an old generation that was given up could not be removed")]
    Discard(#[source] Box<RestoreError>),
    /// The catalogue.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl From<BackupError> for LifecycleError {
    fn from(error: BackupError) -> Self {
        Self::Backup(Box::new(error))
    }
}

impl LifecycleError {
    pub(crate) fn schema(id: TenantId, source: diesel::result::Error) -> Self {
        let source = withhold(source);
        Self::Schema { id, source }
    }

    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::InProgress { .. } | Self::Busy { .. } => true,
            Self::Open(error) => error.is_retryable(),
            Self::Storage(error) => error.is_retryable(),
            Self::Connect(error) => error.is_retryable(),
            Self::Migrate { source, .. } => source.is_retryable(),
            Self::Backup(error) => error.is_retryable(),
            Self::Discard(error) => error.is_retryable(),
            Self::Catalog(error) => error.is_retryable(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    /// From 128 bytes on clippy warns everybody who returns it (`result_large_err`).
    #[test]
    fn the_error_of_everything_is_not_too_large_to_return() {
        assert!(std::mem::size_of::<super::Error>() < 128);
    }
}
