//! Recreating: a tenant is emptied, its id, names and uuid stay.
//!
//! The steps are those of [`generation`](super::generation), with `stage.directory` · `stage.cloned` ·
//! `stage.stamped` for the staging database. Nothing is removed: the database of before is kept, fenced.
use super::{Next, Old, Staged, next_generation};
use crate::backend::{Backend, Storage};
use crate::catalog::{OperationKind, Status};
use crate::error::{LifecycleError, RecreateError};
use crate::registry::Registry;
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;

/// What [`Tenancy::recreate`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recreated {
    /// The generation in use now, which is empty.
    pub generation: u64,
    /// The generation of before, which is kept for an undo. `None` where there was no file any more.
    pub kept: Option<u64>,
    /// What was wrong with the database of before, where it could not be used any more. Its file is kept all the
    /// same.
    pub lost: Option<String>,
}

impl<C: Backend> Tenancy<C> {
    /// Gives a tenant a new and empty database, made from the template, in place of the one it has.
    ///
    /// `confirmation` is the tenant's id as it was created, typed by whoever decides. The old database is kept,
    /// fenced, as a generation of its own, and is removed neither here nor later unless somebody asks for it. Where
    /// it is missing or damaged, this goes on and says so. A suspended tenant stays suspended.
    ///
    /// The tenant is closed and fenced meanwhile, as by [`compact`](Self::compact).
    ///
    /// # Errors
    /// See [`RecreateError`]; the tenant then goes on with the database it had.
    pub fn recreate(&self, id: &TenantId, confirmation: &str) -> Result<Recreated, RecreateError> {
        recreate(&self.registry, id, confirmation)
    }
}

fn recreate<C: Backend>(
    registry: &Registry<C>,
    id: &TenantId,
    confirmation: &str,
) -> Result<Recreated, RecreateError> {
    let tenant = registry.tenant(id)?;
    let record = tenant.record();
    if confirmation != record.id.as_str() {
        return Err(RecreateError::NotConfirmed { id: record.id });
    }
    let (storage, set) = (&registry.common.storage, &registry.common.tenant_migrations);
    let fingerprint = registry.common.prepare_template();
    let fingerprint = fingerprint.map_err(LifecycleError::from)?.to_owned();
    let key = record.key();
    let next = Next {
        kind: OperationKind::Recreate,
        from: &[Status::Active, Status::Suspended],
        old: Old::Keep,
        over_lost: true,
    };
    let mut lost = None;
    let operation = next_generation(registry, &tenant, &next, |operation| {
        // It is fenced, or there is nothing that can be.
        let before = storage.connect_tenant(&key, operation.from_generation);
        lost = before.err().filter(|e| e.is_lost()).map(|e| e.to_string());
        storage.stage_from_template(&key, operation.to_generation, set)?;
        Ok::<_, LifecycleError>(Staged {
            schema: Some((set.latest().map(str::to_owned), fingerprint)),
        })
    })?;
    let from = operation.from_generation;
    let kept = storage.exists(&key, from).map_err(LifecycleError::from)?;
    Ok(Recreated {
        generation: operation.to_generation,
        kept: kept.then_some(from),
        lost,
    })
}
