//! The catalogue's statements. Mounted once per backend, whose module above names `Conn`, `STEPS`, `write` and
//! `has_catalog`.
use std::borrow::Cow;
use std::time::SystemTime;

use diesel::prelude::*;
use uuid::Uuid;

use super::audit_queries::note;
use super::{Conn, STEPS, has_catalog, reservations, workflows_queries, write};
use crate::access::Principal;
use crate::audit::AuditNote;
use crate::catalog::retention::BELIEVED_AHEAD;
use crate::catalog::{
    Begun, CatalogStore, Changed, Completing, Completion, FORMAT, Inserted, Intent, OldGeneration,
    Operation, OperationKind, Outcome, Status, TenantRecord, catalog, from_millis, generations,
    operations, tenants, to_millis,
};
use crate::error::in_own_words;
use crate::subdomain::Subdomain;

#[derive(Queryable, Insertable)]
#[diesel(table_name = tenants)]
pub(super) struct TenantRow {
    uuid: Vec<u8>,
    tenant_id: String,
    folded_id: String,
    display_name: String,
    subdomain: Option<String>,
    status: String,
    generation: i64,
    schema_version: Option<String>,
    schema_fingerprint: Option<String>,
    plan: Option<String>,
    placement: String,
    created_at: i64,
    changed_at: i64,
    change_seq: i64,
    delete_after: Option<i64>,
    legal_hold: Option<String>,
    quota_bytes: Option<i64>,
    backups_on_purge: Option<String>,
    ledger_digest: Option<String>,
    final_backup: Option<Vec<u8>>,
}

#[derive(Queryable, Insertable)]
#[diesel(table_name = operations)]
pub(super) struct OperationRow {
    id: Vec<u8>,
    tenant_uuid: Vec<u8>,
    kind: String,
    instance: Vec<u8>,
    prior_status: String,
    from_generation: i64,
    to_generation: i64,
    started_at: i64,
    finished_at: Option<i64>,
    outcome: Option<String>,
}

/// The catalogue holds something this build cannot read: it was edited by hand or by a newer build.
pub(super) fn unreadable(
    what: impl std::error::Error + Send + Sync + 'static,
) -> diesel::result::Error {
    diesel::result::Error::DeserializationError(Box::new(what))
}

pub(super) fn number(value: i64) -> QueryResult<u64> {
    u64::try_from(value).map_err(unreadable)
}

pub(super) fn uuid(bytes: &[u8]) -> QueryResult<Uuid> {
    Uuid::from_slice(bytes).map_err(unreadable)
}

impl TenantRow {
    pub(super) fn read(self) -> QueryResult<TenantRecord> {
        Ok(TenantRecord {
            uuid: uuid(&self.uuid)?,
            id: self.tenant_id.parse().map_err(unreadable)?,
            display_name: self.display_name.parse().map_err(unreadable)?,
            subdomain: match self.subdomain {
                Some(name) => Some(name.parse().map_err(unreadable)?),
                None => None,
            },
            status: self.status.parse().map_err(unreadable)?,
            generation: number(self.generation)?,
            schema_version: self.schema_version,
            schema_fingerprint: self.schema_fingerprint,
            plan: self.plan,
            placement: self.placement,
            created_at: from_millis(self.created_at),
            changed_at: from_millis(self.changed_at),
            ledger_digest: self.ledger_digest,
            change_seq: self.change_seq,
            delete_after: self.delete_after.map(from_millis),
            legal_hold: self.legal_hold,
            quota: self.quota_bytes.map(number).transpose()?,
        })
    }

    fn write(record: &TenantRecord, change_seq: i64) -> Self {
        Self {
            uuid: record.uuid.as_bytes().to_vec(),
            tenant_id: record.id.as_str().to_owned(),
            folded_id: record.id.folded().as_str().to_owned(),
            display_name: record.display_name.as_str().to_owned(),
            subdomain: record.subdomain.as_ref().map(|s| s.as_str().to_owned()),
            status: record.status.as_str().to_owned(),
            generation: record.generation as i64,
            schema_version: record.schema_version.clone(),
            schema_fingerprint: record.schema_fingerprint.clone(),
            plan: record.plan.clone(),
            placement: record.placement.clone(),
            created_at: to_millis(record.created_at),
            changed_at: to_millis(record.changed_at),
            change_seq,
            delete_after: record.delete_after.map(to_millis),
            legal_hold: record.legal_hold.clone(),
            quota_bytes: record.quota.map(|bytes| bytes as i64),
            backups_on_purge: None,
            ledger_digest: record.ledger_digest.clone(),
            final_backup: None,
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the journal names an operation this build does not know; run the build that began it")]
struct UnknownOperation;

fn operation_kind(word: &str) -> QueryResult<OperationKind> {
    OperationKind::parse(word).ok_or_else(|| in_own_words(UnknownOperation))
}

impl OperationRow {
    pub(super) fn read(self) -> QueryResult<Operation> {
        Ok(Operation {
            id: uuid(&self.id)?,
            tenant_uuid: uuid(&self.tenant_uuid)?,
            kind: operation_kind(&self.kind)?,
            instance: uuid(&self.instance)?,
            prior_status: self.prior_status.parse().map_err(unreadable)?,
            from_generation: number(self.from_generation)?,
            to_generation: number(self.to_generation)?,
        })
    }

    pub(super) fn write(operation: &Operation, now: i64) -> Self {
        Self {
            id: operation.id.as_bytes().to_vec(),
            tenant_uuid: operation.tenant_uuid.as_bytes().to_vec(),
            kind: operation.kind.as_str().to_owned(),
            instance: operation.instance.as_bytes().to_vec(),
            prior_status: operation.prior_status.as_str().to_owned(),
            from_generation: operation.from_generation as i64,
            to_generation: operation.to_generation as i64,
            started_at: now,
            finished_at: None,
            outcome: None,
        }
    }
}

pub(super) fn now() -> i64 {
    to_millis(SystemTime::now())
}

/// Moves the newest time that was seen to now, unless the clock is behind it or too far ahead to be believed: of it, and of
/// what the caller has seen.
pub(super) fn see_clock(conn: &mut Conn, lived: i64) -> QueryResult<()> {
    // Not more often than once a minute: opening the library need not write.
    let (now, minute) = (now(), 60_000);
    let believed = now - BELIEVED_AHEAD.as_millis() as i64;
    let from = match lived < believed {
        true => believed,
        false => i64::MIN,
    };
    diesel::update(catalog::table)
        .filter(catalog::clock_seen.between(from, now - minute))
        .set(catalog::clock_seen.eq(now))
        .execute(conn)
        .map(drop)
}

/// Every change takes the next number, in its own transaction, so that readers see them in order.
pub(super) fn next_seq(conn: &mut Conn) -> QueryResult<i64> {
    see_clock(conn, 0)?;
    diesel::update(catalog::table)
        .set(catalog::change_seq.eq(catalog::change_seq + 1))
        .returning(catalog::change_seq)
        .get_result(conn)
}

pub(super) fn tenant(conn: &mut Conn, id: Uuid) -> QueryResult<Option<TenantRecord>> {
    let row = tenants::table
        .find(id.as_bytes().as_slice())
        .get_result::<TenantRow>(conn)
        .optional()?;
    row.map(TenantRow::read).transpose()
}

/// Who has a subdomain; deleted tenants have none.
pub(super) fn subdomain_owner(
    conn: &mut Conn,
    subdomain: &Subdomain,
) -> QueryResult<Option<TenantRecord>> {
    let row = tenants::table
        .filter(tenants::subdomain.eq(subdomain.as_str()))
        .filter(tenants::status.ne(Status::Deleted.as_str()))
        .get_result::<TenantRow>(conn)
        .optional()?;
    row.map(TenantRow::read).transpose()
}

pub(super) fn open_operation(conn: &mut Conn, tenant: Uuid) -> QueryResult<Option<Operation>> {
    let row = operations::table
        .filter(operations::tenant_uuid.eq(tenant.as_bytes().as_slice()))
        .filter(operations::finished_at.is_null())
        .get_result::<OperationRow>(conn)
        .optional()?;
    row.map(OperationRow::read).transpose()
}

pub(super) fn set_status(conn: &mut Conn, id: Uuid, to: Status) -> QueryResult<()> {
    let seq = next_seq(conn)?;
    diesel::update(tenants::table.find(id.as_bytes().as_slice()))
        .set((
            tenants::status.eq(to.as_str()),
            tenants::changed_at.eq(now()),
            tenants::change_seq.eq(seq),
        ))
        .execute(conn)?;
    match to {
        Status::Deleted => workflows_queries::forget_tenant(conn, id),
        _ => Ok(()),
    }
}

/// The tenant, if it is in a status that will do and nothing is under way on it.
pub(super) fn idle_tenant(
    conn: &mut Conn,
    id: Uuid,
    will_do: impl Fn(Status) -> bool,
) -> QueryResult<Result<TenantRecord, Changed>> {
    let Some(record) = tenant(conn, id)? else {
        return Ok(Err(Changed::Unknown));
    };
    if let Some(operation) = open_operation(conn, id)? {
        return Ok(Err(Changed::InProgress(operation)));
    }
    if !will_do(record.status) {
        return Ok(Err(Changed::WrongStatus(record.status)));
    }
    Ok(Ok(record))
}

/// What is done to a tenant, for the audit log.
pub(super) fn about(record: &TenantRecord, action: impl Into<Cow<'static, str>>) -> AuditNote {
    AuditNote::of_library(action)
        .about(record.key())
        .generation(record.generation)
}

fn transition_word(from: Status, to: Status) -> &'static str {
    match (from, to) {
        (Status::Archived, Status::Suspended) => "tenant.unarchive",
        (_, Status::Suspended) => "tenant.suspend",
        (_, Status::Active) => "tenant.resume",
        // Nothing else is asked for by name.
        _ => "tenant.archive",
    }
}

/// How an operation ended, for the audit log: one that makes a generation and ends on the one it came from was undone.
fn outcome_word(operation: &Operation, outcome: &Outcome) -> &'static str {
    let undone = match operation.kind {
        OperationKind::Purge | OperationKind::FinalBackup => outcome.status != Status::Deleted,
        kind => kind.makes_generation() && outcome.generation == operation.from_generation,
    };
    match outcome.status {
        Status::Failed => "fail",
        _ if undone => "undo",
        _ => "commit",
    }
}

/// Takes over what an operation has done, within a transaction and without an entry.
fn take_over(conn: &mut Conn, operation: &Operation, outcome: &Outcome) -> QueryResult<()> {
    let id = operation.tenant_uuid.as_bytes().as_slice();
    if let Some((version, fingerprint)) = &outcome.schema {
        diesel::update(tenants::table.find(id))
            .set((
                tenants::schema_version.eq(version),
                tenants::schema_fingerprint.eq(fingerprint),
                // Whoever knows the ledger as well writes it next.
                tenants::ledger_digest.eq(None::<String>),
            ))
            .execute(conn)?;
    }
    diesel::update(tenants::table.find(id))
        .set(tenants::generation.eq(outcome.generation as i64))
        .execute(conn)?;
    if outcome.keep_old {
        diesel::insert_into(generations::table)
            .values((
                generations::tenant_uuid.eq(id),
                generations::generation.eq(operation.from_generation as i64),
                generations::replaced_by.eq(operation.kind.as_str()),
                generations::replaced_at.eq(now()),
            ))
            .execute(conn)?;
    }
    set_status(conn, operation.tenant_uuid, outcome.status)
}

#[derive(Debug, thiserror::Error)]
#[error(
    "another process holds this one for dead and has taken the operation over; the catalogue was not changed by this one; see what became of it"
)]
struct TakenOver;

/// Whether an operation is open, and nobody who held its process for dead has taken it over.
pub(super) fn is_theirs(conn: &mut Conn, operation: &Operation) -> QueryResult<bool> {
    let open = open_operation(conn, operation.tenant_uuid)?;
    Ok(open.is_some_and(|open| open.id == operation.id && open.instance == operation.instance))
}

/// Refuses whoever does not work on an operation any more: one that was taken over may have been undone by now, and what it
/// names removed.
fn check_theirs(conn: &mut Conn, operation: &Operation) -> QueryResult<()> {
    match is_theirs(conn, operation)? {
        true => Ok(()),
        false => Err(in_own_words(TakenOver)),
    }
}

/// Takes over what an operation has done, within a transaction. Only whoever works on it may.
fn commit(
    conn: &mut Conn,
    operation: &Operation,
    outcome: &Outcome,
    by: &Principal,
) -> QueryResult<()> {
    check_theirs(conn, operation)?;
    take_over(conn, operation, outcome)?;
    let word = outcome_word(operation, outcome);
    ended(conn, operation, word, outcome.schema.as_ref(), by)
}

/// Enters how an operation ended.
fn ended(
    conn: &mut Conn,
    operation: &Operation,
    word: &str,
    schema: Option<&(Option<String>, String)>,
    by: &Principal,
) -> QueryResult<()> {
    let Some(record) = tenant(conn, operation.tenant_uuid)? else {
        return Ok(());
    };
    let ended = about(&record, format!("{}.{word}", operation.kind.audit_word()));
    let ended = match schema {
        Some((Some(version), _)) => ended.with("schema", version.as_str()),
        _ => ended,
    };
    note(conn, by, &ended.subject(operation.id))
}

/// Closes an operation without an entry, within a transaction. False where it was closed already.
pub(super) fn close_quietly(
    conn: &mut Conn,
    operation: &Operation,
    outcome: &str,
) -> QueryResult<bool> {
    let closed = diesel::update(operations::table.find(operation.id.as_bytes().as_slice()))
        .filter(operations::finished_at.is_null())
        .set((
            operations::finished_at.eq(now()),
            operations::outcome.eq(outcome),
        ))
        .execute(conn)?;
    Ok(closed == 1)
}

/// Closes an operation, within a transaction.
pub(super) fn close(
    conn: &mut Conn,
    operation: &Operation,
    outcome: &str,
    by: &Principal,
) -> QueryResult<()> {
    let closed = close_quietly(conn, operation, outcome)?;
    // That what was committed is cleared away needs no entry; that somebody else had to do it does.
    if !closed || outcome == "done" {
        return Ok(());
    }
    ended(conn, operation, outcome, None, by)
}

fn write_ledger(conn: &mut Conn, tenant: Uuid, digest: &str) -> QueryResult<()> {
    diesel::update(tenants::table.find(tenant.as_bytes().as_slice()))
        .set(tenants::ledger_digest.eq(digest))
        .execute(conn)
        .map(drop)
}

/// The highest number of all generations an operation on the tenant ever aimed at; 0 where there was none.
pub(super) fn newest_number(conn: &mut Conn, tenant: Uuid) -> QueryResult<u64> {
    let newest = operations::table
        .filter(operations::tenant_uuid.eq(tenant.as_bytes().as_slice()))
        .select(diesel::dsl::max(operations::to_generation))
        .get_result::<Option<i64>>(conn)?;
    number(newest.unwrap_or(0))
}

/// Every tenant, deleted ones included.
pub(super) fn all_tenants(conn: &mut Conn) -> QueryResult<Vec<TenantRecord>> {
    let rows = tenants::table.load::<TenantRow>(conn)?;
    rows.into_iter().map(TenantRow::read).collect()
}

/// Inserts a tenant, within a transaction, unless its names are taken. Returns whether the id was that of a tenant that
/// was deleted.
pub(super) fn insert_names(
    conn: &mut Conn,
    record: &TenantRecord,
    reuse_id: bool,
) -> QueryResult<Result<bool, Inserted>> {
    let folded = record.id.folded();
    let namesakes = tenants::table
        .filter(tenants::folded_id.eq(folded.as_str()))
        .load::<TenantRow>(conn)?;
    let mut retired = false;
    for row in namesakes {
        let found = row.read()?;
        if found.status != Status::Deleted {
            return Ok(Err(Inserted::Exists(Box::new(found))));
        }
        retired = true;
    }
    if retired && !reuse_id {
        return Ok(Err(Inserted::Retired));
    }
    if let Some(subdomain) = &record.subdomain
        && let Some(owner) = subdomain_owner(conn, subdomain)?
    {
        return Ok(Err(Inserted::SubdomainTaken(owner.id)));
    }
    let seq = next_seq(conn)?;
    diesel::insert_into(tenants::table)
        .values(TenantRow::write(record, seq))
        .execute(conn)?;
    Ok(Ok(retired))
}

/// Inserts a tenant and its operation, within a transaction.
pub(super) fn insert_tenant(
    conn: &mut Conn,
    record: &TenantRecord,
    operation: &Operation,
    reuse_id: bool,
    by: &Principal,
) -> QueryResult<Inserted> {
    let retired = match insert_names(conn, record, reuse_id)? {
        Ok(retired) => retired,
        Err(taken) => return Ok(taken),
    };
    diesel::insert_into(operations::table)
        .values(OperationRow::write(operation, now()))
        .execute(conn)?;
    let begun = about(record, "create.begin").subject(operation.id);
    note(conn, by, &begun.with("reuse_id", retired))?;
    Ok(Inserted::Done)
}

/// Takes a tenant that was never active out, within a transaction.
pub(super) fn forget_tenant(conn: &mut Conn, uuid: Uuid, by: &Principal) -> QueryResult<()> {
    let id = uuid.as_bytes().as_slice();
    if let Some(record) = tenant(conn, uuid)? {
        note(conn, by, &about(&record, "create.undo"))?;
    }
    next_seq(conn)?;
    diesel::delete(operations::table.filter(operations::tenant_uuid.eq(id))).execute(conn)?;
    diesel::delete(generations::table.filter(generations::tenant_uuid.eq(id))).execute(conn)?;
    diesel::delete(tenants::table.find(id))
        .execute(conn)
        .map(drop)
}

impl CatalogStore for Conn {
    fn catalog_open(&mut self, create_as: Uuid) -> QueryResult<(Uuid, i32)> {
        use diesel::connection::SimpleConnection;
        write(self, |conn| {
            if !has_catalog(conn)? {
                conn.batch_execute(STEPS[0])?;
                diesel::insert_into(catalog::table)
                    .values((
                        catalog::id.eq(1),
                        catalog::uuid.eq(create_as.as_bytes().as_slice()),
                        catalog::format.eq(1),
                        catalog::change_seq.eq(0),
                        catalog::created_at.eq(now()),
                    ))
                    .execute(conn)?;
            }
            let (id, format) = catalog::table
                .select((catalog::uuid, catalog::format))
                .get_result::<(Vec<u8>, i32)>(conn)?;
            // One that an older build has made is brought up to this one's; a newer one is left to the caller.
            if let Some(missing) = usize::try_from(format).ok().and_then(|at| STEPS.get(at..))
                && !missing.is_empty()
            {
                for step in missing {
                    conn.batch_execute(step)?;
                }
                diesel::update(catalog::table)
                    .set(catalog::format.eq(FORMAT))
                    .execute(conn)?;
            }
            Ok((uuid(&id)?, format.max(FORMAT)))
        })
    }

    fn catalog_seq(&mut self) -> QueryResult<i64> {
        catalog::table.select(catalog::change_seq).get_result(self)
    }

    fn catalog_changed_since(&mut self, seq: i64) -> QueryResult<Vec<TenantRecord>> {
        tenants::table
            .filter(tenants::change_seq.gt(seq))
            .order(tenants::change_seq)
            .load::<TenantRow>(self)?
            .into_iter()
            .map(TenantRow::read)
            .collect()
    }

    fn catalog_tenant(&mut self, uuid: Uuid) -> QueryResult<Option<TenantRecord>> {
        tenant(self, uuid)
    }

    fn catalog_insert(
        &mut self,
        record: &TenantRecord,
        operation: &Operation,
        reuse_id: bool,
        by: &Principal,
    ) -> QueryResult<Inserted> {
        write(self, |conn| {
            insert_tenant(conn, record, operation, reuse_id, by)
        })
    }

    fn catalog_reserve(
        &mut self,
        record: &TenantRecord,
        reuse_id: bool,
        by: &Principal,
    ) -> QueryResult<Inserted> {
        reservations::reserve(self, record, reuse_id, by)
    }

    fn catalog_complete(&mut self, asked: &Completion, by: &Principal) -> QueryResult<Completing> {
        reservations::complete(self, asked, by)
    }

    fn catalog_reserve_again(&mut self, operation: &Operation, by: &Principal) -> QueryResult<()> {
        reservations::reserve_again(self, operation, by)
    }

    fn catalog_unreserve(&mut self, tenant: Uuid, by: &Principal) -> QueryResult<Changed> {
        reservations::unreserve(self, tenant, by)
    }

    fn catalog_forget(&mut self, tenant: Uuid, by: &Principal) -> QueryResult<()> {
        write(self, |conn| forget_tenant(conn, tenant, by))
    }

    fn catalog_transition(
        &mut self,
        tenant: Uuid,
        from: Status,
        to: Status,
        by: &Principal,
    ) -> QueryResult<Changed> {
        write(self, |conn| {
            match idle_tenant(conn, tenant, |status| status == from)? {
                Ok(record) => {
                    let changed = about(&record, transition_word(record.status, to));
                    let changed = changed.with("from", record.status.as_str());
                    note(conn, by, &changed.with("to", to.as_str()))?;
                    // Who brings an archived tenant back does not want it purged on the old date when it is archived
                    // again.
                    if record.status == Status::Archived {
                        diesel::update(tenants::table.find(tenant.as_bytes().as_slice()))
                            .set(tenants::delete_after.eq(None::<i64>))
                            .execute(conn)?;
                    }
                    set_status(conn, tenant, to).map(|()| Changed::Done)
                }
                Err(refused) => Ok(refused),
            }
        })
    }

    fn catalog_begin(&mut self, intent: &Intent<'_>, by: &Principal) -> QueryResult<Begun> {
        let tenant = intent.tenant_uuid;
        write(self, |conn| {
            let record = match idle_tenant(conn, tenant, |status| intent.from.contains(&status))? {
                Ok(record) => record,
                Err(refused) => return Ok(Begun::Not(refused)),
            };
            let newest = newest_number(conn, tenant)?.max(record.generation);
            if intent.above > newest {
                return Ok(Begun::Not(Changed::OlderThanDisk(intent.above)));
            }
            let operation = Operation {
                id: intent.id,
                tenant_uuid: tenant,
                kind: intent.kind,
                instance: intent.instance,
                prior_status: record.status,
                from_generation: record.generation,
                to_generation: match intent.new_generation {
                    true => newest + 1,
                    false => record.generation,
                },
            };
            diesel::insert_into(operations::table)
                .values(OperationRow::write(&operation, now()))
                .execute(conn)?;
            if let Some(status) = intent.during {
                set_status(conn, tenant, status)?;
            }
            let begun = about(&record, format!("{}.begin", intent.kind)).subject(operation.id);
            let begun = match intent.new_generation {
                true => begun.with("to_generation", operation.to_generation),
                false => begun,
            };
            note(conn, by, &begun)?;
            Ok(Begun::Done(operation))
        })
    }

    fn catalog_commit(
        &mut self,
        operation: &Operation,
        outcome: &Outcome,
        by: &Principal,
    ) -> QueryResult<()> {
        write(self, |conn| commit(conn, operation, outcome, by))
    }

    fn catalog_commit_ledger(
        &mut self,
        operation: &Operation,
        outcome: &Outcome,
        ledger_digest: &str,
        by: &Principal,
    ) -> QueryResult<()> {
        write(self, |conn| {
            commit(conn, operation, outcome, by)?;
            write_ledger(conn, operation.tenant_uuid, ledger_digest)?;
            close(conn, operation, "done", by)
        })
    }

    fn catalog_settle(
        &mut self,
        operation: &Operation,
        found: &Outcome,
        ledger_digest: Option<&str>,
        by: &Principal,
    ) -> QueryResult<()> {
        write(self, |conn| {
            check_theirs(conn, operation)?;
            take_over(conn, operation, found)?;
            if let Some(digest) = ledger_digest {
                write_ledger(conn, operation.tenant_uuid, digest)?;
            }
            match close_quietly(conn, operation, "settled")? {
                true => ended(conn, operation, "settled", found.schema.as_ref(), by),
                false => Ok(()),
            }
        })
    }

    fn catalog_close(
        &mut self,
        operation: &Operation,
        outcome: &str,
        by: &Principal,
    ) -> QueryResult<()> {
        write(self, |conn| close(conn, operation, outcome, by))
    }

    fn catalog_generations(&mut self, tenant: Uuid) -> QueryResult<Vec<OldGeneration>> {
        let rows = generations::table
            .filter(generations::tenant_uuid.eq(tenant.as_bytes().as_slice()))
            .order(generations::generation.desc())
            .select((
                generations::generation,
                generations::replaced_by,
                generations::replaced_at,
            ))
            .load::<(i64, String, i64)>(self)?;
        let read = |(generation, kind, at): (i64, String, i64)| {
            Ok(OldGeneration {
                generation: number(generation)?,
                replaced_by: operation_kind(&kind)?,
                replaced_at: from_millis(at),
            })
        };
        rows.into_iter().map(read).collect()
    }

    fn catalog_forget_generation(
        &mut self,
        uuid: Uuid,
        generation: u64,
        by: &Principal,
    ) -> QueryResult<()> {
        let key = (uuid.as_bytes().as_slice(), generation as i64);
        write(self, |conn| {
            let gone = diesel::delete(generations::table.find(key)).execute(conn)?;
            match tenant(conn, uuid)? {
                Some(record) if gone == 1 => note(
                    conn,
                    by,
                    &about(&record, "generation.forget").generation(generation),
                ),
                _ => Ok(()),
            }
        })
    }

    fn catalog_take_over(&mut self, operation: &Operation, by: Uuid) -> QueryResult<bool> {
        let taken = diesel::update(operations::table.find(operation.id.as_bytes().as_slice()))
            .filter(operations::finished_at.is_null())
            .filter(operations::instance.eq(operation.instance.as_bytes().as_slice()))
            .set(operations::instance.eq(by.as_bytes().as_slice()))
            .execute(self)?;
        Ok(taken == 1)
    }

    fn catalog_open_operations(&mut self) -> QueryResult<Vec<Operation>> {
        operations::table
            .filter(operations::finished_at.is_null())
            .order(operations::started_at)
            .load::<OperationRow>(self)?
            .into_iter()
            .map(OperationRow::read)
            .collect()
    }

    fn catalog_open_operation(&mut self, tenant: Uuid) -> QueryResult<Option<Operation>> {
        open_operation(self, tenant)
    }
}
