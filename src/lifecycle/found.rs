//! What is looked at in a tenant's directory before it is removed for good.
//!
//! Before the commit point of a [purge](super::purge), where nothing has been removed yet, and again by whoever finishes it.
use crate::backend::{Backend, Storage};
use crate::catalog::{Status, TenantRecord};
use crate::error::{LifecycleError, PurgeError};
use crate::registry::Registry;

/// Refuses what stands in the way of removing all of it. Returns what cannot be read.
pub(super) fn before<C: Backend>(
    registry: &Registry<C>,
    record: &TenantRecord,
    over_missing: bool,
) -> Result<Vec<u64>, PurgeError> {
    let unreadable = unreadable(registry, record)?;
    let there = registry.common.storage.generations(&record.key())?;
    let (id, missing) = (record.id, record.generation);
    match there.iter().max() {
        Some(_) if there.contains(&missing) => Ok(unreadable),
        // It was removed once that one was in its place, which the catalogue does not know any more.
        Some(&generation) if generation > missing => {
            Err(LifecycleError::NewerGeneration { id, generation }.into())
        }
        // A hand has moved it away.
        Some(_) if !over_missing => Err(PurgeError::OthersLeft { id, missing, there }),
        _ => Ok(unreadable),
    }
}

/// Refuses a directory of which a part is another tenant's. Returns the generations that cannot be read: those that are
/// damaged, and the one in use where it is not there.
pub(super) fn unreadable<C: Backend>(
    registry: &Registry<C>,
    record: &TenantRecord,
) -> Result<Vec<u64>, LifecycleError> {
    let (storage, key) = (&registry.common.storage, record.key());
    let mut unreadable = storage.check_owner(&key)?;
    let is_missing = !storage.exists(&key, record.generation)?;
    // Of one that was purged before none is missed.
    if is_missing && record.status != Status::Deleted {
        unreadable.push(record.generation);
    }
    Ok(unreadable)
}
