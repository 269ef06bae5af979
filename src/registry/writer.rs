//! The connection that changes the catalogue, and who changes it.
use std::ops::{Deref, DerefMut};
use std::time::SystemTime;

use diesel::QueryResult;
use uuid::Uuid;

use crate::access::Principal;
use crate::audit::AuditNote;
use crate::backend::{Backend, OnDisk};
use crate::catalog::backups::{
    BackupCommitted, GivenUp, Pinned, Removal, Removing, StoredBackup, StoredFacts, StoredSet,
};
use crate::catalog::health::NewHealth;
use crate::catalog::reference::Announced;
use crate::catalog::runs::{Run, RunTenant, RunWorker};
use crate::catalog::{
    Begun, Changed, Completing, Completion, Inserted, Intent, NewNames, Operation, Outcome,
    PurgeAsked, PurgeBegun, Renamed, Retention, Status, TenantRecord,
};

/// What [`Registry::change`](super::Registry::change) hands out: the catalogue's changes, each with the name of who makes
/// it, for the entry it leaves in the audit log.
///
/// The methods are those of [`CatalogStore`](crate::catalog::CatalogStore) and its sisters, and stand before them: that way
/// no caller can leave the actor out.
pub(crate) struct Writer<'a, C> {
    pub(super) conn: &'a mut C,
    pub(super) by: &'a Principal,
}

impl<C: Backend> Writer<'_, C> {
    pub(crate) fn catalog_insert(
        &mut self,
        record: &TenantRecord,
        operation: &Operation,
        reuse_id: bool,
    ) -> QueryResult<Inserted> {
        self.conn
            .catalog_insert(record, operation, reuse_id, self.by)
    }

    pub(crate) fn catalog_reserve(
        &mut self,
        record: &TenantRecord,
        reuse_id: bool,
    ) -> QueryResult<Inserted> {
        self.conn.catalog_reserve(record, reuse_id, self.by)
    }

    pub(crate) fn catalog_complete(&mut self, asked: &Completion) -> QueryResult<Completing> {
        self.conn.catalog_complete(asked, self.by)
    }

    pub(crate) fn catalog_reserve_again(&mut self, operation: &Operation) -> QueryResult<()> {
        self.conn.catalog_reserve_again(operation, self.by)
    }

    pub(crate) fn catalog_unreserve(&mut self, tenant: Uuid) -> QueryResult<Changed> {
        self.conn.catalog_unreserve(tenant, self.by)
    }

    pub(crate) fn catalog_forget(&mut self, tenant: Uuid) -> QueryResult<()> {
        self.conn.catalog_forget(tenant, self.by)
    }

    pub(crate) fn catalog_transition(
        &mut self,
        tenant: Uuid,
        from: Status,
        to: Status,
    ) -> QueryResult<Changed> {
        self.conn.catalog_transition(tenant, from, to, self.by)
    }

    pub(crate) fn catalog_begin(&mut self, intent: &Intent<'_>) -> QueryResult<Begun> {
        self.conn.catalog_begin(intent, self.by)
    }

    pub(crate) fn catalog_commit(
        &mut self,
        operation: &Operation,
        outcome: &Outcome,
    ) -> QueryResult<()> {
        self.conn.catalog_commit(operation, outcome, self.by)
    }

    pub(crate) fn catalog_close(
        &mut self,
        operation: &Operation,
        outcome: &str,
    ) -> QueryResult<()> {
        self.conn.catalog_close(operation, outcome, self.by)
    }

    pub(crate) fn catalog_forget_generation(
        &mut self,
        tenant: Uuid,
        generation: u64,
    ) -> QueryResult<()> {
        self.conn
            .catalog_forget_generation(tenant, generation, self.by)
    }

    pub(crate) fn catalog_commit_ledger(
        &mut self,
        operation: &Operation,
        outcome: &Outcome,
        ledger_digest: &str,
    ) -> QueryResult<()> {
        self.conn
            .catalog_commit_ledger(operation, outcome, ledger_digest, self.by)
    }

    pub(crate) fn catalog_settle(
        &mut self,
        operation: &Operation,
        found: &Outcome,
        ledger_digest: Option<&str>,
    ) -> QueryResult<()> {
        self.conn
            .catalog_settle(operation, found, ledger_digest, self.by)
    }

    pub(crate) fn retention_schedule(
        &mut self,
        tenant: Uuid,
        until: Retention,
    ) -> QueryResult<Changed> {
        self.conn.retention_schedule(tenant, until, self.by)
    }

    pub(crate) fn retention_cancel(&mut self, tenant: Uuid) -> QueryResult<Changed> {
        self.conn.retention_cancel(tenant, self.by)
    }

    pub(crate) fn retention_hold(
        &mut self,
        tenant: Uuid,
        reason: Option<&str>,
        beside: &mut dyn FnMut(&TenantRecord) -> bool,
    ) -> QueryResult<Changed> {
        self.conn.retention_hold(tenant, reason, beside, self.by)
    }

    pub(crate) fn retention_begin_purge(
        &mut self,
        intent: &Intent<'_>,
        asked: &PurgeAsked,
    ) -> QueryResult<PurgeBegun> {
        self.conn.retention_begin_purge(intent, asked, self.by)
    }

    pub(crate) fn retention_commit_purge(
        &mut self,
        operation: &Operation,
        asked: &PurgeAsked,
        final_backup: Uuid,
    ) -> QueryResult<PurgeBegun> {
        self.conn
            .retention_commit_purge(operation, asked, final_backup, self.by)
    }

    pub(crate) fn retention_believe_clock(&mut self) -> QueryResult<()> {
        self.conn.retention_believe_clock(self.by)
    }

    pub(crate) fn retention_bury(&mut self, tombstoned: &[Uuid]) -> QueryResult<Vec<TenantRecord>> {
        self.conn.retention_bury(tombstoned, self.by)
    }

    pub(crate) fn rename(&mut self, tenant: Uuid, to: &NewNames) -> QueryResult<Renamed> {
        self.conn.rename(tenant, to, self.by)
    }

    pub(crate) fn set_quota(&mut self, tenant: Uuid, bytes: Option<u64>) -> QueryResult<Changed> {
        self.conn.set_quota(tenant, bytes, self.by)
    }

    pub(crate) fn set_plan(&mut self, tenant: Uuid, plan: Option<&str>) -> QueryResult<Changed> {
        self.conn.set_plan(tenant, plan, self.by)
    }

    pub(crate) fn backup_begin(&mut self, backup: &StoredBackup) -> QueryResult<()> {
        self.conn.backup_begin(backup, self.by)
    }

    pub(crate) fn backup_commit(
        &mut self,
        id: Uuid,
        facts: &StoredFacts,
    ) -> QueryResult<BackupCommitted> {
        self.conn.backup_commit(id, facts, self.by)
    }

    pub(crate) fn backup_forget(&mut self, id: Uuid) -> QueryResult<()> {
        self.conn.backup_forget(id, self.by)
    }

    pub(crate) fn set_begin(&mut self, set: &StoredSet) -> QueryResult<()> {
        self.conn.set_begin(set, self.by)
    }

    pub(crate) fn set_end(
        &mut self,
        id: Uuid,
        at: SystemTime,
        complete: bool,
    ) -> QueryResult<bool> {
        self.conn.set_end(id, at, complete, self.by)
    }

    pub(crate) fn set_forget(&mut self, id: Uuid) -> QueryResult<()> {
        self.conn.set_forget(id, self.by)
    }

    pub(crate) fn health_enter(&mut self, new: NewHealth, entry: &AuditNote) -> QueryResult<()> {
        self.conn.health_enter(new, entry, self.by)
    }

    pub(crate) fn backup_hide(
        &mut self,
        id: Uuid,
        files: &mut dyn Removing,
    ) -> QueryResult<Removal> {
        self.conn.backup_hide(id, files, self.by)
    }

    pub(crate) fn generation_remove(
        &mut self,
        tenant: Uuid,
        generation: u64,
        files: &mut dyn Removing,
    ) -> QueryResult<Removal> {
        self.conn
            .generation_remove(tenant, generation, files, self.by)
    }

    pub(crate) fn backup_pin(&mut self, id: Uuid, pinned: bool) -> QueryResult<Pinned> {
        self.conn.backup_pin(id, pinned, self.by)
    }

    pub(crate) fn backup_begin_removal(&mut self, id: Uuid, instance: Uuid) -> QueryResult<bool> {
        self.conn.backup_begin_removal(id, instance, self.by)
    }

    pub(crate) fn set_begin_removal(&mut self, id: Uuid, instance: Uuid) -> QueryResult<bool> {
        self.conn.set_begin_removal(id, instance, self.by)
    }

    pub(crate) fn reclaim(
        &mut self,
        record: &TenantRecord,
        found: &OnDisk,
    ) -> QueryResult<Inserted> {
        self.conn.reclaim(record, found, self.by)
    }

    pub(crate) fn generation_give_up(
        &mut self,
        tenant: Uuid,
        generation: u64,
    ) -> QueryResult<GivenUp> {
        self.conn.generation_give_up(tenant, generation, self.by)
    }

    pub(crate) fn runs_start(
        &mut self,
        run: &Run,
        after: Option<Uuid>,
        tenants: &[RunTenant],
        worker: RunWorker,
    ) -> QueryResult<bool> {
        self.conn.runs_start(run, after, tenants, worker, self.by)
    }

    pub(crate) fn runs_supersede(&mut self, run: Uuid, dead: &[RunWorker]) -> QueryResult<bool> {
        self.conn.runs_supersede(run, dead, self.by)
    }

    pub(crate) fn runs_leave(&mut self, run: Uuid, worker: Uuid) -> QueryResult<()> {
        self.conn.runs_leave(run, worker, self.by)
    }

    pub(crate) fn runs_stop(&mut self, run: Uuid) -> QueryResult<bool> {
        self.conn.runs_stop(run, self.by)
    }

    pub(crate) fn reference_announce(
        &mut self,
        name: &str,
        version: u64,
        digest: &[u8; 32],
    ) -> QueryResult<Announced> {
        self.conn.reference_announce(name, version, digest, self.by)
    }
}

impl<C> Deref for Writer<'_, C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.conn
    }
}

impl<C> DerefMut for Writer<'_, C> {
    fn deref_mut(&mut self) -> &mut C {
        self.conn
    }
}
