//! Undoing: an old generation that was kept is copied to be the tenant's next one.
use super::{REPLACEABLE, RestoreError, refuse_deleted};
use crate::backend::{Backend, BackupStorage};
use crate::catalog::OperationKind;
use crate::lifecycle::{Next, Old, Staged, next_generation};
use crate::registry::Registry;
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;

/// What [`Tenancy::undo`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Undone {
    /// The generation in use now.
    pub generation: u64,
    /// The old one it is a copy of, which stays.
    pub copy_of: u64,
    /// The one it replaced, kept in turn.
    pub kept: Option<u64>,
}

fn undo<C: Backend>(
    registry: &Registry<C>,
    id: &TenantId,
    generation: Option<u64>,
    confirmation: &str,
) -> Result<Undone, RestoreError> {
    let tenant = registry.tenant(id)?;
    let record = tenant.record();
    if confirmation != record.id.as_str() {
        return Err(RestoreError::NotConfirmed { id: record.id });
    }
    refuse_deleted(&record)?;
    let id = record.id;
    let wanted = || -> Result<u64, RestoreError> {
        let old = registry.ask(|c| c.catalog_generations(record.uuid))?;
        let newest = old.first().ok_or(RestoreError::NothingToUndo { id })?;
        let generation = generation.unwrap_or(newest.generation);
        match old.iter().any(|old| old.generation == generation) {
            true => Ok(generation),
            false => Err(RestoreError::NotKept { id, generation }),
        }
    };
    // Asked before anybody is turned away, and again under the operation.
    wanted()?;
    let next = Next {
        kind: OperationKind::Undo,
        from: &REPLACEABLE,
        old: Old::Keep,
        over_lost: true,
    };
    let mut copy_of = 0;
    let made = next_generation(registry, &tenant, &next, |operation| {
        copy_of = wanted()?;
        let storage = &registry.common.storage;
        let schema = storage.stage_kept(&record.key(), copy_of, operation.to_generation)?;
        Ok::<_, RestoreError>(Staged {
            schema: Some(schema),
        })
    })?;
    Ok(Undone {
        generation: made.generation,
        copy_of,
        kept: made.kept,
    })
}

impl<C: Backend> Tenancy<C> {
    /// Makes a copy of the newest old generation the tenant's database, and keeps the present one in turn: undoing
    /// twice changes nothing.
    ///
    /// `confirmation` is the tenant's id: what was written since is not in the copy. The schema is that of the old
    /// generation.
    ///
    /// # Errors
    /// See [`RestoreError`]; the tenant then goes on with the database it had.
    pub fn undo(&self, id: &TenantId, confirmation: &str) -> Result<Undone, RestoreError> {
        undo(&self.registry, id, None, confirmation)
    }

    /// [`undo`](Self::undo) to an older generation than the newest: to one of
    /// [`old_generations`](Self::old_generations).
    ///
    /// # Errors
    /// [`RestoreError::NotKept`]; else as [`undo`](Self::undo).
    pub fn undo_to(
        &self,
        id: &TenantId,
        generation: u64,
        confirmation: &str,
    ) -> Result<Undone, RestoreError> {
        undo(&self.registry, id, Some(generation), confirmation)
    }
}
