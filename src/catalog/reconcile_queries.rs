//! What the catalogue learns of the disk where it was restored. Mounted once per backend, beside `backups_queries.rs`; each
//! of these is within a transaction.
use diesel::prelude::*;
use uuid::Uuid;

use super::Conn;
use super::audit_queries::note;
use super::backups_queries::{about_backup, insert_backup, insert_set, let_count};
use super::queries::{about, close_quietly, forget_tenant, now, open_operation, set_status};
use crate::access::Principal;
use crate::audit::AuditNote;
use crate::backend::OnDisk;
use crate::catalog::backups::{
    BackupState, OnDiskReport, StoredBackup, StoredFacts, StoredSet, backup_sets, backups, discards,
};
use crate::catalog::{
    Operation, OperationKind, Status, TenantRecord, generations, operations, tenants,
};

/// Brings one tenant in line with what was found of it. What an old catalogue says is being done ended long ago.
pub(super) fn reconcile_tenant(
    conn: &mut Conn,
    record: &TenantRecord,
    found: Option<&OnDisk>,
    report: &mut OnDiskReport,
    by: &Principal,
) -> QueryResult<()> {
    // These had reached their commit point, and are finished by whoever opens the library.
    if matches!(record.status, Status::Deleting | Status::Deleted) {
        return Ok(());
    }
    if record.delete_after.is_some() {
        diesel::update(tenants::table.find(record.uuid.as_bytes().as_slice()))
            .set(tenants::delete_after.eq(None::<i64>))
            .execute(conn)?;
        report.undated.push(record.key());
        note(conn, by, &about(record, "tenant.undelete"))?;
    }
    let operation = open_operation(conn, record.uuid)?;
    if let Some(operation) = &operation {
        close_quietly(conn, operation, "the catalogue was restored")?;
    }
    let is_empty = |found: &OnDisk| found.generations.is_empty();
    // A directory that cannot be listed may have anything in it.
    if found.is_some_and(|found| is_empty(found) && !found.unreadable.is_empty()) {
        return set_settled(conn, record, operation.as_ref());
    }
    let Some(found) = found.filter(|found| !is_empty(found)) else {
        return match record.status {
            Status::Reserved => Ok(()),
            Status::Provisioning | Status::Failed => forget_tenant(conn, record.uuid, by),
            _ => {
                report.missing.push(record.key());
                set_settled(conn, record, operation.as_ref())
            }
        };
    };
    let generation = match found.usable() {
        Some(newest) => {
            diesel::update(tenants::table.find(record.uuid.as_bytes().as_slice()))
                .set((
                    tenants::schema_version.eq(&newest.version),
                    tenants::schema_fingerprint.eq(&newest.fingerprint),
                    tenants::ledger_digest.eq(None::<String>),
                ))
                .execute(conn)?;
            if newest.fenced {
                report.fenced.push((record.key(), newest.generation));
            }
            newest.generation
        }
        // What cannot be read now is the newest all the same: an older one must not be taken for it.
        None => highest(found),
    };
    diesel::update(tenants::table.find(record.uuid.as_bytes().as_slice()))
        .set(tenants::generation.eq(generation as i64))
        .execute(conn)?;
    if generation != record.generation {
        let moved = (record.key(), record.generation, generation);
        report.moved.push(moved);
        let found = about(record, "tenant.found").with("to_generation", generation);
        note(conn, by, &found)?;
    }
    set_settled(conn, record, operation.as_ref())?;
    keep_numbers(conn, record, generation, found)
}

fn highest(found: &OnDisk) -> u64 {
    found.generations.iter().max().copied().unwrap_or_default()
}

/// Gives a tenant that was in the middle of something the status it had before.
fn set_settled(
    conn: &mut Conn,
    record: &TenantRecord,
    operation: Option<&Operation>,
) -> QueryResult<()> {
    let status = match record.status {
        Status::Restoring => operation.map_or(Status::Active, |open| open.prior_status),
        Status::Reserved | Status::Provisioning | Status::Failed => Status::Active,
        settled => settled,
    };
    set_status(conn, record.uuid, status)
}

/// Makes the old generations that were found those that are kept, and sees that no number is used twice.
pub(super) fn keep_numbers(
    conn: &mut Conn,
    record: &TenantRecord,
    current: u64,
    found: &OnDisk,
) -> QueryResult<()> {
    let id = record.uuid.as_bytes().as_slice();
    let old = found
        .generations
        .iter()
        .filter(|generation| **generation != current);
    let old: Vec<i64> = old.map(|generation| *generation as i64).collect();
    let gone = generations::tenant_uuid
        .eq(id)
        .and(generations::generation.ne_all(&old));
    diesel::delete(generations::table.filter(gone)).execute(conn)?;
    diesel::delete(discards::table.filter(discards::tenant_uuid.eq(id))).execute(conn)?;
    for generation in old {
        diesel::insert_into(generations::table)
            .values((
                generations::tenant_uuid.eq(id),
                generations::generation.eq(generation),
                generations::replaced_by.eq(OperationKind::Restore.as_str()),
                generations::replaced_at.eq(now()),
            ))
            .on_conflict_do_nothing()
            .execute(conn)?;
    }
    // Its file may be lost, too, and its number must not be handed out again.
    diesel::insert_into(operations::table)
        .values((
            operations::id.eq(Uuid::now_v7().as_bytes().to_vec()),
            operations::tenant_uuid.eq(id),
            operations::kind.eq(OperationKind::Restore.as_str()),
            operations::instance.eq(Uuid::nil().as_bytes().to_vec()),
            operations::prior_status.eq(record.status.as_str()),
            operations::from_generation.eq(record.generation as i64),
            operations::to_generation.eq(current as i64),
            operations::started_at.eq(now()),
            operations::finished_at.eq(now()),
            operations::outcome.eq("found on the disk"),
        ))
        .execute(conn)
        .map(drop)
}

/// Inserts a backup that was found on the disk, or lets one count that was being made.
pub(super) fn adopt(
    conn: &mut Conn,
    backup: &StoredBackup,
    facts: &StoredFacts,
    by: &Principal,
) -> QueryResult<()> {
    // Where it was to be made is of no account: here it is.
    let row = backups::table.find(backup.id.as_bytes().as_slice());
    diesel::delete(row.filter(backups::state.eq(BackupState::Making.as_str()))).execute(conn)?;
    insert_backup(conn, backup)?;
    // Of which generation it is does not matter: it is one of before.
    match let_count(conn, backup.id, facts)? {
        Some(backup) => note(conn, by, &about_backup(&backup, "backup.found")),
        None => Ok(()),
    }
}

/// Inserts a set that was found on the disk, or ends one that was being made.
pub(super) fn adopt_set(conn: &mut Conn, set: &StoredSet, by: &Principal) -> QueryResult<()> {
    let row = backup_sets::table.find(set.id.as_bytes().as_slice());
    let known = row.select(backup_sets::ended_at);
    match known.get_result::<Option<i64>>(conn).optional()? {
        Some(Some(_)) => return Ok(()),
        Some(None) => diesel::delete(row).execute(conn).map(drop)?,
        None => {}
    }
    insert_set(conn, set)?;
    let found = AuditNote::of_library("backup-set.found").subject(set.id);
    note(conn, by, &found)
}
