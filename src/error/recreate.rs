//! Why a tenant was not made anew.
use super::{LifecycleError, OpenError};
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
}

impl RecreateError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Lifecycle(error) if error.is_retryable())
    }
}

impl From<OpenError> for RecreateError {
    fn from(error: OpenError) -> Self {
        Self::Lifecycle(error.into())
    }
}
