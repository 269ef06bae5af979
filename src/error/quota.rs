//! Why a quota was not set.
use super::{LifecycleError, OpenError};

/// A quota that is no number of bytes a database can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a quota of {bytes} bytes cannot be kept; give 1 to {} bytes, or none at all",
    i64::MAX
)]
#[non_exhaustive]
pub struct QuotaOutOfRange {
    /// The bytes given.
    pub bytes: u64,
}

impl QuotaOutOfRange {
    pub(crate) fn check(bytes: u64) -> Result<(), Self> {
        match (1..=i64::MAX as u64).contains(&bytes) {
            true => Ok(()),
            false => Err(Self { bytes }),
        }
    }
}

/// Why [`Tenancy::set_quota`](crate::Tenancy::set_quota) changed nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuotaError {
    /// As any operation on a tenant.
    #[error(transparent)]
    Lifecycle(#[from] LifecycleError),
    /// The number of bytes.
    #[error(transparent)]
    OutOfRange(#[from] QuotaOutOfRange),
}

impl QuotaError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Lifecycle(error) if error.is_retryable())
    }
}

impl From<OpenError> for QuotaError {
    fn from(error: OpenError) -> Self {
        Self::Lifecycle(error.into())
    }
}
