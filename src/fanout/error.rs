//! What can go wrong when all tenants are visited.
use std::fmt;

use crate::error::{CatalogError, OpenError, StaleGeneration, TenantFenced};
use crate::tenant_id::TenantId;

/// Why a fan-out did not begin. What goes wrong with one tenant is in its report instead: see [`VisitError`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FanOutError {
    /// The catalogue could not say which tenants there are.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The system gave no thread.
    #[error(
        "no thread could be started to go over the tenants; try again with less load on the machine"
    )]
    NoThread(#[source] std::io::Error),
}

impl FanOutError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Catalog(error) => error.is_retryable(),
            Self::NoThread(_) => true,
        }
    }
}

/// Why one tenant was not read. The others were all the same.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VisitError {
    /// No context was opened: the tenant is unknown, not active, missing, damaged, or there was no connection to be had.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A query failed, or the closure returned an error of its own.
    #[error("reading tenant `{id}` failed")]
    Query {
        /// The tenant.
        id: TenantId,
        /// Diesel's error.
        #[source]
        source: diesel::result::Error,
    },
    /// The closure panicked. The panic's message is not kept, since it may hold what was read; the panic hook had it.
    #[error("the closure panicked on tenant `{id}`; the process' panic output says where")]
    Panicked {
        /// The tenant.
        id: TenantId,
    },
}

impl VisitError {
    /// Whether another visit may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Open(error) => error.is_retryable(),
            Self::Query { source, .. } => has_moved(source),
            Self::Panicked { .. } => false,
        }
    }
}

/// Whether the tenant got another database while the context was open: a new context is on that one.
pub(crate) fn has_moved(error: &diesel::result::Error) -> bool {
    StaleGeneration::of(error).is_some() || TenantFenced::of(error).is_some()
}

/// An error and its causes on one line, for reports that leave the process.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl serde::Serialize for VisitError {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Chain(self))
    }
}
