//! The catalogue's statements about ends, names and quotas. Mounted once per backend, beside `queries.rs`.
use diesel::prelude::*;
use uuid::Uuid;

use super::Conn;
use super::audit_queries::note;
use super::queries::{
    OperationRow, TenantRow, about, idle_tenant, is_theirs, newest_number, next_seq, now,
    see_clock, set_status, subdomain_owner, tenant, uuid,
};
use super::write;
use crate::access::Principal;
use crate::audit::AuditNote;
use crate::catalog::backups::{BackupState, BackupStore, backups};
use crate::catalog::retention::{BELIEVED_AHEAD, Until};
use crate::catalog::{
    BackupsOnPurge, Changed, Intent, NewNames, Operation, OperationKind, PurgeAsked, PurgeBegun,
    Renamed, Retention, RetentionStore, Status, TenantRecord, catalog, from_millis, operations,
    tenants, to_millis,
};
use crate::error::in_own_words;

#[derive(Debug, thiserror::Error)]
#[error(
    "the catalogue names a backup policy this build does not know; run the build that began the purge"
)]
struct UnknownPolicy;

/// Statuses in which a tenant has data, so that something can be said about it.
fn has_data(status: Status) -> bool {
    use Status::*;
    matches!(status, Active | Suspended | Archived | Restoring)
}

/// The tenant, if it has data, whatever is being done to it.
fn with_data(conn: &mut Conn, id: Uuid) -> QueryResult<Result<TenantRecord, Changed>> {
    Ok(match tenant(conn, id)? {
        None => Err(Changed::Unknown),
        Some(record) if has_data(record.status) => Ok(record),
        Some(record) => Err(Changed::WrongStatus(record.status)),
    })
}

/// Numbers a change of a tenant's row that was made by other means than its status.
fn touched(conn: &mut Conn, id: Uuid) -> QueryResult<()> {
    let seq = next_seq(conn)?;
    diesel::update(tenants::table.find(id.as_bytes().as_slice()))
        .set((tenants::changed_at.eq(now()), tenants::change_seq.eq(seq)))
        .execute(conn)
        .map(drop)
}

/// What decides over a tenant's backups.
#[derive(Queryable)]
struct Fate {
    status: String,
    legal_hold: Option<String>,
    backups_on_purge: Option<String>,
}

/// The fate of the tenant a backup is of, if it is a tenant's.
fn fate_of_backup(conn: &mut Conn, backup: Uuid) -> QueryResult<Option<Fate>> {
    let tenant = backups::table
        .find(backup.as_bytes().as_slice())
        .select(backups::tenant_uuid)
        .get_result::<Option<Vec<u8>>>(conn)
        .optional()?;
    let Some(Some(tenant)) = tenant else {
        return Ok(None);
    };
    let columns = (
        tenants::status,
        tenants::legal_hold,
        tenants::backups_on_purge,
    );
    let row = tenants::table.find(tenant).select(columns);
    row.get_result(conn).optional()
}

/// Whether a backup is of a tenant under a legal hold, and must not be removed.
pub(super) fn is_on_hold(conn: &mut Conn, backup: Uuid) -> QueryResult<bool> {
    let fate = fate_of_backup(conn, backup)?;
    Ok(fate.is_some_and(|fate| fate.legal_hold.is_some()))
}

/// Whether a backup that is being made is of a tenant that is purged with its backups, and must not come to count.
pub(super) fn comes_too_late(conn: &mut Conn, backup: Uuid) -> QueryResult<bool> {
    let remove = Some(BackupsOnPurge::Remove.as_str());
    let over = [Status::Deleting, Status::Deleted].map(Status::as_str);
    let fate = fate_of_backup(conn, backup)?;
    Ok(fate.is_some_and(|fate| {
        over.contains(&fate.status.as_str()) && fate.backups_on_purge.as_deref() == remove
    }))
}

/// Whether a backup that counts is removed by the purge of its tenant, which has begun.
pub(super) fn goes_with_its_tenant(conn: &mut Conn, backup: Uuid) -> QueryResult<bool> {
    let last = tenants::table.filter(tenants::final_backup.eq(backup.as_bytes().as_slice()));
    let is_last = last.count().get_result::<i64>(conn)? > 0;
    Ok(!is_last && comes_too_late(conn, backup)?)
}

fn clock_seen(conn: &mut Conn) -> QueryResult<i64> {
    catalog::table.select(catalog::clock_seen).get_result(conn)
}

/// What stands in the way of a purge at this moment. Of the backups that are to be removed none may be pinned, but for
/// the final one, which is not.
fn forbids_purge(
    conn: &mut Conn,
    record: &TenantRecord,
    asked: &PurgeAsked,
    final_backup: Option<Uuid>,
) -> QueryResult<Option<PurgeBegun>> {
    if record.legal_hold.is_some() {
        return Ok(Some(PurgeBegun::OnHold));
    }
    let delete_after = match record.delete_after {
        Some(date) => to_millis(date),
        None if asked.unannounced => i64::MIN,
        None => return Ok(Some(PurgeBegun::NotScheduled)),
    };
    if asked.backups == BackupsOnPurge::Remove {
        let of_it = backups::tenant_uuid.eq(record.uuid.as_bytes().as_slice());
        let last = final_backup.unwrap_or_default();
        let pinned = backups::table
            .filter(of_it)
            .filter(backups::pinned)
            .filter(backups::id.ne(last.as_bytes().as_slice()))
            .count()
            .get_result::<i64>(conn)?;
        if pinned > 0 {
            return Ok(Some(PurgeBegun::Pinned(pinned.unsigned_abs())));
        }
    }
    let (now, seen) = (now(), clock_seen(conn)?);
    if now < delete_after && !asked.unannounced {
        return Ok(Some(PurgeBegun::NotYet(from_millis(delete_after))));
    }
    if asked.clock_checked {
        diesel::update(catalog::table)
            .set(catalog::clock_seen.eq(now))
            .execute(conn)?;
    } else if now > seen.saturating_add(BELIEVED_AHEAD.as_millis() as i64) && !asked.unannounced {
        let (last_seen, now) = (from_millis(seen), from_millis(now));
        return Ok(Some(PurgeBegun::ClockJump { last_seen, now }));
    }
    Ok(None)
}

/// The commit point of a purge, within a transaction.
fn be_deleting(
    conn: &mut Conn,
    record: &TenantRecord,
    operation: &Operation,
    asked: &PurgeAsked,
    final_backup: Option<Uuid>,
    by: &Principal,
) -> QueryResult<()> {
    diesel::update(tenants::table.find(record.uuid.as_bytes().as_slice()))
        .set((
            tenants::backups_on_purge.eq(asked.backups.as_str()),
            tenants::final_backup.eq(final_backup.map(|backup| backup.as_bytes().to_vec())),
        ))
        .execute(conn)?;
    set_status(conn, record.uuid, Status::Deleting)?;
    let begun = about(record, "purge.begin")
        .subject(operation.id)
        .with("backups", asked.backups.as_str())
        .with("clock_checked", asked.clock_checked)
        .with("unreadable", asked.unreadable);
    let begun = match final_backup {
        Some(backup) => begun.with("final_backup", backup.to_string()),
        None => begun,
    };
    note(conn, by, &begun)
}

impl RetentionStore for Conn {
    fn retention_see_clock(&mut self, lived: i64) -> QueryResult<i64> {
        see_clock(self, lived)?;
        clock_seen(self)
    }

    fn retention_believe_clock(&mut self, by: &Principal) -> QueryResult<()> {
        write(self, |conn| {
            let (now, seen) = (now(), clock_seen(conn)?);
            if (seen..=seen.saturating_add(BELIEVED_AHEAD.as_millis() as i64)).contains(&now) {
                return Ok(());
            }
            diesel::update(catalog::table)
                .set(catalog::clock_seen.eq(now))
                .execute(conn)?;
            let believed = AuditNote::of_library("catalog.clock").with("last_seen", seen);
            note(conn, by, &believed)
        })
    }

    fn retention_while_idle(
        &mut self,
        tenant: Uuid,
        allowed: &dyn Fn(Status) -> bool,
        act: &mut dyn FnMut(),
    ) -> QueryResult<Changed> {
        // Whoever begins an operation writes to the catalogue, and waits for this transaction.
        write(self, |conn| {
            Ok(match idle_tenant(conn, tenant, allowed)? {
                Ok(_) => {
                    act();
                    Changed::Done
                }
                Err(refused) => refused,
            })
        })
    }

    fn retention_clock_seen(&mut self) -> QueryResult<i64> {
        clock_seen(self)
    }

    fn retention_schedule(
        &mut self,
        tenant: Uuid,
        until: Retention,
        by: &Principal,
    ) -> QueryResult<Changed> {
        write(self, |conn| {
            let record = match idle_tenant(conn, tenant, |s| s == Status::Archived)? {
                Ok(record) => record,
                Err(refused) => return Ok(refused),
            };
            let at = match until.0 {
                Until::At(time) => to_millis(time),
                // A clock that was set back would let the time run out before it has begun.
                Until::After(wait) => {
                    let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
                    now().max(clock_seen(conn)?).saturating_add(wait)
                }
            };
            diesel::update(tenants::table.find(tenant.as_bytes().as_slice()))
                .set(tenants::delete_after.eq(at))
                .execute(conn)?;
            touched(conn, tenant)?;
            note(
                conn,
                by,
                &about(&record, "tenant.delete").with("delete_after", at),
            )?;
            Ok(Changed::Done)
        })
    }

    fn retention_cancel(&mut self, tenant: Uuid, by: &Principal) -> QueryResult<Changed> {
        write(self, |conn| conn.retention_cancel_here(tenant, by))
    }

    fn retention_cancel_here(&mut self, tenant: Uuid, by: &Principal) -> QueryResult<Changed> {
        let record = match idle_tenant(self, tenant, |s| s == Status::Archived)? {
            Ok(record) => record,
            Err(refused) => return Ok(refused),
        };
        diesel::update(tenants::table.find(tenant.as_bytes().as_slice()))
            .set(tenants::delete_after.eq(None::<i64>))
            .execute(self)?;
        touched(self, tenant)?;
        if record.delete_after.is_some() {
            note(self, by, &about(&record, "tenant.undelete"))?;
        }
        Ok(Changed::Done)
    }

    fn retention_hold(
        &mut self,
        tenant: Uuid,
        reason: Option<&str>,
        beside: &mut dyn FnMut(&TenantRecord) -> bool,
        by: &Principal,
    ) -> QueryResult<Changed> {
        // Whoever lays or lifts another one waits for this transaction.
        write(self, |conn| {
            let record = match with_data(conn, tenant)? {
                Ok(record) => record,
                Err(refused) => return Ok(refused),
            };
            if !beside(&record) {
                return Err(diesel::result::Error::RollbackTransaction);
            }
            diesel::update(tenants::table.find(tenant.as_bytes().as_slice()))
                .set(tenants::legal_hold.eq(reason))
                .execute(conn)?;
            touched(conn, tenant)?;
            // Without the reason: people are named in such.
            match (record.legal_hold.is_some(), reason.is_some()) {
                (_, true) => note(conn, by, &about(&record, "tenant.hold"))?,
                (true, false) => note(conn, by, &about(&record, "tenant.release"))?,
                (false, false) => {}
            }
            Ok(Changed::Done)
        })
    }

    fn retention_as_held(
        &mut self,
        id: Uuid,
        act: &mut dyn FnMut(&TenantRecord),
    ) -> QueryResult<()> {
        write(self, |conn| {
            if let Some(record) = tenant(conn, id)? {
                act(&record);
            }
            Ok(())
        })
    }

    fn retention_begin_purge(
        &mut self,
        intent: &Intent<'_>,
        asked: &PurgeAsked,
        by: &Principal,
    ) -> QueryResult<PurgeBegun> {
        let id = intent.tenant_uuid;
        write(self, |conn| {
            let record = match idle_tenant(conn, id, |status| intent.from.contains(&status))? {
                Ok(record) => record,
                Err(refused) => return Ok(PurgeBegun::Not(refused)),
            };
            if let Some(refused) = forbids_purge(conn, &record, asked, None)? {
                return Ok(refused);
            }
            let newest = newest_number(conn, id)?.max(record.generation);
            if intent.above > newest {
                return Ok(PurgeBegun::Not(Changed::OlderThanDisk(intent.above)));
            }
            let operation = Operation {
                id: intent.id,
                tenant_uuid: id,
                kind: intent.kind,
                instance: intent.instance,
                prior_status: record.status,
                from_generation: record.generation,
                to_generation: record.generation,
            };
            diesel::insert_into(operations::table)
                .values(OperationRow::write(&operation, now()))
                .execute(conn)?;
            match intent.during {
                Some(Status::Deleting) => be_deleting(conn, &record, &operation, asked, None, by)?,
                during => {
                    set_status(conn, id, during.unwrap_or(record.status))?;
                    let prepared = about(&record, "purge.prepare").subject(operation.id);
                    note(conn, by, &prepared)?;
                }
            }
            Ok(PurgeBegun::Done(operation))
        })
    }

    fn retention_commit_purge(
        &mut self,
        operation: &Operation,
        asked: &PurgeAsked,
        final_backup: Uuid,
        by: &Principal,
    ) -> QueryResult<PurgeBegun> {
        let id = operation.tenant_uuid;
        write(self, |conn| {
            let Some(record) = tenant(conn, id)? else {
                return Ok(PurgeBegun::Not(Changed::Unknown));
            };
            // Whoever held this process for dead may have undone it.
            if !is_theirs(conn, operation)? || record.status != Status::Restoring {
                return Ok(PurgeBegun::Not(Changed::WrongStatus(record.status)));
            }
            if let Some(refused) = forbids_purge(conn, &record, asked, Some(final_backup))? {
                return Ok(refused);
            }
            let backup = conn.backup_find(final_backup)?;
            if backup.is_none_or(|backup| backup.state != BackupState::Good) {
                return Ok(PurgeBegun::BackupGone(final_backup));
            }
            let kind = OperationKind::Purge;
            diesel::update(operations::table.find(operation.id.as_bytes().as_slice()))
                .set(operations::kind.eq(kind.as_str()))
                .execute(conn)?;
            be_deleting(conn, &record, operation, asked, Some(final_backup), by)?;
            Ok(PurgeBegun::Done(Operation {
                kind,
                ..operation.clone()
            }))
        })
    }

    fn retention_backups_on_purge(
        &mut self,
        tenant: Uuid,
    ) -> QueryResult<(BackupsOnPurge, Option<Uuid>)> {
        let (word, backup) = tenants::table
            .find(tenant.as_bytes().as_slice())
            .select((tenants::backups_on_purge, tenants::final_backup))
            .get_result::<(Option<String>, Option<Vec<u8>>)>(self)?;
        let policy = match word {
            None => BackupsOnPurge::default(),
            Some(word) => {
                BackupsOnPurge::parse(&word).ok_or_else(|| in_own_words(UnknownPolicy))?
            }
        };
        Ok((policy, backup.as_deref().map(uuid).transpose()?))
    }

    fn retention_bury(
        &mut self,
        tombstoned: &[Uuid],
        by: &Principal,
    ) -> QueryResult<Vec<TenantRecord>> {
        write(self, |conn| {
            let mut alive = Vec::new();
            for uuid in tombstoned {
                // One that is being removed is left to whoever removes it.
                let over = |status| matches!(status, Status::Deleting | Status::Deleted);
                match tenant(conn, *uuid)? {
                    Some(record) if !over(record.status) => {
                        note(conn, by, &about(&record, "tenant.bury"))?;
                        alive.push(record);
                    }
                    _ => continue,
                }
                let id = uuid.as_bytes().as_slice();
                diesel::update(operations::table.filter(operations::tenant_uuid.eq(id)))
                    .filter(operations::finished_at.is_null())
                    .set((
                        operations::finished_at.eq(now()),
                        operations::outcome.eq("purged"),
                    ))
                    .execute(conn)?;
                diesel::delete(
                    crate::catalog::generations::table
                        .filter(crate::catalog::generations::tenant_uuid.eq(id)),
                )
                .execute(conn)?;
                set_status(conn, *uuid, Status::Deleted)?;
            }
            Ok(alive)
        })
    }

    fn retention_deleted(&mut self) -> QueryResult<Vec<TenantRecord>> {
        tenants::table
            .filter(tenants::status.eq(Status::Deleted.as_str()))
            .order(tenants::change_seq)
            .load::<TenantRow>(self)?
            .into_iter()
            .map(TenantRow::read)
            .collect()
    }

    fn rename(&mut self, tenant: Uuid, to: &NewNames, by: &Principal) -> QueryResult<Renamed> {
        write(self, |conn| {
            let record = match with_data(conn, tenant)? {
                Ok(record) => record,
                Err(refused) => return Ok(Renamed::Not(refused)),
            };
            let row = tenants::table.find(tenant.as_bytes().as_slice());
            if let Some(Some(subdomain)) = &to.subdomain
                && let Some(owner) = subdomain_owner(conn, subdomain)?
                && owner.uuid != tenant
            {
                return Ok(Renamed::SubdomainTaken(owner.id));
            }
            if let Some(name) = &to.display_name {
                diesel::update(row)
                    .set(tenants::display_name.eq(name.as_str()))
                    .execute(conn)?;
            }
            if let Some(subdomain) = &to.subdomain {
                diesel::update(row)
                    .set(tenants::subdomain.eq(subdomain.as_ref().map(|s| s.as_str())))
                    .execute(conn)?;
            }
            touched(conn, tenant)?;
            let renamed = about(&record, "tenant.rename")
                .with("display_name", to.display_name.is_some())
                .with("subdomain", to.subdomain.is_some());
            note(conn, by, &renamed)?;
            Ok(Renamed::Done)
        })
    }

    fn set_quota(
        &mut self,
        tenant: Uuid,
        bytes: Option<u64>,
        by: &Principal,
    ) -> QueryResult<Changed> {
        write(self, |conn| quota_here(conn, tenant, bytes, by))
    }

    fn set_plan(
        &mut self,
        tenant: Uuid,
        plan: Option<&str>,
        by: &Principal,
    ) -> QueryResult<Changed> {
        write(self, |conn| plan_here(conn, tenant, plan, by))
    }

    fn set_plan_and_quota_here(
        &mut self,
        tenant: Uuid,
        plan: &str,
        quota: Option<u64>,
        by: &Principal,
    ) -> QueryResult<Changed> {
        match plan_here(self, tenant, Some(plan), by)? {
            Changed::Done => quota_here(self, tenant, quota, by),
            refused => Ok(refused),
        }
    }
}

fn quota_here(
    conn: &mut Conn,
    tenant: Uuid,
    bytes: Option<u64>,
    by: &Principal,
) -> QueryResult<Changed> {
    let record = match with_data(conn, tenant)? {
        Ok(record) => record,
        Err(refused) => return Ok(refused),
    };
    diesel::update(tenants::table.find(tenant.as_bytes().as_slice()))
        .set(tenants::quota_bytes.eq(bytes.map(|bytes| bytes as i64)))
        .execute(conn)?;
    touched(conn, tenant)?;
    let limited = about(&record, "tenant.quota").with("bytes", bytes);
    note(conn, by, &limited)?;
    Ok(Changed::Done)
}

fn plan_here(
    conn: &mut Conn,
    tenant: Uuid,
    plan: Option<&str>,
    by: &Principal,
) -> QueryResult<Changed> {
    let record = match with_data(conn, tenant)? {
        Ok(record) => record,
        Err(refused) => return Ok(refused),
    };
    diesel::update(tenants::table.find(tenant.as_bytes().as_slice()))
        .set(tenants::plan.eq(plan))
        .execute(conn)?;
    touched(conn, tenant)?;
    note(conn, by, &about(&record, "tenant.plan").with("plan", plan))?;
    Ok(Changed::Done)
}
