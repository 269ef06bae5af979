//! The catalogue's statements about what was given up and is being removed. Mounted once per backend, beside
//! `backups_queries.rs`.
//!
//! Each is one transaction that holds the file's name going: a legal hold that is laid meanwhile waits for it, or is seen.
use diesel::prelude::*;
use uuid::Uuid;

use super::audit_queries::note;
use super::backups_queries::about_backup;
use super::queries::{about, now, tenant};
use super::retention_queries::is_on_hold;
use super::{Conn, write};
use crate::access::Principal;
use crate::catalog::backups::{BackupState, BackupStore, Removal, Removing, backups, discards};
use crate::catalog::{OperationKind, TenantRecord, generations, operations};

/// Takes the name of a backup away that is being removed.
pub(super) fn hide_backup(
    conn: &mut Conn,
    id: Uuid,
    files: &mut dyn Removing,
    by: &Principal,
) -> QueryResult<Removal> {
    write(conn, |conn| {
        let backup = match conn.backup_find(id)? {
            Some(backup) if backup.state == BackupState::Removing => backup,
            _ => return Ok(Removal::NotGivenUp),
        };
        if !(is_on_hold(conn, id)? && files.is_there()) {
            return Ok(removed(files));
        }
        diesel::update(backups::table.find(id.as_bytes().as_slice()))
            .set(backups::state.eq(BackupState::Good.as_str()))
            .execute(conn)?;
        note(conn, by, &about_backup(&backup, "backup.spare"))?;
        Ok(Removal::OnHold)
    })
}

/// Removes the files of a generation that was given up.
pub(super) fn remove_generation(
    conn: &mut Conn,
    uuid: Uuid,
    generation: u64,
    files: &mut dyn Removing,
    by: &Principal,
) -> QueryResult<Removal> {
    let key = (uuid.as_bytes().as_slice(), generation as i64);
    write(conn, |conn| {
        let row = discards::table.find(key);
        let given_up = row.count().get_result::<i64>(conn)? > 0;
        let Some(record) = tenant(conn, uuid)?.filter(|_| given_up) else {
            return Ok(Removal::NotGivenUp);
        };
        let spared = record.legal_hold.is_some() && files.is_there();
        let removal = match spared {
            true => Removal::OnHold,
            false => removed(files),
        };
        if removal != Removal::Failed {
            diesel::delete(row).execute(conn)?;
        }
        if spared {
            keep_again(conn, &record, generation, by)?;
        }
        Ok(removal)
    })
}

fn removed(files: &mut dyn Removing) -> Removal {
    match files.remove() {
        true => Removal::Done,
        false => Removal::Failed,
    }
}

/// Makes a generation that was given up one that is kept, as it was.
fn keep_again(
    conn: &mut Conn,
    record: &TenantRecord,
    generation: u64,
    by: &Principal,
) -> QueryResult<()> {
    let id = record.uuid.as_bytes().as_slice();
    // The one that replaced it came last of all that began with it.
    let replaced = operations::table
        .filter(operations::tenant_uuid.eq(id))
        .filter(operations::from_generation.eq(generation as i64))
        .filter(operations::to_generation.gt(generation as i64))
        .filter(operations::finished_at.is_not_null())
        .order(operations::finished_at.desc())
        .select((operations::kind, operations::finished_at))
        .first::<(String, Option<i64>)>(conn)
        .optional()?;
    let (kind, at) = replaced.unwrap_or((OperationKind::Restore.as_str().to_owned(), None));
    diesel::insert_into(generations::table)
        .values((
            generations::tenant_uuid.eq(id),
            generations::generation.eq(generation as i64),
            generations::replaced_by.eq(kind),
            generations::replaced_at.eq(at.unwrap_or_else(now)),
        ))
        .on_conflict_do_nothing()
        .execute(conn)?;
    note(
        conn,
        by,
        &about(record, "generation.spare").generation(generation),
    )
}
