//! What can go wrong: one enum per operation, [`Error`] for all of them, and the errors that reach a caller through
//! Diesel.
use std::time::Duration;

use crate::backend::{ConnectError, StorageError};
use crate::catalog::{OperationKind, Status};
use crate::display_name::DisplayNameError;
use crate::migrate::{MigrateError, MigrationSetError};
use crate::subdomain::{Subdomain, SubdomainError};
use crate::tenant_id::{TenantId, TenantIdError};

mod access;
mod audit;
mod in_query;
mod workflow;

pub use access::AccessError;
pub use audit::AuditError;
pub(crate) use in_query::missing_table;
pub use in_query::{
    ContextPoisoned, MissingTable, ReadOnlyTransaction, StaleGeneration, TenantFenced, WrongScope,
};
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
    /// Of a tenant id.
    #[error(transparent)]
    TenantId(#[from] TenantIdError),
    /// Of a statement.
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
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
            Self::Audit(_) | Self::Setup(_) | Self::TenantId(_) | Self::Query(_) => false,
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
    /// A migration set that cannot be run.
    #[error("the migrations cannot be used")]
    Migrations(#[source] MigrationSetError),
    /// A migration of the shared database failed.
    #[error("the shared database cannot be migrated")]
    MigrateShared(#[source] MigrateError),
}

/// Why the catalogue could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The shared database could not be opened.
    #[error("the catalogue cannot be reached")]
    Connect(#[source] ConnectError),
    /// A statement failed.
    #[error("the catalogue cannot be read or changed")]
    Query(#[from] diesel::result::Error),
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
    #[error("tenant `{id}` is {status}, contexts are opened on active tenants only")]
    Unavailable {
        /// The tenant.
        id: TenantId,
        /// Its status.
        status: Status,
    },
    /// Its database was refused or could not be opened.
    #[error(transparent)]
    Connect(ConnectError),
    /// It was to be migrated on the way, and that failed.
    #[error("tenant `{id}` could not be migrated before it was opened")]
    MigrateOnOpen {
        /// The tenant.
        id: TenantId,
        /// The reason.
        #[source]
        source: Box<LifecycleError>,
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
        "tenant `{id}` exists already, as `{found}` ({status}); ids differ by more than case and `-` or `_`"
    )]
    AlreadyExists {
        /// The id asked for.
        id: TenantId,
        /// The one that has it.
        found: TenantId,
        /// Its status.
        status: Status,
    },
    /// Another process is creating it.
    #[error("tenant `{id}` is being created by another process; wait for it")]
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
    /// Its status does not allow it.
    #[error("tenant `{id}` is {status}{}", match to { Some(to) => format!(" and cannot become {to}"), None => String::new() })]
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
    /// The confirmation is not the tenant's id.
    #[error("deleting needs the tenant's id, `{id}`, typed exactly as confirmation")]
    NotConfirmed {
        /// The tenant.
        id: TenantId,
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
    /// The catalogue.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl LifecycleError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::InProgress { .. } | Self::Busy { .. } => true,
            Self::Open(error) => error.is_retryable(),
            Self::Storage(error) => error.is_retryable(),
            Self::Connect(error) => error.is_retryable(),
            _ => false,
        }
    }
}
