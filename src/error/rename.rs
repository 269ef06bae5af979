//! Why a tenant was not renamed.
use super::{CatalogError, LifecycleError, OpenError};
use crate::display_name::DisplayNameError;
use crate::subdomain::{Subdomain, SubdomainError};
use crate::tenant_id::TenantId;

/// Why [`Tenancy::rename`](crate::Tenancy::rename) changed nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenameError {
    /// As any operation on a tenant.
    #[error(transparent)]
    Lifecycle(#[from] LifecycleError),
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
}

impl RenameError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Lifecycle(error) if error.is_retryable())
    }
}

impl From<OpenError> for RenameError {
    fn from(error: OpenError) -> Self {
        Self::Lifecycle(error.into())
    }
}

impl From<CatalogError> for RenameError {
    fn from(error: CatalogError) -> Self {
        Self::Lifecycle(error.into())
    }
}
