//! Purging: a tenant that was deleted is removed, and stays removed.
//!
//! | step | failpoint after it | killed here, the next open |
//! |---|---|---|
//! | contexts of this process drained; [looked](super::found) whose the files are | `purge.drained` | has nothing to do |
//! | the [final backup](super::final_backup), if one was asked for | those of that | puts the status back |
//! | **status `deleting`**, if neither date, hold nor clock forbids it; journal | `purge.begun` | finishes it |
//! | looked once more; fence raised | `purge.fenced` | finishes it |
//! | tombstone written and synced: what is about to go | `tombstone.synced` · `tombstone.published` · `purge.tombstone` | finishes it |
//! | all generations and their side files removed, directory synced | `purge.removed` | finishes it |
//! | backups removed, if that was asked for, but for the final one | `backup-remove.…` · `purge.backups` | finishes it |
//! | certificate: the tombstone, completed | `tombstone.…` · `purge.certified` | finishes it |
//! | status `deleted` | `purge.committed` | closes the journal |
//! | journal closed | `purge.closed` | has nothing to do |
use std::sync::Arc;
use std::time::SystemTime;

use uuid::Uuid;

use super::generation::cannot_be_fenced;
use super::{Running, begin, close, drain, final_backup, found, refusal, settle_if_dead};
use crate::backend::{Backend, ConnectError, Storage, StorageError};
use crate::backup::{self, BackupError, BackupOptions};
use crate::catalog::backups::BackupsOf;
use crate::catalog::retention::CERTIFICATE_FORMAT;
use crate::catalog::{
    BackupsOnPurge, Certificate, Changed, Intent, Operation, OperationKind, Outcome, PurgeAsked,
    PurgeBegun, PurgedGeneration, Status, TenantRecord, from_millis, to_millis,
};
use crate::error::{CatalogError, LifecycleError, OpenError, PurgeError};
use crate::failpoint::hit;
use crate::registry::{Registry, Tenant};
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;

/// How a tenant is purged.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct PurgeOptions {
    backups: BackupsOnPurge,
    final_backup: Option<BackupOptions>,
    clock_checked: bool,
    over_missing: bool,
}

impl PurgeOptions {
    /// What becomes of its backups. Default: they are kept.
    pub fn backups(mut self, backups: BackupsOnPurge) -> Self {
        self.backups = backups;
        self
    }

    /// Takes a last backup of the tenant before anything is removed, and keeps it whatever becomes of the
    /// [others](Self::backups). Default: none, since a purge that erases is not to leave a copy nobody asked for.
    ///
    /// The tenant is fenced meanwhile: everything that was acknowledged is in it. Its reason is
    /// [`BackupReason::Final`](crate::BackupReason::Final) whatever `options` say. It is in
    /// [`Certificate::final_backup`], and is kept until it is [removed](Tenancy::remove_backup) or
    /// [`RetentionPolicy::after_purge`](crate::RetentionPolicy::after_purge) ends that. This catalogue restores nothing
    /// of what it has purged: it is read with SQLite, or by another one with
    /// [`CloneOptions::from_any_catalog`](crate::CloneOptions::from_any_catalog).
    ///
    /// Where it cannot be taken nothing is removed ([`PurgeError::FinalBackup`]).
    pub fn final_backup(mut self, options: BackupOptions) -> Self {
        self.final_backup = Some(options);
        self
    }

    /// Purges although the clock is more than a week ahead of the newest time the catalogue has seen
    /// ([`PurgeError::ClockJump`]). From then on its time is believed.
    ///
    /// For a fleet that nobody has opened for a week, after a look at the clock.
    /// [`Tenancy::i_checked_the_clock`] is the same for everything that goes by its age.
    pub fn i_checked_the_clock(mut self) -> Self {
        self.clock_checked = true;
        self
    }

    /// Purges although the database in use is not there and older ones are ([`PurgeError::OthersLeft`]), after a look at
    /// where it may have gone.
    pub fn although_its_database_is_missing(mut self) -> Self {
        self.over_missing = true;
        self
    }
}

/// What [`Tenancy::purge_due`] did.
#[derive(Debug)]
#[non_exhaustive]
pub struct PurgeReport {
    /// What was purged.
    pub purged: Vec<Certificate>,
    /// What was named and not purged, and why.
    pub failed: Vec<(TenantId, PurgeError)>,
    /// Names that belong to no tenant.
    pub unknown: Vec<String>,
    /// Tenants that are due and were not named.
    pub not_named: Vec<TenantId>,
}

/// A deleted tenant of which files are there: put back by hand, or by a backup of the file system.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Undead {
    /// The id it had; another tenant may have it now.
    pub id: TenantId,
    /// Its uuid, by which it is purged again.
    pub uuid: Uuid,
    /// Its databases that are there.
    pub generations: Vec<PurgedGeneration>,
    /// Bytes of all of its files.
    pub bytes: u64,
}

impl<C: Backend> Tenancy<C> {
    /// Removes a deleted tenant and every file of it. There is no way back.
    ///
    /// Refused before its date ([`delete`](Self::delete)), under a legal hold, and by a clock that has jumped ahead.
    /// `confirmation` is the tenant's id as it was created, typed by whoever decides. Waits up to the drain timeout
    /// for contexts of this process.
    ///
    /// All generations are removed, those kept for an undo included; backups are kept unless
    /// [told otherwise](Self::purge_with). [Exports](Self::export) are files of whoever made them, wherever they were put,
    /// below the data directory's `exports` as well: nothing says whose they are but their manifests, and none is removed.
    /// One that cannot be read is removed as well, and the certificate [says so](Certificate::unreadable). Where a database
    /// in the tenant's directory is really another's, or the directory is a link, nothing is removed. What stays is the [`Certificate`], which is the tenant's tombstone: no
    /// older catalogue and no file that is put back opens it again. The id can be taken again only with
    /// [`NewTenant::reuse_retired_id`](crate::NewTenant::reuse_retired_id), the uuid never.
    ///
    /// The names of the files are gone then. When the blocks they had are written over is the file system's business,
    /// and the disk's.
    ///
    /// Purging a tenant that somebody else has purged meanwhile gives that one's certificate.
    ///
    /// # Errors
    /// See [`PurgeError`]. Once begun it is finished, if need be when the library is opened next.
    ///
    /// # Example
    /// ```
    /// # use diesel_tenants::{Retention, prelude::*};
    /// # diesel::table! { users { id -> Integer, } }
    /// # diesel::table! { patients { id -> Integer, } }
    /// # routes! { static ROUTES; shared { accounts { users } } tenant { wards { patients } } }
    /// # let directory = tempfile::tempdir()?;
    /// # let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES).sqlite(directory.path().join("data")).init().open()?;
    /// # let id: TenantId = "TH001".parse()?;
    /// # tenancy.create(&id, NewTenant::named("Teaching Hospital"))?;
    /// tenancy.suspend(&id)?;
    /// tenancy.archive(&id)?;
    /// tenancy.delete(&id, "TH001", Retention::NONE)?;
    /// let certificate = tenancy.purge(&id, "TH001")?;
    /// assert_eq!(tenancy.certificate(&certificate.uuid)?, Some(certificate));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn purge(&self, id: &TenantId, confirmation: &str) -> Result<Certificate, PurgeError> {
        self.purge_with(id, confirmation, &PurgeOptions::default())
    }

    /// [`purge`](Self::purge), with options.
    ///
    /// # Errors
    /// See [`PurgeError`].
    pub fn purge_with(
        &self,
        id: &TenantId,
        confirmation: &str,
        options: &PurgeOptions,
    ) -> Result<Certificate, PurgeError> {
        purge(&self.registry, id, confirmation, options)
    }

    /// The tenants whose retention is over and on which there is no hold, ordered by id.
    ///
    /// # Errors
    /// The catalogue cannot be read.
    pub fn due(&self) -> Result<Vec<Arc<TenantRecord>>, PurgeError> {
        let mut records = self.registry.tenants()?;
        records.retain(|record| {
            record.status == Status::Archived && refused_by_record(record).is_none()
        });
        Ok(records)
    }

    /// Purges those tenants of `names` that are due, one after the other, and goes on past one that fails.
    ///
    /// `names` are ids as they were created, each a confirmation typed by whoever decides: there is no way to purge
    /// what was not named. `progress` is called after each with what became of it.
    ///
    /// # Errors
    /// The catalogue cannot be read. What fails for a single tenant is in the report.
    pub fn purge_due<N: AsRef<str>>(
        &self,
        names: impl IntoIterator<Item = N>,
        options: &PurgeOptions,
        mut progress: impl FnMut(&TenantId, &Result<Certificate, PurgeError>),
    ) -> Result<PurgeReport, PurgeError> {
        let mut report = PurgeReport {
            purged: Vec::new(),
            failed: Vec::new(),
            unknown: Vec::new(),
            not_named: Vec::new(),
        };
        for name in names {
            let name = name.as_ref();
            let Ok(id) = name.parse() else {
                report.unknown.push(name.to_owned());
                continue;
            };
            let result = match self.registry.tenant(&id) {
                Ok(_) => self.purge_with(&id, name, options),
                Err(OpenError::UnknownTenant { .. }) => {
                    report.unknown.push(name.to_owned());
                    continue;
                }
                // Nobody could say whether there is one.
                Err(error) => Err(error.into()),
            };
            progress(&id, &result);
            match result {
                Ok(certificate) => report.purged.push(certificate),
                Err(error) => report.failed.push((id, error)),
            }
        }
        let tried = |id: &TenantId| report.failed.iter().any(|(failed, _)| failed == id);
        let due = self.due()?.into_iter().map(|record| record.id);
        report.not_named = due.filter(|id| !tried(id)).collect();
        Ok(report)
    }

    /// What the purge of this tenant removed; `None` for a uuid that was never purged.
    ///
    /// # Errors
    /// The certificate cannot be read.
    pub fn certificate(&self, tenant: &Uuid) -> Result<Option<Certificate>, PurgeError> {
        Ok(self.registry.common.storage.certificate(*tenant)?)
    }

    /// Deleted tenants of which files are there all the same.
    ///
    /// Nothing opens them. [`purge_undead`](Self::purge_undead) removes them.
    ///
    /// # Errors
    /// The catalogue or a directory cannot be read.
    pub fn undead(&self) -> Result<Vec<Undead>, PurgeError> {
        let mut undead = Vec::new();
        for record in self.registry.ask(|c| c.retention_deleted())? {
            if let Some((generations, bytes)) =
                self.registry.common.storage.inventory(&record.key())?
            {
                undead.push(Undead {
                    id: record.id,
                    uuid: record.uuid,
                    generations,
                    bytes,
                });
            }
        }
        Ok(undead)
    }

    /// Removes what is there of a deleted tenant. `confirmation` is the id it had.
    ///
    /// # Errors
    /// [`PurgeError::NothingLeft`] where nothing is; else as [`purge`](Self::purge).
    pub fn purge_undead(
        &self,
        tenant: &Uuid,
        confirmation: &str,
    ) -> Result<Certificate, PurgeError> {
        let registry = &self.registry;
        let undead = self.undead()?.into_iter().find(|u| u.uuid == *tenant);
        let deleted = registry.ask(|c| c.catalog_tenant(*tenant))?;
        let (Some(deleted), Some(known)) = (deleted, registry.by_uuid(*tenant)?) else {
            return Err(LifecycleError::UnknownUuid { uuid: *tenant }.into());
        };
        let id = deleted.id;
        if confirmation != id.as_str() {
            return Err(PurgeError::NotConfirmed { id });
        }
        if deleted.status == Status::Deleted && undead.is_none() {
            return Err(PurgeError::NothingLeft { id });
        }
        registry.common.storage.check_owner(&deleted.key())?;
        let kind = OperationKind::Purge;
        let (operation, _running) = begin(registry, &known, kind, &[Status::Deleted], None)?;
        Ok(finish(registry, &deleted, &operation)?)
    }

    /// Tenants that were purged and that the catalogue thought alive when the library was opened: it is an old one,
    /// restored from a backup. They were set to deleted again; these are their records as they were found.
    pub fn buried(&self) -> &[TenantRecord] {
        self.registry.buried.get().map_or(&[], Vec::as_slice)
    }
}

/// Sets the tenants that have a tombstone to deleted, whatever an older catalogue says of them.
pub(crate) fn bury<C: Backend>(
    registry: &Registry<C>,
) -> Result<Vec<TenantRecord>, LifecycleError> {
    let mut tombstoned = registry.common.storage.tombstoned()?;
    // Most of the time there is nothing to do, and no write lock to be waited for.
    tombstoned.retain(|uuid| registry.thinks_alive(*uuid));
    if tombstoned.is_empty() {
        return Ok(Vec::new());
    }
    Ok(registry.change(|c| c.retention_bury(&tombstoned))?)
}

/// What speaks against a purge, as far as the record of an archived tenant tells. The catalogue is asked once more at
/// the commit point; this spares the wait for open contexts.
fn refused_by_record(record: &TenantRecord) -> Option<PurgeError> {
    let id = record.id;
    if record.legal_hold.is_some() {
        return Some(PurgeError::OnHold { id });
    }
    match record.delete_after {
        None => Some(PurgeError::NotScheduled { id }),
        Some(delete_after) if SystemTime::now() < delete_after => {
            Some(PurgeError::NotYet { id, delete_after })
        }
        Some(_) => None,
    }
}

fn purge<C: Backend>(
    registry: &Registry<C>,
    id: &TenantId,
    confirmation: &str,
    options: &PurgeOptions,
) -> Result<Certificate, PurgeError> {
    let tenant = registry.tenant(id)?;
    let id = tenant.record().id;
    if confirmation != id.as_str() {
        return Err(PurgeError::NotConfirmed { id });
    }
    let asked = PurgeAsked {
        backups: options.backups,
        clock_checked: options.clock_checked,
        unannounced: false,
        unreadable: 0,
    };
    let over_missing = options.over_missing;
    let last = options.final_backup.as_ref();
    purge_as_asked(registry, &tenant, asked, over_missing, last)
}

/// Removes an archived tenant that was created by what is being undone: nobody was ever told of it, and it has no date.
/// A legal hold holds all the same.
pub(crate) fn purge_unannounced<C: Backend>(
    registry: &Registry<C>,
    id: &TenantId,
) -> Result<(), PurgeError> {
    let tenant = registry.tenant(id)?;
    let asked = PurgeAsked {
        backups: BackupsOnPurge::default(),
        clock_checked: false,
        unannounced: true,
        unreadable: 0,
    };
    purge_as_asked(registry, &tenant, asked, false, None).map(drop)
}

fn purge_as_asked<C: Backend>(
    registry: &Registry<C>,
    tenant: &Tenant<C>,
    mut asked: PurgeAsked,
    over_missing: bool,
    final_backup: Option<&BackupOptions>,
) -> Result<Certificate, PurgeError> {
    registry.reload()?;
    // What this process has seen of the time counts as well. Where that cannot be written, the clock is asked about.
    let _ = registry.see_clock();
    let record = tenant.record();
    if record.status == Status::Archived {
        if let Some(refused) = refused_by_record(&record)
            && !asked.unannounced
        {
            return Err(refused);
        }
        // Drained before anything is begun, since from there on there is no way back. An archived tenant is closed.
        drain(registry, tenant)?;
        asked.unreadable = found::before(registry, &record, over_missing)?.len() as u64;
    }
    hit("purge.drained");
    let begun = match final_backup {
        Some(options) => final_backup::begin(registry, tenant, asked, options),
        None => begin_purge(registry, tenant, asked, Status::Deleting),
    };
    match begun {
        Ok((operation, _running)) => {
            hit("purge.begun");
            Ok(finish(registry, &tenant.record(), &operation)?)
        }
        Err(PurgeError::Lifecycle(
            error @ LifecycleError::WrongStatus {
                status: Status::Deleted,
                ..
            },
        )) => {
            // Somebody else was faster, or what was left half done has been finished on the way.
            let certificate = registry.common.storage.certificate(record.uuid)?;
            certificate.ok_or(error.into())
        }
        Err(error) => Err(error),
    }
}

/// Begins a purge, after settling what a dead process left open on the tenant: `during` is `deleting`, which is the commit
/// point, or the status while the final backup is taken.
pub(super) fn begin_purge<'a, C: Backend>(
    registry: &'a Registry<C>,
    tenant: &Tenant<C>,
    asked: PurgeAsked,
    during: Status,
) -> Result<(Operation, Running<'a, C>), PurgeError> {
    let record = tenant.record();
    let id = record.id;
    let running = Running::new(registry);
    let intent = Intent {
        id: running.id(),
        kind: match during {
            Status::Deleting => OperationKind::Purge,
            _ => OperationKind::FinalBackup,
        },
        tenant_uuid: record.uuid,
        instance: registry.common.storage.instance(),
        from: &[Status::Archived],
        during: Some(during),
        new_generation: false,
        // One that the catalogue knows nothing of would go with the others: its rows are the newest.
        above: registry.common.storage.highest_generation(&record.key())?,
    };
    let mut settled = false;
    loop {
        match registry.change(|c| c.retention_begin_purge(&intent, &asked))? {
            PurgeBegun::Done(operation) => return Ok((operation, running)),
            PurgeBegun::Not(Changed::InProgress(operation)) if !settled => {
                settled = true;
                settle_if_dead(registry, &operation)?;
            }
            refused => return Err(not_begun(id, refused)),
        }
    }
}

/// What stood in the way of a purge.
pub(super) fn not_begun(id: TenantId, refused: PurgeBegun) -> PurgeError {
    let during = Some(Status::Deleting);
    match refused {
        PurgeBegun::Done(_) => refusal(id, during, Changed::Done).into(),
        PurgeBegun::Not(refused) => refusal(id, during, refused).into(),
        PurgeBegun::NotScheduled => PurgeError::NotScheduled { id },
        PurgeBegun::Pinned(count) => PurgeError::PinnedBackups { id, count },
        PurgeBegun::OnHold => PurgeError::OnHold { id },
        PurgeBegun::NotYet(delete_after) => PurgeError::NotYet { id, delete_after },
        PurgeBegun::ClockJump { last_seen, now } => PurgeError::ClockJump { id, last_seen, now },
        PurgeBegun::BackupGone(backup) => PurgeError::FinalBackup {
            id,
            source: Box::new(BackupError::GivenUp { id: backup }),
        },
    }
}

/// Everything after the commit point. Safe to repeat from wherever it was cut short.
pub(super) fn finish<C: Backend>(
    registry: &Registry<C>,
    record: &TenantRecord,
    operation: &Operation,
) -> Result<Certificate, LifecycleError> {
    let storage = &registry.common.storage;
    let key = record.key();
    // Once more: this may be long after it began.
    let mut unreadable = found::unreadable(registry, record)?;
    // A stale process must not believe it wrote something. A kept generation has a fence already.
    match storage.fence(&key, record.generation, registry.settings.drain_timeout) {
        Err(error) if !needs_no_fence::<C>(&error) => return Err(error.into()),
        Err(StorageError::Busy { .. }) | Ok(()) => {}
        // It can be read, as far as its stamp goes, and not be written to.
        Err(StorageError::Query { .. }) if !unreadable.contains(&record.generation) => {
            unreadable.push(record.generation);
        }
        Err(_) => {}
    }
    hit("purge.fenced");
    let mut certificate = tombstone(registry, record, operation, unreadable)?;
    storage.write_tombstone(&certificate)?;
    hit("purge.tombstone");
    storage.remove_tenant(&key)?;
    hit("purge.removed");
    // One that is complete has this behind it.
    if certificate.backups == BackupsOnPurge::Remove && certificate.completed_at.is_none() {
        let last = certificate.final_backup;
        remove_backups(registry, record, last)?;
        certificate.backups_left = backup::out_of_reach(registry, record.uuid)?;
        certificate.backups_left.retain(|left| Some(*left) != last);
        let removed = certificate.backups_removed;
        let there = removable(registry, record.uuid, last)?.len() as u64;
        certificate.backups_removed = removed.saturating_sub(there);
    }
    hit("purge.backups");
    certificate.completed_at = Some(now());
    storage.write_tombstone(&certificate)?;
    hit("purge.certified");
    for kept in registry.ask(|c| c.catalog_generations(record.uuid))? {
        registry.change(|c| c.catalog_forget_generation(record.uuid, kept.generation))?;
    }
    let gone = Outcome {
        status: Status::Deleted,
        generation: record.generation,
        schema: None,
        keep_old: false,
    };
    registry.change(|c| c.catalog_commit(operation, &gone))?;
    hit("purge.committed");
    close(registry, operation);
    hit("purge.closed");
    Ok(certificate)
}

/// Whether a database that could not be fenced and drained needs no fence: nobody can write to one that is damaged, half
/// removed or not to be opened. One on which only readers are left has its fence.
fn needs_no_fence<C: Backend>(error: &StorageError) -> bool {
    match error {
        StorageError::Busy { .. } => true,
        StorageError::Connect(ConnectError::Unsafe { .. }) => true,
        error => cannot_be_fenced::<C>(error),
    }
}

/// Removes the backups of a tenant whose purge has begun, all that are within reach. None comes to count after that,
/// whoever is making one.
fn remove_backups<C: Backend>(
    registry: &Registry<C>,
    record: &TenantRecord,
    final_backup: Option<Uuid>,
) -> Result<(), LifecycleError> {
    // What dead processes left half made, or half removed.
    match backup::recover(registry) {
        Err(error) if !error.is_out_of_reach() => return Err(error.into()),
        _ => {}
    }
    for backup in removable(registry, record.uuid, final_backup)? {
        match backup::remove(registry, backup) {
            // Somebody else removes it.
            Err(BackupError::Unknown { .. }) => {}
            // It stays in the catalogue, and the certificate names it.
            Err(error) if error.is_out_of_reach() => {}
            removed => removed?,
        }
    }
    Ok(())
}

/// The backups of a tenant but its final one.
fn removable<C: Backend>(
    registry: &Registry<C>,
    tenant: Uuid,
    final_backup: Option<Uuid>,
) -> Result<Vec<Uuid>, CatalogError> {
    let all = registry.ask(|c| c.backup_list(BackupsOf::Tenant(tenant)))?;
    let ids = all.into_iter().map(|backup| backup.id);
    Ok(ids.filter(|id| Some(*id) != final_backup).collect())
}

/// As precise as it is written down.
fn now() -> SystemTime {
    from_millis(to_millis(SystemTime::now()))
}

/// What is about to be removed. What an attempt that was cut short, or an earlier purge of files that came back, has
/// written down is kept: part of it is gone already.
fn tombstone<C: Backend>(
    registry: &Registry<C>,
    record: &TenantRecord,
    operation: &Operation,
    unreadable: Vec<u64>,
) -> Result<Certificate, LifecycleError> {
    let storage = &registry.common.storage;
    let (found, bytes) = storage.inventory(&record.key())?.unwrap_or_default();
    let before = match storage.certificate(record.uuid) {
        // It cannot be read, so it is made anew.
        Err(StorageError::Certificate { .. }) => None,
        before => before?,
    };
    let mut certificate = match before {
        Some(begun) if begun.operation == operation.id => return Ok(begun),
        Some(before) => before,
        None => Certificate {
            format: CERTIFICATE_FORMAT,
            uuid: record.uuid,
            id: record.id,
            catalog: storage.catalog_uuid(),
            operation: operation.id,
            generations: Vec::new(),
            unreadable: Vec::new(),
            bytes: 0,
            backups: BackupsOnPurge::Keep,
            backups_removed: 0,
            backups_left: Vec::new(),
            final_backup: None,
            begun_at: now(),
            completed_at: None,
        },
    };
    certificate.operation = operation.id;
    certificate.completed_at = None;
    certificate.backups_left.clear();
    let (backups, final_backup) = registry.ask(|c| c.retention_backups_on_purge(record.uuid))?;
    certificate.backups = backups;
    certificate.final_backup = final_backup.or(certificate.final_backup);
    if backups == BackupsOnPurge::Remove {
        let removable = removable(registry, record.uuid, certificate.final_backup)?;
        certificate.backups_removed += removable.len() as u64;
    }
    certificate.generations.extend(found);
    certificate.unreadable.extend(unreadable);
    certificate.bytes += bytes;
    Ok(certificate)
}
