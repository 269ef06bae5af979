//! The catalogue's statements about backups. Mounted once per backend, whose module above names `Conn` and `write`.
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use diesel::prelude::*;
use uuid::Uuid;

use super::queries::{number, unreadable, uuid};
use super::{Conn, write};
use crate::backend::TenantKey;
use crate::catalog::backups::{
    BackupState, BackupStore, BackupsOf, StoredBackup, StoredFacts, backups,
};
use crate::catalog::{from_millis, to_millis};

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
}

#[derive(Debug, thiserror::Error)]
#[error("the catalogue has a backup this build cannot read; run the build that took it")]
struct UnknownBackup;

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
            state: BackupState::parse(&self.state).ok_or_else(|| unreadable(UnknownBackup))?,
            reason: self.reason.parse().map_err(unreadable)?,
            instance: uuid(&self.instance)?,
            directory: self
                .directory
                .map(|bytes| PathBuf::from(std::ffi::OsString::from_vec(bytes))),
            began_at: from_millis(self.began_at),
            pinned: self.pinned,
            facts,
        })
    }

    fn write(backup: &StoredBackup) -> Self {
        let directory = backup.directory.as_ref();
        Self {
            id: backup.id.as_bytes().to_vec(),
            set_id: backup.set.map(|set| set.as_bytes().to_vec()),
            tenant_uuid: backup.tenant.map(|tenant| tenant.uuid.as_bytes().to_vec()),
            tenant_id: backup.tenant.map(|tenant| tenant.id.as_str().to_owned()),
            state: backup.state.as_str().to_owned(),
            reason: backup.reason.as_str().to_owned(),
            instance: backup.instance.as_bytes().to_vec(),
            directory: directory.map(|path| path.as_os_str().as_bytes().to_vec()),
            began_at: to_millis(backup.began_at),
            pinned: backup.pinned,
            taken_at: None,
            generation: None,
            schema_version: None,
            schema_fingerprint: None,
            bytes: None,
            sha256: None,
        }
    }
}

fn read(rows: Vec<BackupRow>) -> QueryResult<Vec<StoredBackup>> {
    rows.into_iter().map(BackupRow::read).collect()
}

impl BackupStore for Conn {
    fn backup_begin(&mut self, backup: &StoredBackup) -> QueryResult<()> {
        diesel::insert_into(backups::table)
            .values(BackupRow::write(backup))
            .execute(self)
            .map(drop)
    }

    fn backup_commit(&mut self, id: Uuid, facts: &StoredFacts) -> QueryResult<bool> {
        let making = BackupState::Making.as_str();
        let committed = diesel::update(backups::table.find(id.as_bytes().as_slice()))
            .filter(backups::state.eq(making))
            .set((
                backups::state.eq(BackupState::Good.as_str()),
                backups::taken_at.eq(to_millis(facts.taken_at)),
                backups::generation.eq(facts.generation as i64),
                backups::schema_version.eq(&facts.schema_version),
                backups::schema_fingerprint.eq(&facts.schema_fingerprint),
                backups::bytes.eq(facts.bytes as i64),
                backups::sha256.eq(facts.sha256.as_slice()),
            ))
            .execute(self)?;
        Ok(committed == 1)
    }

    fn backup_forget(&mut self, id: Uuid) -> QueryResult<()> {
        diesel::delete(backups::table.find(id.as_bytes().as_slice()))
            .execute(self)
            .map(drop)
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

    fn backup_pin(&mut self, id: Uuid, pinned: bool) -> QueryResult<bool> {
        let changed = diesel::update(backups::table.find(id.as_bytes().as_slice()))
            .filter(backups::state.eq(BackupState::Good.as_str()))
            .set(backups::pinned.eq(pinned))
            .execute(self)?;
        Ok(changed == 1)
    }

    fn backup_begin_removal(&mut self, id: Uuid, instance: Uuid) -> QueryResult<bool> {
        write(self, |conn| {
            let begun = diesel::update(backups::table.find(id.as_bytes().as_slice()))
                .filter(backups::state.eq(BackupState::Good.as_str()))
                .filter(backups::pinned.eq(false))
                .set((
                    backups::state.eq(BackupState::Removing.as_str()),
                    backups::instance.eq(instance.as_bytes().as_slice()),
                ))
                .execute(conn)?;
            Ok(begun == 1)
        })
    }
}
