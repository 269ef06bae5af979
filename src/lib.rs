//! A database for every tenant, a shared one for the rest, and a compiler that keeps queries where they belong.
#![deny(missing_docs)]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(feature = "sqlite"))]
compile_error!("diesel-tenants needs a backend: enable the `sqlite` feature (it is a default one)");

pub mod backend;
mod base_domains;
mod catalog;
mod clock;
mod context;
mod database;
mod display_name;
pub mod doors;
pub mod error;
mod excerpt;
mod failpoint;
pub mod id;
mod lifecycle;
pub mod migrate;
#[cfg(feature = "hospital")]
pub mod models;
pub mod money;
pub mod pool;
mod provision;
mod registry;
mod router;
pub mod scope;
mod subdomain;
mod tenancy;
mod tenant_id;
#[cfg(feature = "testing")]
pub mod testing;

pub use base_domains::{BaseDomainError, BaseDomains, HostError, HostFault};
pub use catalog::{OperationKind, Status, TenantRecord};
pub use context::{
    Context, LoadRouted, RunQueryDsl, SaveChangesDsl, SharedContext, Statement, TenantContext,
    Unrouted,
};
pub use display_name::{CsvSafe, DisplayName, DisplayNameError};
pub use error::{CreateError, Error, LifecycleError, OpenError, SetupError, WrongScope};
pub use lifecycle::Compacted;
pub use migrate::{MigrationScript, MigrationSet};
pub use pool::{Overflow, PoolConfig, PoolStats};
pub use provision::NewTenant;
pub use registry::TenantHandle;
pub use router::{RouteEntry, RoutingTable};
pub use scope::{Admits, Route, ScopeKind, Shared, Tenant};
pub use subdomain::{Subdomain, SubdomainError};
pub use tenancy::{Builder, SchemaPolicy, Sqlite, Tenancy};
pub use tenant_id::{FoldedTenantId, TenantId, TenantIdError};

#[doc(hidden)]
pub use router::private as __private;

/// The only import an application needs: Diesel's prelude with this crate's query methods, the contexts and
/// [`routes!`].
pub mod prelude {
    pub use crate::{
        Context, DisplayName, MigrationScript, MigrationSet, NewTenant, RunQueryDsl,
        SaveChangesDsl, ScopeKind, Shared, SharedContext, Status, Subdomain, Tenancy, Tenant,
        TenantContext, TenantHandle, TenantId, WrongScope, routes,
    };
    pub use diesel::prelude::*;
}
