//! The connection that changes the catalogue, and who changes it.
use std::ops::{Deref, DerefMut};

use diesel::QueryResult;
use uuid::Uuid;

use crate::access::Principal;
use crate::backend::Backend;
use crate::catalog::{Begun, Changed, Inserted, Intent, Operation, Outcome, Status, TenantRecord};

/// What [`Registry::change`](super::Registry::change) hands out: the catalogue's changes, each with the name of who makes
/// it, for the entry it leaves in the audit log.
///
/// The methods are those of [`CatalogStore`](crate::catalog::CatalogStore), and stand before them: that way no caller
/// can leave the actor out.
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

    pub(crate) fn catalog_forget(&mut self, tenant: Uuid) -> QueryResult<()> {
        self.conn.catalog_forget(tenant, self.by)
    }

    pub(crate) fn catalog_transition(&mut self, tenant: Uuid, to: Status) -> QueryResult<Changed> {
        self.conn.catalog_transition(tenant, to, self.by)
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

    #[allow(dead_code, reason = "called once kept generations can be taken away")]
    pub(crate) fn catalog_forget_generation(
        &mut self,
        tenant: Uuid,
        generation: u64,
    ) -> QueryResult<()> {
        self.conn
            .catalog_forget_generation(tenant, generation, self.by)
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
