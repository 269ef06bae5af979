//! Why a deletion was not scheduled, a hold not set.
use super::{LifecycleError, OpenError};
use crate::display_name::DisplayNameError;
use crate::tenant_id::TenantId;

/// Why [`Tenancy::delete`](crate::Tenancy::delete), [`undelete`](crate::Tenancy::undelete),
/// [`hold`](crate::Tenancy::hold) or [`release_hold`](crate::Tenancy::release_hold) changed nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RetentionError {
    /// As any operation on a tenant.
    #[error(transparent)]
    Lifecycle(#[from] LifecycleError),
    /// The confirmation is not the tenant's id.
    #[error("deleting needs the tenant's id, `{id}`, typed exactly as confirmation")]
    NotConfirmed {
        /// The tenant.
        id: TenantId,
    },
    /// More than [`Retention::LONGEST`](crate::Retention::LONGEST).
    #[error(
        "tenant `{id}` is kept for 36500 days, a hundred years, at the longest; give a shorter retention"
    )]
    TooLong {
        /// The tenant.
        id: TenantId,
    },
    /// The reason of a hold, which people will read years later.
    #[error(
        "the reason for the legal hold on tenant `{id}` cannot be kept; give one that reads like a display name"
    )]
    HoldReason {
        /// The tenant.
        id: TenantId,
        /// What is wrong with it.
        #[source]
        source: DisplayNameError,
    },
}

impl RetentionError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Lifecycle(error) if error.is_retryable())
    }
}

impl From<OpenError> for RetentionError {
    fn from(error: OpenError) -> Self {
        Self::Lifecycle(error.into())
    }
}
