//! Why the audit log could not be read or written.
use std::time::Duration;

use super::{CatalogError, OpenError};

/// Why the audit log could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// Entries must stay for longer than that.
    #[error("audit entries are kept for {shortest:?} at least, not for {asked:?}")]
    RetentionTooShort {
        /// What was asked for.
        asked: Duration,
        /// The shortest there is.
        shortest: Duration,
    },
    /// The shared database.
    #[error(transparent)]
    Open(OpenError),
    /// The catalogue, which the log is part of.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// What was exported could not be written out.
    #[error("the audit log could not be written out")]
    Write(#[from] std::io::Error),
}

impl AuditError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Open(error) => error.is_retryable(),
            Self::Catalog(error) => error.is_retryable(),
            _ => false,
        }
    }
}
