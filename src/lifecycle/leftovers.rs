//! What was being made in a tenant's directory and belongs to no operation any more.
//!
//! An operation is in the journal before it makes anything there, and what it has made under a staging name is removed
//! before the journal is closed. So what stands under such a name while no operation is open is nobody's: a shared database
//! that was restored does not know what was under way when its successor was lost.
use uuid::Uuid;

use super::{clear_unfinished, refusal};
use crate::audit::AuditNote;
use crate::backend::{Backend, Storage};
use crate::catalog::{Changed, Status};
use crate::error::LifecycleError;
use crate::failpoint::hit;
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;

/// Files in a tenant's directory that an operation was making which is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leftover {
    /// The tenant.
    pub id: TenantId,
    /// The tenant's uuid.
    pub uuid: Uuid,
    /// Their names in its directory.
    pub names: Vec<String>,
}

/// The statuses in which a tenant has what no operation is making.
const SETTLED: [Status; 3] = [Status::Active, Status::Suspended, Status::Archived];

impl<C: Backend> Tenancy<C> {
    /// What operations that are no more have left unfinished in the directories of tenants. Reads names alone, opens no
    /// database and changes nothing. [`remove_leftovers`](Self::remove_leftovers) removes it.
    ///
    /// # Errors
    /// The catalogue or a directory cannot be read.
    pub fn leftovers(&self) -> Result<Vec<Leftover>, LifecycleError> {
        let mut left = Vec::new();
        for record in self.registry.tenants()? {
            let names = self.registry.common.storage.staged(&record.key())?;
            // Asked afterwards: an operation is in the journal before it makes anything.
            if !names.is_empty()
                && SETTLED.contains(&record.status)
                && self
                    .registry
                    .ask(|c| c.catalog_open_operation(record.uuid))?
                    .is_none()
            {
                left.push(Leftover {
                    id: record.id,
                    uuid: record.uuid,
                    names,
                });
            }
        }
        Ok(left)
    }

    /// Removes what operations that are no more have left unfinished in a tenant's directory, and returns the names. No
    /// operation on the tenant begins meanwhile, in whichever process; contexts go on. No generation is touched, whether or
    /// not it is in use.
    ///
    /// # Errors
    /// See [`LifecycleError`]; [`InProgress`](LifecycleError::InProgress) while somebody works on the tenant.
    pub fn remove_leftovers(&self, id: &TenantId) -> Result<Vec<String>, LifecycleError> {
        let registry = &self.registry;
        let record = registry.tenant(id)?.record();
        clear_unfinished(registry, record.uuid)?;
        if let Some(operation) = registry.ask(|c| c.catalog_open_operation(record.uuid))? {
            let refused = Changed::InProgress(operation);
            return Err(refusal(record.id, None, refused));
        }
        let (key, storage) = (record.key(), &registry.common.storage);
        let names = storage.staged(&key)?;
        if names.is_empty() {
            return Ok(names);
        }
        let removed = AuditNote::of_library("leftover.remove")
            .about(key)
            .with("files", names.len());
        registry.audit(&removed)?;
        hit("leftover.entered");
        let mut removed = Ok(Vec::new());
        let idle = registry.write(|c| {
            let settled = |status| SETTLED.contains(&status);
            c.retention_while_idle(record.uuid, &settled, &mut || {
                removed = storage.remove_staged(&key);
            })
        })?;
        match idle {
            Changed::Done => Ok(removed?),
            refused => Err(refusal(record.id, None, refused)),
        }
    }
}
