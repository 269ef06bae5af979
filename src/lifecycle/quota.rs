//! How much a tenant may hold, and how much it does.
use super::settling;
use crate::backend::{Backend, Storage};
use crate::error::{LifecycleError, QuotaError, QuotaOutOfRange};
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;

/// How much a tenant holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Usage {
    /// Bytes of its database: what its quota counts.
    pub bytes: u64,
    /// Those of them that hold nothing, and are used before the database grows.
    pub free: u64,
    /// Bytes on disk, the WAL included.
    pub on_disk: u64,
    /// The most bytes its database may have: its own quota, or that of its plan; `None` without a limit.
    pub quota: Option<u64>,
}

impl Usage {
    /// Bytes that can still be written before the quota is reached, at the least; `None` without a limit.
    pub fn left(&self) -> Option<u64> {
        let quota = self.quota?;
        Some(quota.saturating_sub(self.bytes) + self.free)
    }
}

impl<C: Backend> Tenancy<C> {
    /// Sets the most bytes a tenant's database may have, or leaves that to its plan.
    ///
    /// Rounded up to whole pages (4 KiB unless changed). Counted are the pages of the database, those without
    /// content included; the WAL comes on top. A database that is larger already keeps what it has: rows can be read,
    /// changed and deleted, it can be compacted, and only growing is refused. A statement that would grow it fails
    /// with [`QuotaExceeded`](crate::error::QuotaExceeded).
    ///
    /// Holds for contexts opened from now on, in other processes within their freshness bound (default 1 s); those
    /// that are open go on with what they had. Migrations, and what the library itself does to a tenant, are not
    /// bound by it.
    ///
    /// # Errors
    /// See [`QuotaError`].
    pub fn set_quota(&self, id: &TenantId, bytes: Option<u64>) -> Result<(), QuotaError> {
        bytes.map_or(Ok(()), QuotaOutOfRange::check)?;
        let record = self.registry.tenant(id)?.record();
        let uuid = record.uuid;
        Ok(settling(&self.registry, record.id, None, |c| {
            c.set_quota(uuid, bytes)
        })?)
    }

    /// Sets the plan a tenant is on, in the application's words, or says that it is on none.
    ///
    /// It decides nothing but the quota of a tenant that has none of its own; see
    /// [`Builder::plan_quota`](crate::Builder::plan_quota) and [`set_quota`](Self::set_quota), also for when it holds.
    ///
    /// # Errors
    /// See [`LifecycleError`].
    pub fn set_plan(&self, id: &TenantId, plan: Option<&str>) -> Result<(), LifecycleError> {
        let record = self.registry.tenant(id)?.record();
        let uuid = record.uuid;
        settling(&self.registry, record.id, None, |c| c.set_plan(uuid, plan))
    }

    /// How much a tenant holds now. Opens a connection of its own to it, whatever the tenant's status.
    ///
    /// # Errors
    /// Its database cannot be opened or read.
    pub fn usage(&self, id: &TenantId) -> Result<Usage, LifecycleError> {
        let registry = &self.registry;
        let record = registry.tenant(id)?.record();
        let storage = &registry.common.storage;
        let mut opened = storage.connect_tenant(&record.key(), record.generation)?;
        let pages = storage.pages(&mut opened.conn);
        let pages = pages.map_err(|source| LifecycleError::Schema {
            id: record.id,
            source,
        })?;
        Ok(Usage {
            bytes: pages.bytes,
            free: pages.free,
            on_disk: storage.size(&record.key(), record.generation)?,
            quota: registry.settings.quota(&record),
        })
    }
}
