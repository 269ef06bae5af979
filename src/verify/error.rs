//! Why nothing could be said about a database.
use crate::backend::StorageError;
use crate::catalog::Status;
use crate::error::{CatalogError, OpenError};
use crate::tenant_id::TenantId;

/// Why nothing could be said about a database. What is wrong *with* one is no error but a
/// [`Finding`](crate::verify::Finding).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The tenant is not known, the catalogue could not be asked, or no connection was free.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// In this status a tenant has no database of its own yet or any more.
    #[error("tenant `{id}` is {status}, there is no database to verify")]
    NoDatabase {
        /// The tenant.
        id: TenantId,
        /// Its status.
        status: Status,
    },
    /// What the schema should be could not be worked out.
    #[error("the schema that this program's migrations make cannot be worked out")]
    Wanted(#[source] StorageError),
    /// A directory could not be listed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The catalogue.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl VerifyError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Open(error) => error.is_retryable(),
            Self::NoDatabase { status, .. } => *status == Status::Provisioning,
            Self::Wanted(error) | Self::Storage(error) => error.is_retryable(),
            Self::Catalog(error) => error.is_retryable(),
        }
    }
}
