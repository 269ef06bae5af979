//! What happens to a tenant between its creation and its end, and how it is put right after a crash.
//!
//! An operation is a row in the journal: begun by one instance, committed at one point, closed when nothing is left
//! to clean up. One that was left open by an instance that is dead is *settled*: undone if it had not reached its
//! commit point, finished if it had. Settling is safe to repeat and safe between processes.
//!
//! | operation | steps, each with a failpoint | commit point |
//! |---|---|---|
//! | compact, and whatever makes a new generation | those of [`generation`], with `fence.raised` and the steps of staging: `copy.staged` · `copy.copied` · `copy.verified` | the catalogue names the new generation |
//! | recreate | those of [`generation`], with `stage.directory` · `stage.cloned` · `stage.stamped` | the catalogue names the new generation |
//! | purge | those of [`final_backup`], if one is taken, and of [`purge`] | the status `deleting`: from there on it is finished |
//! | delete, undelete, hold, rename, quota | none: one transaction on the catalogue | that transaction |
//! | migrate | `migrate-tenant.begun`, those of the runner, `migrate-tenant.committed` | each migration's own |
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::backend::{Backend, ConnectError, Storage, StorageError, Whose};
use crate::catalog::{
    Begun, Changed, Intent, Operation, OperationKind, Outcome, Status, TenantRecord,
};
use crate::error::LifecycleError;
use crate::failpoint::hit;
use crate::migrate::{self, Applied, MigrateOptions};
use crate::registry::{Registry, Tenant, Writer};
use crate::tenant_id::TenantId;

mod final_backup;
mod found;
mod generation;
mod leftovers;
mod purge;
mod quota;
mod recreate;
mod rename;
mod retention;

pub(crate) use generation::{Next, Old, Staged, next_generation};
pub use leftovers::Leftover;
pub use purge::{PurgeOptions, PurgeReport, Undead};
pub(crate) use purge::{bury, purge_unannounced};
pub use quota::Usage;
pub use recreate::{RecreateOptions, Recreated};
pub use rename::Rename;
pub(crate) use retention::{keep_holds, lay_holds, sweep};

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

/// Gives a tenant another status. More than one may lead to the same: whoever asks names the one it is meant for.
pub(crate) fn transition<C: Backend>(
    registry: &Registry<C>,
    id: &TenantId,
    from: Status,
    to: Status,
) -> Result<(), LifecycleError> {
    let uuid = registry.tenant(id)?.record().uuid;
    settling(registry, *id, Some(to), |c| {
        c.catalog_transition(uuid, from, to)
    })
}

/// Makes a change to a tenant in the catalogue, after settling what a dead process left open on it.
pub(crate) fn settling<C: Backend>(
    registry: &Registry<C>,
    id: TenantId,
    to: Option<Status>,
    mut change: impl FnMut(&mut Writer<'_, C>) -> diesel::QueryResult<Changed>,
) -> Result<(), LifecycleError> {
    let mut settled = false;
    loop {
        match registry.change(&mut change)? {
            Changed::Done => return Ok(()),
            Changed::InProgress(operation) if !settled => {
                settled = true;
                settle_if_dead(registry, &operation)?;
            }
            refused => return Err(refusal(id, to, refused)),
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
        Changed::OlderThanDisk(generation) => LifecycleError::NewerGeneration { id, generation },
        Changed::Unknown | Changed::Done => LifecycleError::Unknown { id },
    }
}

/// Begins an operation on a tenant, after settling one that a dead process left open.
pub(crate) fn begin<'a, C: Backend>(
    registry: &'a Registry<C>,
    tenant: &Tenant<C>,
    kind: OperationKind,
    from: &[Status],
    during: Option<Status>,
) -> Result<(Operation, Running<'a, C>), LifecycleError> {
    let record = tenant.record();
    let running = Running::new(registry);
    let new_generation = kind.makes_generation();
    let storage = &registry.common.storage;
    let intent = Intent {
        id: running.id(),
        kind,
        tenant_uuid: record.uuid,
        instance: storage.instance(),
        from,
        during,
        new_generation,
        // Looked at first: whoever makes another one meanwhile has its number in the journal.
        above: match new_generation {
            true => storage.highest_generation(&record.key())?,
            false => 0,
        },
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
pub(crate) fn settled<C: Backend, T, E>(
    registry: &Registry<C>,
    operation: &Operation,
    result: Result<T, E>,
) -> Result<T, E> {
    // What cannot be settled now stays in the journal, for the next attempt or the next open. What somebody else has taken
    // over is theirs: by now there may be another operation on the tenant, under its own fence.
    if result.is_err() && is_ours(registry, operation).unwrap_or(false) {
        let _ = settle(registry, operation);
    }
    result
}

/// Whether an operation is still open, and nobody who held this process for dead has taken it over.
pub(crate) fn is_ours<C: Backend>(
    registry: &Registry<C>,
    operation: &Operation,
) -> Result<bool, LifecycleError> {
    let open = registry.ask(|c| c.catalog_open_operation(operation.tenant_uuid))?;
    Ok(open.is_some_and(|open| open.id == operation.id && open.instance == operation.instance))
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
    let made = next_generation(registry, &tenant, &next, |operation| {
        let (from, to) = (operation.from_generation, operation.to_generation);
        before = storage.size(&key, from)?;
        storage.stage_copy(&key, from, to)?;
        Ok::<_, LifecycleError>(Staged::default())
    })?;
    Ok(Compacted {
        before,
        after: storage.size(&key, made.generation)?,
        generation: made.generation,
    })
}

/// The statuses in which a tenant has a database that can be migrated.
pub(crate) const MIGRATABLE: [Status; 3] = [Status::Active, Status::Suspended, Status::Archived];

/// What became of a tenant that has all migrations now.
pub(crate) struct Migrated {
    pub(crate) applied: Vec<Applied>,
    /// Whether its schema is another one than the migrations make, all the same.
    pub(crate) drifted: bool,
}

/// Migrates a tenant. How long it was looked through for damage is added to `looked`: that takes as long as the database is
/// large, and the deadline is for the migrations.
pub(crate) fn migrate_one<C: Backend>(
    registry: &Registry<C>,
    tenant: &Tenant<C>,
    options: MigrateOptions,
    looked: &mut Duration,
) -> Result<Migrated, LifecycleError> {
    let kind = OperationKind::Migrate;
    crate::observe::operation(tenant.record().id, kind, || {
        let (operation, _running) = begin(registry, tenant, kind, &MIGRATABLE, None)?;
        hit("migrate-tenant.begun");
        let record = tenant.record();
        let result = migrate_begun(registry, &record, &operation, options, looked);
        settled(registry, &operation, result)
    })
}

fn migrate_begun<C: Backend>(
    registry: &Registry<C>,
    record: &TenantRecord,
    operation: &Operation,
    mut options: MigrateOptions,
    looked: &mut Duration,
) -> Result<Migrated, LifecycleError> {
    let (storage, set) = (&registry.common.storage, &registry.common.tenant_migrations);
    // A set that makes a table of the other scope, or a reference that leads nowhere, must not reach any tenant. One
    // whose template cannot be made for another reason fails below, with its own error.
    let template = match registry.common.prepare_template() {
        Err(
            error @ (StorageError::TableOfOtherScope { .. }
            | StorageError::DanglingReference { .. }),
        ) => return Err(error.into()),
        template => template.ok(),
    };
    let (key, generation) = (record.key(), record.generation);
    let mut opened = match options.deadline {
        None => storage.connect_tenant(&key, generation)?,
        Some(deadline) => {
            let left = deadline.saturating_duration_since(Instant::now());
            storage.connect_tenant_within(&key, generation, left)?
        }
    };
    if options.check_first {
        let began = Instant::now();
        let checked = check(record, &mut opened.conn);
        let took = began.elapsed();
        *looked += took;
        options.deadline = options.deadline.map(|deadline| deadline + took);
        checked?;
    }
    let applied = migrate::run_pending(&mut opened.conn, set, options);
    let applied = applied.map_err(|source| LifecycleError::Migrate {
        id: record.id,
        source: Box::new(source),
    })?;
    let (now, digest) = schema_and_ledger(registry, &mut opened.conn, operation, record)?;
    registry.change(|c| c.catalog_commit_ledger(operation, &now, &digest))?;
    hit("migrate-tenant.committed");
    // A ledger that is right says nothing of what else was done to the schema, and no row has to be read to see it.
    let drifted = match (&now.schema, template) {
        (Some((version, found)), Some(wanted)) => {
            version.as_deref() == set.latest() && found != wanted
        }
        _ => false,
    };
    Ok(Migrated { applied, drifted })
}

/// Refuses a database that is damaged, before anything is written to it.
fn check<C: Backend>(record: &TenantRecord, conn: &mut C) -> Result<(), LifecycleError> {
    let id = record.id;
    let symptom = match conn.integrity(false) {
        Ok(symptoms) => symptoms.into_iter().find(|(is_damage, _)| *is_damage),
        Err(source) => match C::is_damage(&source) {
            Some(symptom) => Some((true, symptom)),
            None => return Err(LifecycleError::schema(id, source)),
        },
    };
    hit("migrate-tenant.checked");
    match symptom {
        Some((_, symptom)) => {
            let whose = Whose::Tenant(id);
            Err(ConnectError::Damaged { whose, symptom }.into())
        }
        None => Ok(()),
    }
}

/// The tenant as it was, with the schema its database says it has: in doubt the database is right.
pub(crate) fn schema_now<C: Backend>(
    registry: &Registry<C>,
    conn: &mut C,
    operation: &Operation,
    record: &TenantRecord,
) -> Result<Outcome, LifecycleError> {
    let id = record.id;
    let version = migrate::newest_applied(conn);
    let version = version.map_err(|source| LifecycleError::schema(id, source))?;
    let facts = registry.common.storage.schema_facts(conn);
    let facts = facts.map_err(|source| LifecycleError::schema(id, source))?;
    Ok(Outcome {
        status: operation.prior_status,
        generation: record.generation,
        schema: Some((version, facts.fingerprint)),
        keep_old: false,
    })
}

/// The same, with the digest of its ledger.
fn schema_and_ledger<C: Backend>(
    registry: &Registry<C>,
    conn: &mut C,
    operation: &Operation,
    record: &TenantRecord,
) -> Result<(Outcome, String), LifecycleError> {
    let id = record.id;
    let ledger = migrate::ledger_digest::read(conn);
    let (digest, _) = ledger.map_err(|source| LifecycleError::schema(id, source))?;
    Ok((schema_now(registry, conn, operation, record)?, digest))
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
    // A time that is not seen now makes no purge due, it only has one asked about.
    let _ = registry.see_clock();
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
    match crate::backup::recover(registry) {
        Ok(settled) => count += settled,
        Err(error) => first_error = first_error.or(Some(error.into())),
    }
    match crate::restore::recover(registry) {
        Ok(settled) => count += settled,
        Err(error) => {
            let error = LifecycleError::Discard(Box::new(error));
            first_error = first_error.or(Some(error));
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
    let operation = &Operation {
        instance: me,
        ..operation.clone()
    };
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
            let was_reserved = operation.prior_status == Status::Reserved;
            let undone = storage.undo_create(&key, operation.to_generation, operation.id);
            if let Err(error) = undone {
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
            if was_reserved {
                registry.change(|c| c.catalog_reserve_again(operation))?;
                hit("settle.reserved");
                return Ok(());
            }
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
        // The status says how far it has come, whatever it is called: an earlier build calls both a purge.
        OperationKind::Purge | OperationKind::FinalBackup => match record.status {
            Status::Restoring => final_backup::undo(registry, &record, operation)?,
            Status::Deleting | Status::Deleted => {
                return purge::finish(registry, &record, operation).map(drop);
            }
            // It was undone before, and only its end is missing.
            _ => {}
        },
        // Its transaction is committed or it is not; the database is asked, be it fenced or not.
        OperationKind::Repair => match storage.connect_to_inspect(&key, record.generation) {
            Ok(mut conn) => {
                let now = schema_now(registry, &mut conn, operation, &record)?;
                registry.change(|c| c.catalog_settle(operation, &now, None))?;
            }
            Err(error) if error.is_lost() => {}
            Err(error) => return Err(error.into()),
        },
        // Nothing is to be undone, and where the database cannot be read, an operation left open would keep the tenant
        // from being repaired or deleted. At worst the catalogue then believes in an older schema than there is, and
        // the next migration finds out.
        OperationKind::Migrate => {
            if let Ok(mut opened) = storage.connect_tenant(&key, record.generation) {
                match schema_and_ledger(registry, &mut opened.conn, operation, &record) {
                    Ok((now, digest)) => {
                        registry.change(|c| c.catalog_settle(operation, &now, Some(&digest)))?;
                    }
                    Err(LifecycleError::Schema { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    hit("settle.settled");
    Ok(registry.change(|c| c.catalog_close(operation, "settled"))?)
}
