//! Why a tenant was not made anew.
use super::{LifecycleError, OpenError};
use crate::backup::BackupError;
use crate::tenant_id::TenantId;

/// Why [`Tenancy::recreate`](crate::Tenancy::recreate) left a tenant as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecreateError {
    /// As any operation on a tenant.
    #[error(transparent)]
    Lifecycle(#[from] LifecycleError),
    /// The confirmation is not the tenant's id.
    #[error("emptying a tenant needs its id, `{id}`, typed exactly as confirmation")]
    NotConfirmed {
        /// The tenant.
        id: TenantId,
    },
    /// No backup could be taken before, although its database is there.
    #[error(
        "tenant `{id}` was not backed up, and so not emptied; `RecreateOptions::without_backup` goes on without one"
    )]
    Backup {
        /// The tenant.
        id: TenantId,
        /// Why.
        #[source]
        source: Box<BackupError>,
    },
}

impl RecreateError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Lifecycle(error) => error.is_retryable(),
            Self::Backup { source, .. } => source.is_retryable(),
            Self::NotConfirmed { .. } => false,
        }
    }
}

impl From<OpenError> for RecreateError {
    fn from(error: OpenError) -> Self {
        Self::Lifecycle(error.into())
    }
}
