//! The catalogue's statements about backups. Mounted once per backend, whose module above names `Conn` and `write`.
use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use diesel::prelude::*;
use uuid::Uuid;

use super::audit_queries::note;
use super::given_up_queries::{hide_backup, remove_generation};
use super::queries::{about, all_tenants, close, insert_tenant, number, tenant, unreadable, uuid};
use super::reconcile_queries::{adopt, adopt_set, keep_numbers, reconcile_tenant};
use super::retention_queries::{comes_too_late, goes_with_its_tenant, is_on_hold};
use super::workflows_queries::mark_restored;
use super::{Conn, write};
use crate::access::Principal;
use crate::audit::AuditNote;
use crate::backend::{OnDisk, TenantKey};
use crate::catalog::backups::{
    BackupCommitted, BackupState, BackupStore, BackupsFound, BackupsOf, GivenUp, OnDiskReport,
    Pinned, Removal, Removing, StoredBackup, StoredFacts, StoredSet, backup_sets, backups,
    discards,
};
use crate::catalog::{
    Inserted, Operation, OperationKind, Status, TenantRecord, from_millis, generations, tenants,
    to_millis,
};
use crate::error::in_own_words;
use crate::failpoint::hit;

#[derive(Queryable, Insertable)]
#[diesel(table_name = backups)]
struct BackupRow {
    id: Vec<u8>,
    set_id: Option<Vec<u8>>,
    tenant_uuid: Option<Vec<u8>>,
    tenant_id: Option<String>,
    state: String,
    reason: String,
    instance: Vec<u8>,
    directory: Option<Vec<u8>>,
    began_at: i64,
    pinned: bool,
    taken_at: Option<i64>,
    generation: Option<i64>,
    schema_version: Option<String>,
    schema_fingerprint: Option<String>,
    bytes: Option<i64>,
    sha256: Option<Vec<u8>>,
    mark: Option<Vec<u8>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the catalogue has a backup this build cannot read; run the build that took it")]
struct UnknownBackup;

fn path(bytes: Vec<u8>) -> PathBuf {
    std::ffi::OsString::from_vec(bytes).into()
}

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

impl BackupRow {
    fn read(self) -> QueryResult<StoredBackup> {
        let tenant = match (&self.tenant_uuid, &self.tenant_id) {
            (Some(bytes), Some(id)) => Some(TenantKey {
                id: id.parse().map_err(unreadable)?,
                uuid: uuid(bytes)?,
            }),
            _ => None,
        };
        let facts = match (self.taken_at, self.generation, self.bytes, &self.sha256) {
            (Some(taken_at), Some(generation), Some(bytes), Some(sha256)) => Some(StoredFacts {
                taken_at: from_millis(taken_at),
                generation: number(generation)?,
                schema_version: self.schema_version,
                schema_fingerprint: self.schema_fingerprint.unwrap_or_default(),
                bytes: number(bytes)?,
                sha256: sha256.as_slice().try_into().map_err(unreadable)?,
            }),
            _ => None,
        };
        Ok(StoredBackup {
            id: uuid(&self.id)?,
            set: self.set_id.as_deref().map(uuid).transpose()?,
            tenant,
            state: BackupState::parse(&self.state).ok_or_else(|| in_own_words(UnknownBackup))?,
            reason: self.reason.parse().map_err(unreadable)?,
            instance: uuid(&self.instance)?,
            directory: self.directory.map(path),
            mark: self.mark.as_deref().map(uuid).transpose()?,
            began_at: from_millis(self.began_at),
            pinned: self.pinned,
            facts,
        })
    }

    fn write(backup: &StoredBackup) -> Self {
        Self {
            id: backup.id.as_bytes().to_vec(),
            set_id: backup.set.map(|set| set.as_bytes().to_vec()),
            tenant_uuid: backup.tenant.map(|tenant| tenant.uuid.as_bytes().to_vec()),
            tenant_id: backup.tenant.map(|tenant| tenant.id.as_str().to_owned()),
            state: backup.state.as_str().to_owned(),
            reason: backup.reason.as_str().to_owned(),
            instance: backup.instance.as_bytes().to_vec(),
            directory: backup.directory.as_deref().map(bytes),
            began_at: to_millis(backup.began_at),
            pinned: backup.pinned,
            taken_at: None,
            generation: None,
            schema_version: None,
            schema_fingerprint: None,
            bytes: None,
            sha256: None,
            mark: backup.mark.map(|mark| mark.as_bytes().to_vec()),
        }
    }
}

fn read(rows: Vec<BackupRow>) -> QueryResult<Vec<StoredBackup>> {
    rows.into_iter().map(BackupRow::read).collect()
}

pub(super) fn insert_backup(conn: &mut Conn, backup: &StoredBackup) -> QueryResult<()> {
    diesel::insert_into(backups::table)
        .values(BackupRow::write(backup))
        .execute(conn)
        .map(drop)
}

/// The generation in use of the tenant a backup is of, if it is a tenant's that the catalogue knows.
fn in_use(conn: &mut Conn, backup: Uuid) -> QueryResult<Option<u64>> {
    let of = backups::table
        .find(backup.as_bytes().as_slice())
        .select(backups::tenant_uuid)
        .get_result::<Option<Vec<u8>>>(conn)
        .optional()?;
    let Some(Some(tenant)) = of else {
        return Ok(None);
    };
    let generation = tenants::table.find(tenant).select(tenants::generation);
    let generation = generation.get_result::<i64>(conn).optional()?;
    generation.map(number).transpose()
}

pub(super) fn insert_set(conn: &mut Conn, set: &StoredSet) -> QueryResult<()> {
    diesel::insert_into(backup_sets::table)
        .values((
            backup_sets::id.eq(set.id.as_bytes().as_slice()),
            backup_sets::instance.eq(set.instance.as_bytes().as_slice()),
            backup_sets::directory.eq(set.directory.as_deref().map(bytes)),
            backup_sets::began_at.eq(to_millis(set.began_at)),
            backup_sets::ended_at.eq(set.ended_at.map(to_millis)),
            backup_sets::complete.eq(set.complete),
            backup_sets::mark.eq(set.mark.map(|mark| mark.as_bytes().to_vec())),
        ))
        .execute(conn)
        .map(drop)
}

/// Lets a backup that is being made count, within a transaction. `None` where it may not.
pub(super) fn let_count(
    conn: &mut Conn,
    id: Uuid,
    facts: &StoredFacts,
) -> QueryResult<Option<StoredBackup>> {
    if comes_too_late(conn, id)? {
        return Ok(None);
    }
    let counting = diesel::update(backups::table.find(id.as_bytes().as_slice()))
        .filter(backups::state.eq(BackupState::Making.as_str()))
        .set((
            backups::state.eq(BackupState::Good.as_str()),
            backups::taken_at.eq(to_millis(facts.taken_at)),
            backups::generation.eq(facts.generation as i64),
            backups::schema_version.eq(&facts.schema_version),
            backups::schema_fingerprint.eq(&facts.schema_fingerprint),
            backups::bytes.eq(facts.bytes as i64),
            backups::sha256.eq(facts.sha256.as_slice()),
        ))
        .execute(conn)?;
    match counting {
        1 => conn.backup_find(id),
        _ => Ok(None),
    }
}

/// What is done to a backup, for the audit log.
pub(super) fn about_backup(backup: &StoredBackup, action: &'static str) -> AuditNote {
    let it = AuditNote::of_library(action).subject(backup.id);
    match backup.tenant {
        Some(tenant) => it.about(tenant),
        None => it,
    }
}

/// Takes a backup out, within a transaction. That one is removed was entered when that began.
fn forget(conn: &mut Conn, id: Uuid, by: &Principal) -> QueryResult<()> {
    if let Some(backup) = conn.backup_find(id)?
        && backup.state == BackupState::Making
    {
        note(conn, by, &about_backup(&backup, "backup.undo"))?;
    }
    diesel::delete(backups::table.find(id.as_bytes().as_slice()))
        .execute(conn)
        .map(drop)
}

/// Takes a set out, within a transaction.
fn forget_set(conn: &mut Conn, id: Uuid, by: &Principal) -> QueryResult<()> {
    let row = backup_sets::table.find(id.as_bytes().as_slice());
    let making = backup_sets::ended_at
        .is_null()
        .and(backup_sets::complete.eq(false));
    if diesel::delete(row.filter(making)).execute(conn)? == 1 {
        let undone = AuditNote::of_library("backup-set.undo").subject(id);
        return note(conn, by, &undone);
    }
    diesel::delete(row).execute(conn).map(drop)
}

impl BackupStore for Conn {
    fn backup_begin(&mut self, backup: &StoredBackup, by: &Principal) -> QueryResult<()> {
        write(self, |conn| {
            insert_backup(conn, backup)?;
            let begun = about_backup(backup, "backup.begin");
            note(conn, by, &begun.with("why", backup.reason.as_str()))
        })
    }

    fn backup_commit(
        &mut self,
        id: Uuid,
        facts: &StoredFacts,
        by: &Principal,
    ) -> QueryResult<BackupCommitted> {
        write(self, |conn| {
            if in_use(conn, id)?.is_some_and(|generation| generation != facts.generation) {
                return Ok(BackupCommitted::Moved);
            }
            let Some(backup) = let_count(conn, id, facts)? else {
                return Ok(BackupCommitted::GivenUp);
            };
            let committed = about_backup(&backup, "backup.commit")
                .generation(facts.generation)
                .with("bytes", facts.bytes)
                .with("sha256", data_encoding::HEXLOWER.encode(&facts.sha256));
            note(conn, by, &committed).map(|()| BackupCommitted::Done)
        })
    }

    fn backup_forget(&mut self, id: Uuid, by: &Principal) -> QueryResult<()> {
        write(self, |conn| forget(conn, id, by))
    }

    fn backup_find(&mut self, id: Uuid) -> QueryResult<Option<StoredBackup>> {
        let row = backups::table
            .find(id.as_bytes().as_slice())
            .get_result::<BackupRow>(self)
            .optional()?;
        row.map(BackupRow::read).transpose()
    }

    fn backup_list(&mut self, of: BackupsOf) -> QueryResult<Vec<StoredBackup>> {
        let good = backups::table
            .filter(backups::state.eq(BackupState::Good.as_str()))
            .order((backups::taken_at.desc(), backups::id.desc()));
        read(match of {
            BackupsOf::Everything => good.load(self)?,
            BackupsOf::Shared => good.filter(backups::tenant_uuid.is_null()).load(self)?,
            BackupsOf::Tenant(uuid) => good
                .filter(backups::tenant_uuid.eq(uuid.as_bytes().as_slice()))
                .load(self)?,
        })
    }

    fn backup_unfinished(&mut self) -> QueryResult<Vec<StoredBackup>> {
        let unfinished = backups::state.ne(BackupState::Good.as_str());
        read(backups::table.filter(unfinished).load(self)?)
    }

    fn backup_pin(&mut self, id: Uuid, pinned: bool, by: &Principal) -> QueryResult<Pinned> {
        write(self, |conn| {
            let backup = match conn.backup_find(id)? {
                Some(backup) if backup.state == BackupState::Good => backup,
                _ => return Ok(Pinned::Unknown),
            };
            if backup.pinned == pinned {
                return Ok(Pinned::Done);
            }
            if pinned && goes_with_its_tenant(conn, id)? {
                return Ok(Pinned::Purging);
            }
            diesel::update(backups::table.find(id.as_bytes().as_slice()))
                .set(backups::pinned.eq(pinned))
                .execute(conn)?;
            let action = match pinned {
                true => "backup.pin",
                false => "backup.unpin",
            };
            note(conn, by, &about_backup(&backup, action))?;
            Ok(Pinned::Done)
        })
    }

    fn backup_begin_removal(
        &mut self,
        id: Uuid,
        instance: Uuid,
        by: &Principal,
    ) -> QueryResult<bool> {
        write(self, |conn| {
            if is_on_hold(conn, id)? {
                return Ok(false);
            }
            let begun = diesel::update(backups::table.find(id.as_bytes().as_slice()))
                .filter(backups::state.eq(BackupState::Good.as_str()))
                .filter(backups::pinned.eq(false))
                .set((
                    backups::state.eq(BackupState::Removing.as_str()),
                    backups::instance.eq(instance.as_bytes().as_slice()),
                ))
                .execute(conn)?;
            match conn.backup_find(id)? {
                Some(backup) if begun == 1 => {
                    note(conn, by, &about_backup(&backup, "backup.remove"))?;
                }
                _ => {}
            }
            Ok(begun == 1)
        })
    }

    fn backup_hide(
        &mut self,
        id: Uuid,
        files: &mut dyn Removing,
        by: &Principal,
    ) -> QueryResult<Removal> {
        hide_backup(self, id, files, by)
    }

    fn reconcile(
        &mut self,
        catalog: Uuid,
        backup: Uuid,
        found: &[OnDisk],
        directory: &dyn Fn(&TenantKey) -> String,
        purged: &dyn Fn(Uuid) -> bool,
        by: &Principal,
    ) -> QueryResult<OnDiskReport> {
        let by_directory: HashMap<&str, &OnDisk> = found
            .iter()
            .map(|found| (found.directory.as_str(), found))
            .collect();
        write(self, |conn| {
            let mut report = OnDiskReport::default();
            let known = all_tenants(conn)?;
            for record in &known {
                let key = record.key();
                let name = directory(&key);
                let found = by_directory.get(name.as_str()).copied();
                report.directories.insert(name, key);
                // One of which nothing can be read may be this tenant's, and no other's: its directory is named for it.
                let is_its = |found: &&OnDisk| {
                    let owner = found.owner;
                    owner.is_none_or(|(key, of)| key.uuid == record.uuid && of == catalog)
                };
                let found = found.filter(is_its);
                // Of most of them nothing is left to be found.
                if !purged(record.uuid) {
                    reconcile_tenant(conn, record, found, &mut report, by)?;
                }
            }
            mark_restored(conn)?;
            let known: HashSet<Uuid> = known.iter().map(|record| record.uuid).collect();
            let orphan = |found: &OnDisk| {
                let key = found.tenant_of(catalog)?;
                (!known.contains(&key.uuid) && found.usable().is_some()).then_some(key)
            };
            report.orphans = found.iter().filter_map(orphan).collect();
            let restored = AuditNote::of_library("catalog.restore")
                .subject(backup)
                .with("moved", report.moved.len())
                .with("missing", report.missing.len())
                .with("orphans", report.orphans.len())
                .with("undated", report.undated.len());
            note(conn, by, &restored)?;
            Ok(report)
        })
    }

    fn reclaim(
        &mut self,
        record: &TenantRecord,
        found: &OnDisk,
        by: &Principal,
    ) -> QueryResult<Inserted> {
        let operation = Operation {
            id: Uuid::now_v7(),
            tenant_uuid: record.uuid,
            kind: OperationKind::Create,
            instance: Uuid::nil(),
            prior_status: Status::Provisioning,
            from_generation: record.generation,
            to_generation: record.generation,
        };
        write(self, |conn| {
            // It is no new tenant: the id was its own before, whoever else had it before that.
            let inserted = insert_tenant(conn, record, &operation, true, by)?;
            if matches!(inserted, Inserted::Done) {
                close(conn, &operation, "reclaimed", by)?;
                keep_numbers(conn, record, record.generation, found)?;
            }
            Ok(inserted)
        })
    }

    fn backups_reconcile(&mut self, found: &BackupsFound, by: &Principal) -> QueryResult<()> {
        write(self, |conn| {
            for (backup, facts) in &found.adopted {
                adopt(conn, backup, facts, by)?;
                hit("restore-shared.adopted");
            }
            for backup in &found.gone {
                forget(conn, *backup, by)?;
            }
            for set in &found.sets {
                adopt_set(conn, set, by)?;
            }
            for set in &found.sets_gone {
                forget_set(conn, *set, by)?;
            }
            Ok(())
        })
    }

    fn set_begin(&mut self, set: &StoredSet, by: &Principal) -> QueryResult<()> {
        write(self, |conn| {
            insert_set(conn, set)?;
            let begun = AuditNote::of_library("backup-set.begin").subject(set.id);
            note(conn, by, &begun)
        })
    }

    fn set_end(
        &mut self,
        id: Uuid,
        at: SystemTime,
        complete: bool,
        by: &Principal,
    ) -> QueryResult<bool> {
        write(self, |conn| {
            let ended = diesel::update(backup_sets::table.find(id.as_bytes().as_slice()))
                .filter(backup_sets::ended_at.is_null())
                .set((
                    backup_sets::ended_at.eq(to_millis(at)),
                    backup_sets::complete.eq(complete),
                ))
                .execute(conn)?;
            if ended == 1 {
                let committed = AuditNote::of_library("backup-set.commit").subject(id);
                note(conn, by, &committed.with("complete", complete))?;
            }
            Ok(ended == 1)
        })
    }

    fn set_begin_removal(&mut self, id: Uuid, instance: Uuid, by: &Principal) -> QueryResult<bool> {
        write(self, |conn| {
            let begun = diesel::update(backup_sets::table.find(id.as_bytes().as_slice()))
                .filter(backup_sets::ended_at.is_not_null())
                .set((
                    backup_sets::ended_at.eq(None::<i64>),
                    // Tells it from one that is being made.
                    backup_sets::complete.eq(true),
                    backup_sets::instance.eq(instance.as_bytes().as_slice()),
                ))
                .execute(conn)?;
            if begun == 1 {
                let removed = AuditNote::of_library("backup-set.remove").subject(id);
                note(conn, by, &removed)?;
            }
            Ok(begun == 1)
        })
    }

    fn set_forget(&mut self, id: Uuid, by: &Principal) -> QueryResult<()> {
        write(self, |conn| forget_set(conn, id, by))
    }

    fn set_list(&mut self) -> QueryResult<Vec<StoredSet>> {
        type Blob = Option<Vec<u8>>;
        type Row = (Vec<u8>, Vec<u8>, Blob, i64, Option<i64>, bool, Blob);
        let rows = backup_sets::table
            .order((backup_sets::began_at.desc(), backup_sets::id.desc()))
            .load::<Row>(self)?;
        let read = |(id, instance, directory, began_at, ended_at, complete, mark): Row| {
            Ok(StoredSet {
                id: uuid(&id)?,
                instance: uuid(&instance)?,
                directory: directory.map(path),
                mark: mark.as_deref().map(uuid).transpose()?,
                began_at: from_millis(began_at),
                ended_at: ended_at.map(from_millis),
                complete,
            })
        };
        rows.into_iter().map(read).collect()
    }

    fn generation_give_up(
        &mut self,
        uuid: Uuid,
        generation: u64,
        by: &Principal,
    ) -> QueryResult<GivenUp> {
        let key = (uuid.as_bytes().as_slice(), generation as i64);
        write(self, |conn| {
            let hold = tenants::table.find(key.0).select(tenants::legal_hold);
            if hold.get_result::<Option<String>>(conn)?.is_some() {
                return Ok(GivenUp::OnHold);
            }
            if diesel::delete(generations::table.find(key)).execute(conn)? == 0 {
                return Ok(GivenUp::NotKept);
            }
            diesel::insert_into(discards::table)
                .values((
                    discards::tenant_uuid.eq(key.0),
                    discards::generation.eq(key.1),
                ))
                .execute(conn)?;
            if let Some(record) = tenant(conn, uuid)? {
                let given_up = about(&record, "generation.discard").generation(generation);
                note(conn, by, &given_up)?;
            }
            Ok(GivenUp::Done)
        })
    }

    fn generations_given_up(&mut self) -> QueryResult<Vec<(Uuid, u64)>> {
        let rows = discards::table.load::<(Vec<u8>, i64)>(self)?;
        let read = |(tenant, generation): (Vec<u8>, i64)| Ok((uuid(&tenant)?, number(generation)?));
        rows.into_iter().map(read).collect()
    }

    fn generation_remove(
        &mut self,
        tenant: Uuid,
        generation: u64,
        files: &mut dyn Removing,
        by: &Principal,
    ) -> QueryResult<Removal> {
        remove_generation(self, tenant, generation, files, by)
    }
}
