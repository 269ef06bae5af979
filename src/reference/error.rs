//! What can go wrong when a list is pushed to all tenants.
use crate::error::{CatalogError, OpenError};
use crate::excerpt::Excerpt;
use crate::fanout::{Chain, has_moved};
use crate::tenant_id::TenantId;

/// Why a [`ReferenceList`](crate::ReferenceList) cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceListError {
    /// The name.
    #[error(
        "{name} cannot name a reference list; 1 to 64 of a-z, 0-9, `_` and `-`, a letter first"
    )]
    Name {
        /// What was given.
        name: Excerpt,
    },
    /// The version.
    #[error("version {version} of a reference list; they count from 1 to 2^63 - 1")]
    Version {
        /// What was given.
        version: u64,
    },
}

/// Why a push did not begin, or the standing of a list is not known. What goes wrong with one tenant is in the report
/// instead: see [`PushError`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// A newer version was pushed before.
    #[error(
        "version {version} of `{list}` is older than version {newest}, which was pushed before; give the content a higher version to bring it back"
    )]
    Older {
        /// The list.
        list: String,
        /// The version that was to be pushed.
        version: u64,
        /// The newest one.
        newest: u64,
    },
    /// The same version was pushed with another content.
    #[error(
        "version {version} of `{list}` was pushed with another content before; give the new content a higher version"
    )]
    ContentChanged {
        /// The list.
        list: String,
        /// The version.
        version: u64,
    },
    /// No list of this name was ever pushed.
    #[error("no list {list} was ever pushed; see `Tenancy::reference_lists`")]
    UnknownList {
        /// The name.
        list: Excerpt,
    },
    /// The catalogue.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The system gave no thread.
    #[error(
        "no thread could be started to go over the tenants; try again with less load on the machine"
    )]
    NoThread(#[source] std::io::Error),
}

impl ReferenceError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Catalog(error) => error.is_retryable(),
            Self::NoThread(_) => true,
            _ => false,
        }
    }
}

/// Why one tenant did not get a list. It is as it was before; the others got it all the same.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// No context was opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A statement failed, or the list's closure returned an error of its own.
    #[error("bringing the list to tenant `{id}` failed; nothing of it was kept")]
    Query {
        /// The tenant.
        id: TenantId,
        /// Diesel's error.
        #[source]
        source: diesel::result::Error,
    },
    /// The tenant's database has this version with another content: it comes from another fleet, or from before the
    /// catalogue was restored.
    #[error(
        "tenant `{id}` has version {version} with another content; give the content a higher version"
    )]
    ContentChanged {
        /// The tenant.
        id: TenantId,
        /// The version.
        version: u64,
    },
    /// The list's closure panicked. The panic's message is not kept, since it may hold rows; the panic hook had it.
    #[error(
        "the list's closure panicked on tenant `{id}`; nothing was kept, the process' panic output says where"
    )]
    Panicked {
        /// The tenant.
        id: TenantId,
    },
}

impl PushError {
    /// Whether another push may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Open(error) => error.is_retryable(),
            Self::Query { source, .. } => has_moved(source),
            Self::ContentChanged { .. } | Self::Panicked { .. } => false,
        }
    }
}

impl serde::Serialize for PushError {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Chain(self))
    }
}
