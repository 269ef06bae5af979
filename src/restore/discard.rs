//! Giving up an old generation: **catalogue moves it to those that are being removed** (`discard.begun`), its files go
//! (`discard.removed`) in the transaction that takes the row away (`discard.forgotten`). It is kept again where a legal hold
//! was laid in between.
use std::time::{Duration, SystemTime};

use super::RestoreError;
use crate::backend::{Backend, BackupStorage, Storage, StorageError, TenantKey};
use crate::catalog::TenantRecord;
use crate::catalog::backups::{GivenUp, Removal, Removing};
use crate::failpoint::hit;
use crate::registry::{ClockJump, Registry};
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;

/// What [`Tenancy::discard_old_generations`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Discarded {
    /// The numbers of the generations that are gone.
    pub generations: Vec<u64>,
    /// Those that are kept and would be gone, if the clock were [believed](Tenancy::i_checked_the_clock).
    pub held_by_clock: Vec<u64>,
    /// Why it is not.
    pub clock_jump: Option<ClockJump>,
}

fn discard_old<C: Backend>(
    registry: &Registry<C>,
    id: &TenantId,
    older_than: Duration,
) -> Result<Discarded, RestoreError> {
    let record = registry.tenant(id)?.record();
    let time = registry.see_clock()?;
    let mut discarded = Discarded {
        clock_jump: time.jump,
        ..Default::default()
    };
    let on_hold = |discarded: Discarded| RestoreError::OnHold {
        id: record.id,
        gone: discarded.generations,
    };
    for old in registry.ask(|c| c.catalog_generations(record.uuid))? {
        // One that was replaced in the future (the clock was set back) has no age.
        let age = |now: SystemTime| now.duration_since(old.replaced_at).unwrap_or_default();
        if age(time.believed) < older_than {
            if age(time.clock) >= older_than {
                discarded.held_by_clock.push(old.generation);
            }
            continue;
        }
        let storage = &registry.common.storage;
        storage.check_kept(&record.key(), old.generation)?;
        match registry.change(|c| c.generation_give_up(record.uuid, old.generation))? {
            GivenUp::Done => {
                hit("discard.begun");
                match finish_discard(registry, &record, old.generation)? {
                    true => discarded.generations.push(old.generation),
                    false => return Err(on_hold(discarded)),
                }
            }
            GivenUp::NotKept => {}
            GivenUp::OnHold => return Err(on_hold(discarded)),
        }
    }
    Ok(discarded)
}

/// False where a legal hold was laid while it was there still: it is kept again.
fn finish_discard<C: Backend>(
    registry: &Registry<C>,
    record: &TenantRecord,
    generation: u64,
) -> Result<bool, RestoreError> {
    let mut files = Files {
        storage: &registry.common.storage,
        key: record.key(),
        generation,
        removed: Ok(()),
    };
    let removal = registry.change(|c| c.generation_remove(record.uuid, generation, &mut files))?;
    match removal {
        Removal::Done => {}
        Removal::Failed => files.removed?,
        Removal::OnHold => return Ok(false),
        // It is kept again, or somebody else has removed it.
        Removal::NotGivenUp => {
            let kept = registry.ask(|c| c.catalog_generations(record.uuid))?;
            return Ok(kept.iter().all(|kept| kept.generation != generation));
        }
    }
    hit("discard.forgotten");
    Ok(true)
}

/// The files of a generation that was given up.
struct Files<'a, S> {
    storage: &'a S,
    key: TenantKey,
    generation: u64,
    removed: Result<(), StorageError>,
}

impl<S: Storage> Removing for Files<'_, S> {
    fn is_there(&mut self) -> bool {
        // The database goes first.
        matches!(self.storage.exists(&self.key, self.generation), Ok(true))
    }

    fn remove(&mut self) -> bool {
        self.removed = self.storage.discard_kept(&self.key, self.generation);
        hit("discard.removed");
        self.removed.is_ok()
    }
}

/// Removes the generations that were given up by whoever died over it. Removing is safe to do twice, also at once.
pub(crate) fn recover<C: Backend>(registry: &Registry<C>) -> Result<usize, RestoreError> {
    let (mut count, mut first_error) = (0, None);
    for (uuid, generation) in registry.ask(|c| c.generations_given_up())? {
        let Some(record) = registry.ask(|c| c.catalog_tenant(uuid))? else {
            continue;
        };
        match finish_discard(registry, &record, generation) {
            Ok(_) => count += 1,
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    match first_error {
        Some(error) => Err(error),
        None => Ok(count),
    }
}

impl<C: Backend> Tenancy<C> {
    /// Removes the old generations that were replaced at least this long ago. There is no way back: what they alone have is
    /// gone. A clock that has jumped ahead is believed a week beyond what the catalogue has seen, and no more: what is kept
    /// for that is in [`Discarded::held_by_clock`].
    ///
    /// # Errors
    /// See [`RestoreError`]. Once begun it is finished, if need be when the library is opened next.
    pub fn discard_old_generations(
        &self,
        id: &TenantId,
        older_than: Duration,
    ) -> Result<Discarded, RestoreError> {
        discard_old(&self.registry, id, older_than)
    }
}
