//! A tenant, looked up once.
use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use super::{Registry, Tenant};
use crate::backend::{Backend, DefaultConnection};
use crate::catalog::TenantRecord;
use crate::context::TenantContext;
use crate::error::OpenError;
use crate::tenant_id::TenantId;

/// A tenant that was looked up once: [`enter`](Self::enter) is the fast way to its contexts.
///
/// Cheap to clone, `Send` and `Sync`. It stays bound to the tenant it was made for: after the tenant is deleted, and
/// even if the id is taken again, it opens nothing.
pub struct TenantHandle<C: Backend = DefaultConnection> {
    registry: Arc<Registry<C>>,
    tenant: Arc<Tenant<C>>,
}

impl<C: Backend> TenantHandle<C> {
    pub(crate) fn new(registry: Arc<Registry<C>>, tenant: Arc<Tenant<C>>) -> Self {
        Self { registry, tenant }
    }

    /// Opens a context on the tenant's database.
    ///
    /// With a warm connection this takes no global lock and allocates nothing. Otherwise it opens one on this
    /// thread, which may close the least recently used connection of another tenant, or waits up to the checkout
    /// timeout (default 5 s) for one. Never creates a tenant.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn enter(&self) -> Result<TenantContext<C>, OpenError> {
        self.registry.enter(&self.tenant)
    }

    /// The tenant's id, as it was created.
    pub fn id(&self) -> TenantId {
        self.tenant.record().id
    }

    /// The uuid that names the tenant in paths and in the catalogue. Never used again, even if the id is.
    pub fn uuid(&self) -> Uuid {
        self.tenant.record().uuid
    }

    /// What the catalogue says of the tenant, at most the freshness bound (default 1 s) ago.
    ///
    /// # Errors
    /// The catalogue cannot be read.
    pub fn record(&self) -> Result<Arc<TenantRecord>, OpenError> {
        self.registry.freshen().map_err(OpenError::Catalog)?;
        Ok(self.tenant.record())
    }

    /// The same, from memory alone: never blocks on a database. `None` where what is known is older than the freshness
    /// bound: then ask [`record`](Self::record), off an async runtime's own threads.
    pub fn try_record(&self) -> Option<Arc<TenantRecord>> {
        self.registry.is_fresh().then(|| self.tenant.record())
    }
}

impl<C: Backend> Clone for TenantHandle<C> {
    fn clone(&self) -> Self {
        Self {
            registry: Arc::clone(&self.registry),
            tenant: Arc::clone(&self.tenant),
        }
    }
}

impl<C: Backend> fmt::Debug for TenantHandle<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TenantHandle")
            .field(&format_args!("{}", self.id()))
            .finish()
    }
}
