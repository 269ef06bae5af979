//! A database for every tenant, a shared one for the rest, and a compiler that keeps queries where they belong.
#![forbid(unsafe_code)]

pub mod backend;
mod base_domains;
mod display_name;
mod excerpt;
pub mod failpoint;
pub mod migrate;
mod subdomain;
mod tenant_id;

pub use base_domains::{BaseDomainError, BaseDomains, HostError, HostFault};
pub use display_name::{CsvSafe, DisplayName, DisplayNameError};
pub use excerpt::Excerpt;
pub use subdomain::{Subdomain, SubdomainError};
pub use tenant_id::{FoldedTenantId, TenantId, TenantIdError};
