//! Why somebody was not let in.
use std::time::Duration;

use super::{CatalogError, OpenError, TenantUnavailable};
use crate::tenant_id::TenantId;

/// Why no context was opened for somebody, or no glass broken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// Nobody said who is a member of what, so nobody is.
    #[error(
        "nobody may open a tenant by membership: no source was given; pass one to `Builder::membership`"
    )]
    NoMembershipSource,
    /// The actor is no member, and has no break-glass grant.
    #[error(
        "the actor is not a member of tenant `{id}`; enter the membership, or break the glass with a reason"
    )]
    NotAMember {
        /// The tenant.
        id: TenantId,
    },
    /// The source of memberships failed.
    #[error("it could not be looked up whether the actor is a member of tenant `{id}`")]
    Membership {
        /// The tenant.
        id: TenantId,
        /// Diesel's error.
        #[source]
        source: diesel::result::Error,
    },
    /// A break-glass grant for too long, or for no time.
    #[error(
        "a break-glass grant may last {longest:?} at most and must last some time, not {asked:?}"
    )]
    TooLong {
        /// What was asked for.
        asked: Duration,
        /// The longest there is.
        longest: Duration,
    },
    /// The tenant is not known, or could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The audit log or the grants could not be read or written. Nobody is let in without.
    #[error(transparent)]
    Catalog(CatalogError),
}

impl AccessError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Open(error) => error.is_retryable(),
            Self::Catalog(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// What an untrusted caller may be told: a tenant that is unknown, suspended, archived or deleted, and one whose
    /// member the caller is not, are one and the same.
    ///
    /// `None` for errors that say nothing about which tenants there are.
    pub fn for_untrusted(&self) -> Option<TenantUnavailable> {
        match self {
            Self::NotAMember { .. } => Some(TenantUnavailable),
            Self::Open(error) => error.for_untrusted(),
            _ => None,
        }
    }
}
