//! The next generation of a tenant's database: made aside while nobody can write, then put in the place of the one
//! that is there.
//!
//! Compacting, restoring, undoing and recreating differ only in what the staging database is made of and in what
//! becomes of the old generation. Everything else is here, once:
//!
//! | step | failpoint after it | killed here, the next open |
//! |---|---|---|
//! | status `restoring`, a number for the next generation, journal | `generation.begun` | puts the status back |
//! | contexts of this process drained | `generation.drained` | puts the status back |
//! | fence raised, statements of all processes drained | `generation.fenced` | lowers the fence, status back |
//! | staging database made, checked, synced | `generation.staged` | removes it, lowers the fence, status back |
//! | staging database signed by the operation | `publish.signed` | the same |
//! | staging database gets its name | `generation.published` | the same: nobody has used it, as its signature says |
//! | **catalogue names the new generation** | `generation.committed` | removes the old one, unless it is kept |
//! | old generation removed, unless it is kept | `generation.removed` | has nothing to do |
//! | journal closed | `generation.closed` | has nothing to do |
use super::{begin, close, drain, is_ours, settled};
use crate::backend::{Backend, Storage, StorageError, Symptom, TenantKey};
use crate::catalog::{OldGeneration, Operation, OperationKind, Outcome, Status, TenantRecord};
use crate::error::LifecycleError;
use crate::failpoint::hit;
use crate::observe;
use crate::registry::{Registry, Tenant};

/// What a staging database was made to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Staged {
    /// Newest migration and fingerprint, where they are not those the catalogue has already.
    pub(crate) schema: Option<(Option<String>, String)>,
}

/// What is to become of the old generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Old {
    /// It is removed once the new one is in use.
    Remove,
    /// It stays, fenced, so that the operation can be undone.
    Keep,
}

/// How a tenant gets its next generation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Next<'a> {
    pub(crate) kind: OperationKind,
    /// The statuses it may begin in; the tenant has the same again afterwards.
    pub(crate) from: &'a [Status],
    pub(crate) old: Old,
    /// Whether it goes on where the present database is missing or damaged, and so can be neither fenced nor read.
    pub(crate) over_lost: bool,
}

/// A generation that is in use now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InUse {
    pub(crate) generation: u64,
    /// The one it has replaced, if that was kept.
    pub(crate) kept: Option<u64>,
}

/// Makes the next generation. `stage` makes the staging database of `operation.to_generation`, on which nobody can
/// have a connection; the present generation is fenced while it runs.
///
/// Fails whole: the tenant then goes on with the generation and the status it had.
pub(crate) fn next_generation<C: Backend, E: From<LifecycleError> + std::fmt::Display>(
    registry: &Registry<C>,
    tenant: &Tenant<C>,
    next: &Next<'_>,
    stage: impl FnOnce(&Operation) -> Result<Staged, E>,
) -> Result<InUse, E> {
    observe::operation(tenant.record().id, next.kind, || {
        let during = Some(Status::Restoring);
        let (operation, _running) = begin(registry, tenant, next.kind, next.from, during)?;
        hit("generation.begun");
        let made = make(registry, tenant, &operation, next, stage);
        let kept = settled(registry, &operation, made)?;
        Ok(InUse {
            generation: operation.to_generation,
            kept,
        })
    })
}

fn make<C: Backend, E: From<LifecycleError>>(
    registry: &Registry<C>,
    tenant: &Tenant<C>,
    operation: &Operation,
    next: &Next<'_>,
    stage: impl FnOnce(&Operation) -> Result<Staged, E>,
) -> Result<Option<u64>, E> {
    let key = tenant.record().key();
    let storage = &registry.common.storage;
    let (from, to) = (operation.from_generation, operation.to_generation);

    drain(registry, tenant)?;
    hit("generation.drained");
    match storage.fence(&key, from, registry.settings.drain_timeout) {
        // Nobody can write into what is lost, and what is too damaged to be fenced is given up with what is written there.
        Err(error) if next.over_lost && cannot_be_fenced::<C>(&error) => {}
        raised => raised.map_err(LifecycleError::from)?,
    }
    hit("generation.fenced");
    let staged = stage(operation)?;
    hit("generation.staged");
    let published = storage.publish(&key, to, operation.id);
    published.map_err(LifecycleError::from)?;
    hit("generation.published");
    let keep = next.old == Old::Keep && storage.exists(&key, from).map_err(LifecycleError::from)?;
    let flipped = Outcome {
        status: operation.prior_status,
        generation: to,
        schema: staged.schema,
        keep_old: keep,
    };
    let committed = registry.change(|c| c.catalog_commit(operation, &flipped));
    committed.map_err(LifecycleError::from)?;
    hit("generation.committed");
    if keep || storage.remove_generation(&key, from).is_ok() {
        hit("generation.removed");
        close(registry, operation);
    }
    hit("generation.closed");
    Ok(keep.then_some(from))
}

/// Whether a database can be neither fenced nor freed of its fence, and never will be: it is not there any more, or so damaged
/// that it takes no change, although it may be opened and read.
pub(super) fn cannot_be_fenced<C: Backend>(error: &StorageError) -> bool {
    match error {
        StorageError::Connect(error) => error.is_lost(),
        StorageError::Query { source, .. } => C::symptom(source) == Some(Symptom::Damaged),
        _ => false,
    }
}

/// Lowers the fence of the generation that stays in use. Where somebody else has taken the operation over meanwhile, it may be
/// that of the next one, and whoever asks changes nothing in the catalogue either.
pub(super) fn lower_fence<C: Backend>(
    registry: &Registry<C>,
    operation: &Operation,
    key: &TenantKey,
) -> Result<(), LifecycleError> {
    if !is_ours(registry, operation)? {
        return Ok(());
    }
    let storage = &registry.common.storage;
    match storage.unfence(key, operation.from_generation) {
        // What is lost carries no fence, and one that is too damaged to be changed keeps it: `verify` says so. The tenant gets
        // its status back, or it could never be restored or deleted.
        Err(error) if cannot_be_fenced::<C>(&error) => Ok(()),
        lowered => Ok(lowered?),
    }
}

/// Finishes or undoes what was left of making a new generation.
pub(super) fn settle<C: Backend>(
    registry: &Registry<C>,
    operation: &Operation,
    record: &TenantRecord,
) -> Result<(), LifecycleError> {
    let storage = &registry.common.storage;
    let key = record.key();
    if record.generation == operation.to_generation {
        let kept = registry.ask(|c| c.catalog_generations(record.uuid))?;
        let is_kept = |kept: &OldGeneration| kept.generation == operation.from_generation;
        if !kept.iter().any(is_kept) {
            storage.remove_generation(&key, operation.from_generation)?;
        }
        return Ok(());
    }
    // A compaction removes the old database after its commit point only: where that is gone, this catalogue is from
    // before that point, and the new one is all there is, used or not.
    let (from, to) = (operation.from_generation, operation.to_generation);
    let needed = (operation.kind == OperationKind::Compact).then_some(from);
    storage.discard(&key, to, operation.id, needed)?;
    hit("settle.removed");
    lower_fence(registry, operation, &key)?;
    hit("settle.unfenced");
    let as_before = Outcome {
        status: operation.prior_status,
        generation: from,
        schema: None,
        keep_old: false,
    };
    Ok(registry.change(|c| c.catalog_commit(operation, &as_before))?)
}
