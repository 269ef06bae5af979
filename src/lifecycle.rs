//! What happens to a tenant between its creation and its end, and how it is put right after a crash.
//!
//! An operation is a row in the journal: begun by one instance, committed at one point, closed when nothing is left
//! to clean up. One that was left open by an instance that is dead is *settled*: undone if it had not reached its
//! commit point, finished if it had. Settling is safe to repeat and safe between processes.
//!
//! | operation | steps, each with a failpoint | commit point |
//! |---|---|---|
//! | compact, and whatever makes a new generation | those of [`generation`], with `fence.raised` and the steps of staging: `copy.staged` · `copy.copied` · `copy.verified` | the catalogue names the new generation |
//! | delete | `delete.drained` · `delete.begun` · `delete.removed` · `delete.committed` · `delete.closed` | the status `deleting`: from there on it is finished |
//! | migrate | `migrate-tenant.begun`, those of the runner, `migrate-tenant.committed` · `migrate-tenant.closed` | each migration's own |
use uuid::Uuid;

use crate::backend::{Backend, Storage, StorageError};
use crate::catalog::{
    Begun, Changed, Intent, Operation, OperationKind, Outcome, Status, TenantRecord,
};
use crate::error::LifecycleError;
use crate::failpoint::hit;
use crate::migrate::{self, Applied, MigrateOptions};
use crate::registry::{Registry, Tenant};
use crate::tenant_id::TenantId;

mod generation;

pub(crate) use generation::{Next, Old, Staged, next_generation};

/// What [`Tenancy::compact`](crate::Tenancy::compact) did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compacted {
    /// Bytes of the old generation on disk.
    pub before: u64,
    /// Bytes of the new one.
    pub after: u64,
    /// The new generation.
    pub generation: u64,
}

/// Says that a thread of this process works on an operation, until it is dropped.
pub(crate) struct Running<'a, C: Backend> {
    registry: &'a Registry<C>,
    id: Uuid,
}

impl<'a, C: Backend> Running<'a, C> {
    /// For an operation that nobody else can know of yet: call it before the operation stands in the journal, or
    /// another thread takes it for one that was given up.
    pub(crate) fn new(registry: &'a Registry<C>) -> Self {
        let id = Uuid::now_v7();
        registry.running.lock().insert(id);
        Self { registry, id }
    }

    /// For an operation found in the journal. `None` while another thread works on it.
    pub(crate) fn claim(registry: &'a Registry<C>, id: Uuid) -> Option<Self> {
        let free = registry.running.lock().insert(id);
        free.then(|| Self { registry, id })
    }

    pub(crate) fn id(&self) -> Uuid {
        self.id
    }
}

impl<C: Backend> Drop for Running<'_, C> {
    fn drop(&mut self) {
        self.registry.running.lock().remove(&self.id);
    }
}

pub(crate) fn transition<C: Backend>(
    registry: &Registry<C>,
    id: &TenantId,
    to: Status,
) -> Result<(), LifecycleError> {
    let uuid = registry.tenant(id)?.record().uuid;
    let mut settled = false;
    loop {
        match registry.change(|c| c.catalog_transition(uuid, to))? {
            Changed::Done => return Ok(()),
            Changed::InProgress(operation) if !settled => {
                settled = true;
                settle_if_dead(registry, &operation)?;
            }
            refused => return Err(refusal(*id, Some(to), refused)),
        }
    }
}

fn refusal(id: TenantId, to: Option<Status>, refused: Changed) -> LifecycleError {
    match refused {
        Changed::WrongStatus(status) => LifecycleError::WrongStatus { id, status, to },
        Changed::InProgress(operation) => LifecycleError::InProgress {
            id,
            kind: operation.kind,
        },
        Changed::Unknown | Changed::Done => LifecycleError::Unknown { id },
    }
}

/// Begins an operation on a tenant, after settling one that a dead process left open.
fn begin<'a, C: Backend>(
    registry: &'a Registry<C>,
    tenant: &Tenant<C>,
    kind: OperationKind,
    from: &[Status],
    during: Option<Status>,
) -> Result<(Operation, Running<'a, C>), LifecycleError> {
    let record = tenant.record();
    let running = Running::new(registry);
    let intent = Intent {
        id: running.id(),
        kind,
        tenant_uuid: record.uuid,
        instance: registry.common.storage.instance(),
        from,
        during,
        new_generation: kind.makes_generation(),
    };
    let mut settled = false;
    loop {
        match registry.change(|c| c.catalog_begin(&intent))? {
            Begun::Done(operation) => return Ok((operation, running)),
            Begun::Not(Changed::InProgress(operation)) if !settled => {
                settled = true;
                settle_if_dead(registry, &operation)?;
            }
            Begun::Not(refused) => return Err(refusal(record.id, during, refused)),
        }
    }
}

/// After a failed operation: undoes it, or finishes it if it had committed. The first error is the one to report.
fn settled<C: Backend, T, E>(
    registry: &Registry<C>,
    operation: &Operation,
    result: Result<T, E>,
) -> Result<T, E> {
    if result.is_err() {
        // What cannot be settled now stays in the journal, for the next attempt or the next open.
        let _ = settle(registry, operation);
    }
    result
}

/// Closes an operation that has committed. It has succeeded, whatever becomes of this: one that cannot be closed now,
/// or whose remains cannot be cleared away, stays in the journal and is settled by the next operation on the tenant
/// or the next open.
pub(crate) fn close<C: Backend>(registry: &Registry<C>, operation: &Operation) {
    let _ = registry.change(|c| c.catalog_close(operation, "done"));
}

pub(crate) fn compact<C: Backend>(
    registry: &Registry<C>,
    id: &TenantId,
) -> Result<Compacted, LifecycleError> {
    let tenant = registry.tenant(id)?;
    let key = tenant.record().key();
    let storage = &registry.common.storage;
    let next = Next {
        kind: OperationKind::Compact,
        from: &[Status::Active],
        old: Old::Remove,
        over_lost: false,
    };
    let mut before = 0;
    let operation = next_generation(registry, &tenant, &next, |operation| {
        let (from, to) = (operation.from_generation, operation.to_generation);
        before = storage.size(&key, from)?;
        storage.stage_copy(&key, from, to)?;
        Ok::<_, LifecycleError>(Staged::default())
    })?;
    Ok(Compacted {
        before,
        after: storage.size(&key, operation.to_generation)?,
        generation: operation.to_generation,
    })
}

pub(crate) fn delete<C: Backend>(
    registry: &Registry<C>,
    id: &TenantId,
    confirmation: &str,
) -> Result<(), LifecycleError> {
    let tenant = registry.tenant(id)?;
    let id = tenant.record().id;
    if confirmation != id.as_str() {
        return Err(LifecycleError::NotConfirmed { id });
    }
    // Drained before anything is begun, since from there on there is no way back. An archived tenant is closed.
    registry.reload()?;
    let before = tenant.record().status;
    if before == Status::Archived {
        drain(registry, &tenant)?;
    }
    hit("delete.drained");
    let begun = begin(
        registry,
        &tenant,
        OperationKind::Delete,
        &[Status::Archived],
        Some(Status::Deleting),
    );
    let (operation, _running) = match begun {
        // One that was left half done has been finished on the way.
        Err(LifecycleError::WrongStatus {
            status: Status::Deleted,
            ..
        }) if before == Status::Deleting => return Ok(()),
        begun => begun?,
    };
    hit("delete.begun");
    finish_delete(registry, &tenant.record(), &operation)
}

fn finish_delete<C: Backend>(
    registry: &Registry<C>,
    record: &TenantRecord,
    operation: &Operation,
) -> Result<(), LifecycleError> {
    let storage = &registry.common.storage;
    // A stale process must not believe it wrote something. A database that is damaged or half removed cannot take
    // a fence and needs none.
    let _ = storage.fence(
        &record.key(),
        record.generation,
        registry.settings.drain_timeout,
    );
    storage.remove_tenant(&record.key())?;
    hit("delete.removed");
    let gone = Outcome {
        status: Status::Deleted,
        generation: record.generation,
        schema: None,
        keep_old: false,
    };
    registry.change(|c| c.catalog_commit(operation, &gone))?;
    hit("delete.committed");
    close(registry, operation);
    hit("delete.closed");
    Ok(())
}

/// The statuses in which a tenant has a database that can be migrated.
const MIGRATABLE: [Status; 3] = [Status::Active, Status::Suspended, Status::Archived];

pub(crate) fn migrate_one<C: Backend>(
    registry: &Registry<C>,
    tenant: &Tenant<C>,
) -> Result<Vec<Applied>, LifecycleError> {
    let kind = OperationKind::Migrate;
    crate::observe::operation(tenant.record().id, kind, || {
        let (operation, _running) = begin(registry, tenant, kind, &MIGRATABLE, None)?;
        hit("migrate-tenant.begun");
        let result = migrate_begun(registry, &tenant.record(), &operation);
        settled(registry, &operation, result)
    })
}

fn migrate_begun<C: Backend>(
    registry: &Registry<C>,
    record: &TenantRecord,
    operation: &Operation,
) -> Result<Vec<Applied>, LifecycleError> {
    let (storage, set) = (&registry.common.storage, &registry.common.tenant_migrations);
    // A set that makes a table of the other scope, or a reference that leads nowhere, must not reach any tenant. One
    // whose template cannot be made for another reason fails below, with its own error.
    if let Err(
        error @ (StorageError::TableOfOtherScope { .. } | StorageError::DanglingReference { .. }),
    ) = registry.common.prepare_template()
    {
        return Err(error.into());
    }
    let mut opened = storage.connect_tenant(&record.key(), record.generation)?;
    let applied = migrate::run_pending(&mut opened.conn, set, MigrateOptions::default());
    let applied = applied.map_err(|source| LifecycleError::Migrate {
        id: record.id,
        source: Box::new(source),
    })?;
    let now = schema_now(registry, &mut opened.conn, operation, record)?;
    registry.change(|c| c.catalog_commit(operation, &now))?;
    hit("migrate-tenant.committed");
    close(registry, operation);
    hit("migrate-tenant.closed");
    Ok(applied)
}

/// The tenant as it was, with the schema its database says it has: in doubt the database is right.
fn schema_now<C: Backend>(
    registry: &Registry<C>,
    conn: &mut C,
    operation: &Operation,
    record: &TenantRecord,
) -> Result<Outcome, LifecycleError> {
    let id = record.id;
    let version = migrate::newest_applied(conn);
    let version = version.map_err(|source| LifecycleError::Schema { id, source })?;
    let facts = registry.common.storage.schema_facts(conn);
    let facts = facts.map_err(|source| LifecycleError::Schema { id, source })?;
    Ok(Outcome {
        status: operation.prior_status,
        generation: record.generation,
        schema: Some((version, facts.fingerprint)),
        keep_old: false,
    })
}

/// Waits until no context of this process is open on the tenant. New ones are refused already, by its status.
fn drain<C: Backend>(registry: &Registry<C>, tenant: &Tenant<C>) -> Result<(), LifecycleError> {
    let Some(slots) = tenant.database.opened_slots() else {
        return Ok(());
    };
    let wait = registry.settings.drain_timeout;
    slots.drain(wait).map_err(|busy| LifecycleError::Busy {
        id: tenant.record().id,
        open: busy.in_use,
        waited: wait,
    })
}

/// Settles every operation whose instance is dead. Returns how many there were.
pub(crate) fn recover<C: Backend>(registry: &Registry<C>) -> Result<usize, LifecycleError> {
    let open = registry.ask(|c| c.catalog_open_operations())?;
    let mut count = 0;
    let mut first_error = None;
    for operation in open {
        match settle_if_dead(registry, &operation) {
            Ok(true) => count += 1,
            Ok(false) => {}
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    match first_error {
        Some(error) => Err(error),
        None => Ok(count),
    }
}

/// Settles what was left half done on a tenant. False while a living process works on it.
pub(crate) fn clear_unfinished<C: Backend>(
    registry: &Registry<C>,
    tenant: Uuid,
) -> Result<bool, LifecycleError> {
    match registry.ask(|c| c.catalog_open_operation(tenant))? {
        Some(operation) => settle_if_dead(registry, &operation),
        // It was finished or taken away between the two questions: the next try sees what became of it.
        None => Ok(true),
    }
}

fn settle_if_dead<C: Backend>(
    registry: &Registry<C>,
    operation: &Operation,
) -> Result<bool, LifecycleError> {
    let storage = &registry.common.storage;
    let me = storage.instance();
    if operation.instance != me && storage.is_alive(operation.instance)? {
        return Ok(false);
    }
    // One of our own that no thread works on was given up; one of a dead instance is settled by one thread only.
    let Some(_running) = Running::claim(registry, operation.id) else {
        return Ok(false);
    };
    if !registry.change(|c| c.catalog_take_over(operation, me))? {
        return Ok(false);
    }
    hit("settle.taken");
    settle(registry, operation)?;
    Ok(true)
}

/// Undoes an operation that had not reached its commit point, finishes one that had.
pub(crate) fn settle<C: Backend>(
    registry: &Registry<C>,
    operation: &Operation,
) -> Result<(), LifecycleError> {
    let tenant = operation.tenant_uuid;
    let Some(record) = registry.ask(|c| c.catalog_tenant(tenant))? else {
        return Ok(());
    };
    let storage = &registry.common.storage;
    let key = record.key();
    match operation.kind {
        OperationKind::Create if record.status == Status::Active => {}
        OperationKind::Create => {
            if let Err(error) = storage.remove_tenant(&key) {
                let failed = Outcome {
                    status: Status::Failed,
                    generation: record.generation,
                    schema: None,
                    keep_old: false,
                };
                registry.change(|c| c.catalog_commit(operation, &failed))?;
                return Err(error.into());
            }
            hit("settle.removed");
            registry.change(|c| c.catalog_forget(tenant))?;
            hit("settle.forgotten");
            return Ok(());
        }
        OperationKind::Compact
        | OperationKind::Restore
        | OperationKind::Recreate
        | OperationKind::Undo => {
            generation::settle(registry, operation, &record)?;
        }
        OperationKind::Delete if record.status == Status::Deleted => {}
        OperationKind::Delete => return finish_delete(registry, &record, operation),
        OperationKind::Migrate => match storage.connect_tenant(&key, record.generation) {
            Ok(mut opened) => {
                let now = schema_now(registry, &mut opened.conn, operation, &record)?;
                registry.change(|c| c.catalog_commit(operation, &now))?;
            }
            // As above; what the catalogue knew of the schema is as good as anything.
            Err(error) if error.is_lost() => {}
            Err(error) => return Err(error.into()),
        },
    }
    hit("settle.settled");
    Ok(registry.change(|c| c.catalog_close(operation, "settled"))?)
}
