//! The final backup: what is left of a tenant that is purged, where that was asked for.
//!
//! | step | failpoint after it | killed here, the next open |
//! |---|---|---|
//! | status `restoring`, if neither date, hold nor clock forbids the purge; journal, as a `final-backup` | `final-backup.begun` | puts the status back |
//! | contexts of this process drained; fence raised, statements of all processes drained | `final-backup.fenced` | lowers the fence, status back |
//! | backup, looked into | those of the [backup](crate::backup), `final-backup.taken` | the same; the backup stays |
//! | **status `deleting`**, if nothing forbids it now either and the backup counts; in the journal it is a `purge` | `purge.begun` | finishes the [purge](super::purge) |
//!
//! It is taken by the purge and not by the deletion before it: a deletion removes nothing and may be taken back, and what
//! is written until the purge (a migration, an undone deletion) would not be in it. Under the fence nothing is.
//!
//! It has a name of its own in the journal, for processes of an earlier build that work beside this one: they finish whatever
//! is called a purge, and leave what they do not know to the build that began it.
use uuid::Uuid;

use super::generation::{cannot_be_fenced, lower_fence};
use super::purge::{begin_purge, not_begun};
use super::{Running, drain, settled};
use crate::backend::{Backend, Storage};
use crate::backup::{self, BackupOptions, BackupReason};
use crate::catalog::{Operation, Outcome, PurgeAsked, PurgeBegun, Status, TenantRecord};
use crate::error::{LifecycleError, PurgeError};
use crate::failpoint::hit;
use crate::registry::{Registry, Tenant};

/// Begins a purge by taking the final backup. Fails whole: the tenant is archived as it was.
pub(super) fn begin<'a, C: Backend>(
    registry: &'a Registry<C>,
    tenant: &Tenant<C>,
    asked: PurgeAsked,
    options: &BackupOptions,
) -> Result<(Operation, Running<'a, C>), PurgeError> {
    let (operation, running) = begin_purge(registry, tenant, asked, Status::Restoring)?;
    hit("final-backup.begun");
    let begun = take(registry, tenant, &operation, options)
        .and_then(|backup| commit(registry, tenant, &operation, asked, backup));
    let purge = settled(registry, &operation, begun)?;
    Ok((purge, running))
}

fn take<C: Backend>(
    registry: &Registry<C>,
    tenant: &Tenant<C>,
    operation: &Operation,
    options: &BackupOptions,
) -> Result<Uuid, PurgeError> {
    let record = tenant.record();
    drain(registry, tenant)?;
    let storage = &registry.common.storage;
    let wait = registry.settings.drain_timeout;
    match storage.fence(&record.key(), operation.from_generation, wait) {
        // What is lost has nothing that could be backed up: the backup says so.
        Err(error) if cannot_be_fenced::<C>(&error) => {}
        raised => raised?,
    }
    hit("final-backup.fenced");
    let options = options.clone().reason(BackupReason::Final);
    let taken = backup::take(registry, tenant, &options);
    let taken = taken.map_err(|source| PurgeError::FinalBackup {
        id: record.id,
        source: Box::new(source),
    })?;
    hit("final-backup.taken");
    Ok(taken.id)
}

fn commit<C: Backend>(
    registry: &Registry<C>,
    tenant: &Tenant<C>,
    operation: &Operation,
    asked: PurgeAsked,
    backup: Uuid,
) -> Result<Operation, PurgeError> {
    match registry.change(|c| c.retention_commit_purge(operation, &asked, backup))? {
        PurgeBegun::Done(purge) => Ok(purge),
        refused => Err(not_begun(tenant.record().id, refused)),
    }
}

/// Undoes a purge that had not reached its commit point.
pub(super) fn undo<C: Backend>(
    registry: &Registry<C>,
    record: &TenantRecord,
    operation: &Operation,
) -> Result<(), LifecycleError> {
    lower_fence(registry, operation, &record.key())?;
    hit("settle.unfenced");
    let as_before = Outcome {
        status: operation.prior_status,
        generation: operation.from_generation,
        schema: None,
        keep_old: false,
    };
    Ok(registry.change(|c| c.catalog_commit(operation, &as_before))?)
}
