//! What an operator asks of a fleet beside its tenants: what is unfinished, and how migrations and databases compare.
use crate::backend::{Backend, Storage};
use crate::catalog::{OperationKind, Status};
use crate::error::{LifecycleError, OpenError};
use crate::migrate::{self, MigrationSet, MigrationStatus};
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;

/// An operation that is under way, or was when its process died. See [`Tenancy::unfinished`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Unfinished {
    /// The tenant.
    pub tenant: TenantId,
    /// What is being done.
    pub kind: OperationKind,
    /// The tenant's status meanwhile.
    pub status: Status,
    /// Whether somebody works on it: a process that is alive, or a thread of this one. What nobody works on is settled by
    /// [`Tenancy::recover`].
    pub alive: bool,
}

impl<C: Backend> Tenancy<C> {
    /// The migrations every tenant's database has.
    pub fn tenant_migrations(&self) -> &MigrationSet {
        &self.registry.common.tenant_migrations
    }

    /// Operations on tenants that are under way, and those that could not be settled yet. Oldest first.
    ///
    /// # Errors
    /// The catalogue cannot be read, or it cannot be told which processes are alive.
    pub fn unfinished(&self) -> Result<Vec<Unfinished>, LifecycleError> {
        let storage = &self.registry.common.storage;
        let mut found = Vec::new();
        for operation in self.registry.ask(|c| c.catalog_open_operations())? {
            // It may have ended in the meantime, and a tenant that was being created be gone.
            let uuid = operation.tenant_uuid;
            let Some(record) = self.registry.ask(|c| c.catalog_tenant(uuid))? else {
                continue;
            };
            found.push(Unfinished {
                tenant: record.id,
                kind: operation.kind,
                status: record.status,
                // Whoever tries to settle it takes it over, and may have to give it up as well.
                alive: match operation.instance == storage.instance() {
                    true => self.registry.running.lock().contains(&operation.id),
                    false => storage.is_alive(operation.instance)?,
                },
            });
        }
        Ok(found)
    }

    /// The ledger of a tenant's database beside this program's migrations, whatever the tenant's status. Writes
    /// nothing, and also answers for a database that is behind or ahead.
    ///
    /// # Errors
    /// [`OpenError::UnknownTenant`]; the database cannot be opened, or its ledger not be read.
    pub fn migration_status(&self, id: &TenantId) -> Result<MigrationStatus, LifecycleError> {
        let common = &self.registry.common;
        let record = self.registry.tenant(id)?.record();
        let mut opened = common
            .storage
            .connect_tenant(&record.key(), record.generation)?;
        let status = migrate::status(&mut opened.conn, &common.tenant_migrations);
        status.map_err(|source| LifecycleError::Migrate {
            id: record.id,
            source: Box::new(source),
        })
    }

    /// The ids of all tenants, those that were deleted included: none of them can be taken by accident.
    ///
    /// # Errors
    /// [`OpenError::Catalog`].
    pub fn ids_ever_taken(&self) -> Result<Vec<TenantId>, OpenError> {
        let records = self.registry.ask(|c| c.catalog_changed_since(i64::MIN));
        let records = records.map_err(OpenError::Catalog)?;
        Ok(records.iter().map(|record| record.id).collect())
    }
}
