//! The statements of the audit log and the grants. Mounted once per backend, whose module above names `Conn` and `write`.
use std::collections::HashMap;
use std::time::SystemTime;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;
use uuid::Uuid;

use super::queries::{see_clock, uuid};
use super::{AUDIT_AS_DECLARED, Conn, write};
use crate::access::{ActorKind, Principal};
use crate::audit::{AuditFilter, AuditNote, PRUNE};
use crate::backend::TenantKey;
use crate::catalog::audit::{AuditStore, Draft, Ends, GrantRow, Row, audit, audit_ends, grants};
use crate::catalog::to_millis;
use crate::error::in_own_words;

/// A row as the table has it.
#[derive(Queryable, Insertable)]
#[diesel(table_name = audit)]
struct Stored {
    seq: i64,
    at: i64,
    actor: String,
    actor_kind: String,
    role: Option<String>,
    action: String,
    tenant_uuid: Option<Vec<u8>>,
    tenant_id: Option<String>,
    generation: Option<i64>,
    subject: Option<Vec<u8>>,
    reason: Option<String>,
    detail: String,
    prev_hash: Vec<u8>,
    hash: Vec<u8>,
}

/// The two are one, but Diesel's derives tie this one to a backend's column types.
macro_rules! same_fields {
    ($from:ident -> $To:ident) => {
        $To {
            seq: $from.seq,
            at: $from.at,
            actor: $from.actor,
            actor_kind: $from.actor_kind,
            role: $from.role,
            action: $from.action,
            tenant_uuid: $from.tenant_uuid,
            tenant_id: $from.tenant_id,
            generation: $from.generation,
            subject: $from.subject,
            reason: $from.reason,
            detail: $from.detail,
            prev_hash: $from.prev_hash,
            hash: $from.hash,
        }
    };
}

fn ends(conn: &mut Conn) -> QueryResult<Ends> {
    let columns = (
        audit_ends::pruned_through,
        audit_ends::pruned_hash,
        audit_ends::head_seq,
        audit_ends::head_hash,
    );
    let row = audit_ends::table
        .select(columns)
        .get_result::<(i64, Vec<u8>, i64, Vec<u8>)>(conn)?;
    Ok(Ends {
        pruned_through: row.0,
        pruned_hash: row.1,
        head_seq: row.2,
        head_hash: row.3,
    })
}

/// Adds an entry to the end of the log, in the transaction that is open: no two processes chain to the same row,
/// because that holds the write lock.
pub(super) fn append(conn: &mut Conn, draft: &Draft) -> QueryResult<()> {
    let ends = ends(conn)?;
    let row = Row::chained(draft, ends.head_seq + 1, ends.head_hash);
    let (seq, hash) = (row.seq, row.hash.clone());
    diesel::insert_into(audit::table)
        .values(same_fields!(row -> Stored))
        .execute(conn)?;
    diesel::update(audit_ends::table)
        .set((audit_ends::head_seq.eq(seq), audit_ends::head_hash.eq(hash)))
        .execute(conn)
        .map(drop)
}

/// Adds what `by` does now, as [`append`].
pub(super) fn note(conn: &mut Conn, by: &Principal, note: &AuditNote) -> QueryResult<()> {
    see_clock(conn, 0)?;
    append(conn, &Draft::new(by, note))
}

type GrantColumns = (
    Vec<u8>,
    String,
    String,
    Vec<u8>,
    String,
    String,
    i64,
    i64,
    i64,
);

/// A grant and the entry that says it was made.
struct Granted {
    row: GrantRow,
    opened_seq: i64,
}

fn read_grant(row: GrantColumns) -> QueryResult<Granted> {
    use super::queries::{unreadable, uuid};

    let (id, actor, kind, tenant_uuid, tenant_id, reason, opened_seq, granted_at, expires_at) = row;
    Ok(Granted {
        row: GrantRow {
            id: uuid(&id)?,
            actor,
            actor_kind: ActorKind::parse(&kind).ok_or_else(|| in_own_words(UnknownActorKind))?,
            tenant: TenantKey {
                id: tenant_id.parse().map_err(unreadable)?,
                uuid: uuid(&tenant_uuid)?,
            },
            reason,
            granted_at,
            expires_at,
        },
        opened_seq,
    })
}

/// Whether a grant holds. The clock may have been turned back since it was made, which must not make it last longer:
/// what was entered into the log since then is no later than now, and before it was granted it does not hold.
fn holds(conn: &mut Conn, grant: &Granted) -> QueryResult<bool> {
    let latest = audit::table
        .filter(audit::seq.gt(grant.opened_seq))
        .select(diesel::dsl::max(audit::at))
        .get_result::<Option<i64>>(conn)?;
    let clock = to_millis(SystemTime::now());
    let now = clock.max(latest.unwrap_or(clock));
    Ok(clock >= grant.row.granted_at && now < grant.row.expires_at)
}

#[derive(Debug, thiserror::Error)]
#[error("a grant names a kind of actor this build does not know; run the build that made it")]
struct UnknownActorKind;

/// Grants that were not ended, those that have expired among them.
fn not_ended(conn: &mut Conn) -> QueryResult<Vec<Granted>> {
    grants::table
        .filter(grants::ended_at.is_null())
        .order(grants::granted_at)
        .select((
            grants::id,
            grants::actor,
            grants::actor_kind,
            grants::tenant_uuid,
            grants::tenant_id,
            grants::reason,
            grants::opened_seq,
            grants::granted_at,
            grants::expires_at,
        ))
        .load::<GrantColumns>(conn)?
        .into_iter()
        .map(read_grant)
        .collect()
}

fn end(conn: &mut Conn, id: Uuid) -> QueryResult<()> {
    diesel::update(grants::table.find(id.as_bytes().as_slice()))
        .set(grants::ended_at.eq(to_millis(SystemTime::now())))
        .execute(conn)
        .map(drop)
}

fn about(grant: &GrantRow, action: &'static str) -> AuditNote {
    AuditNote::of_library(action)
        .about(grant.tenant)
        .subject(grant.id)
}

impl AuditStore for Conn {
    fn audit_append(&mut self, drafts: &[Draft]) -> QueryResult<()> {
        write(self, |conn| {
            see_clock(conn, 0)?;
            drafts.iter().try_for_each(|draft| append(conn, draft))
        })
    }

    fn audit_append_here(&mut self, draft: &Draft) -> QueryResult<()> {
        see_clock(self, 0)?;
        append(self, draft)
    }

    fn audit_ends(&mut self) -> QueryResult<Ends> {
        ends(self)
    }

    fn audit_chain(&mut self, from: i64, limit: i64) -> QueryResult<Vec<Row>> {
        let rows = audit::table
            .filter(audit::seq.ge(from))
            .order(audit::seq)
            .limit(limit)
            .load::<Stored>(self)?;
        Ok(rows
            .into_iter()
            .map(|row| same_fields!(row -> Row))
            .collect())
    }

    fn audit_retyped(&mut self, from: i64) -> QueryResult<Option<i64>> {
        let as_declared = sql::<diesel::sql_types::Bool>(AUDIT_AS_DECLARED);
        let others = audit::table
            .filter(audit::seq.ge(from))
            .filter(diesel::dsl::not(as_declared));
        others.select(diesel::dsl::min(audit::seq)).first(self)
    }

    fn audit_newest_of(&mut self, action: &str) -> QueryResult<HashMap<Option<Uuid>, i64>> {
        let rows = audit::table
            .filter(audit::action.eq(action))
            .group_by(audit::tenant_uuid)
            .select((audit::tenant_uuid, diesel::dsl::max(audit::seq)))
            .load::<(Option<Vec<u8>>, Option<i64>)>(self)?;
        let read = |(tenant, seq): (Option<Vec<u8>>, Option<i64>)| {
            Ok((tenant.as_deref().map(uuid).transpose()?, seq.unwrap_or(0)))
        };
        rows.into_iter().map(read).collect()
    }

    fn audit_rows(&mut self, filter: &AuditFilter, limit: i64) -> QueryResult<Vec<Row>> {
        let mut query = audit::table.limit(limit).into_boxed();
        query = match filter.newest_first {
            true => query.order(audit::seq.desc()),
            false => query.order(audit::seq),
        };
        if let Some(before) = filter.before {
            query = query.filter(audit::seq.lt(i64::try_from(before).unwrap_or(i64::MAX)));
        }
        if let Some(after) = filter.after {
            query = query.filter(audit::seq.gt(i64::try_from(after).unwrap_or(i64::MAX)));
        }
        if let Some(uuid) = filter.tenant_uuid {
            query = query.filter(audit::tenant_uuid.eq(uuid.as_bytes().to_vec()));
        }
        if let Some(id) = filter.tenant {
            let folded =
                sql::<diesel::sql_types::Nullable<Text>>("replace(lower(tenant_id), '-', '_')");
            query = query.filter(folded.eq(id.folded().as_str().to_owned()));
        }
        if let Some(actor) = &filter.actor {
            query = query.filter(audit::actor.eq(actor.as_str().to_owned()));
        }
        if let Some(action) = &filter.action {
            query = query.filter(audit::action.eq(action.clone()));
        }
        if let Some(since) = filter.since {
            query = query.filter(audit::at.ge(to_millis(since)));
        }
        if let Some(until) = filter.until {
            query = query.filter(audit::at.lt(to_millis(until)));
        }
        let rows = query.load::<Stored>(self)?;
        Ok(rows
            .into_iter()
            .map(|row| same_fields!(row -> Row))
            .collect())
    }

    fn audit_seen(&mut self, entries: i64) -> QueryResult<Option<i64>> {
        let ends = ends(self)?;
        audit::table
            .filter(audit::seq.gt(ends.head_seq - entries))
            .select(diesel::dsl::min(audit::at))
            .get_result(self)
    }

    fn audit_prune(&mut self, before: i64, by: &Principal) -> QueryResult<u64> {
        write(self, |conn| {
            let ends = ends(conn)?;
            // The first that must stay. Times need not grow with the numbers, since clocks are turned back.
            let stays = audit::table
                .filter(audit::at.ge(before))
                .select(diesel::dsl::min(audit::seq))
                .get_result::<Option<i64>>(conn)?;
            let through = stays.map_or(ends.head_seq, |seq| seq - 1);
            if through <= ends.pruned_through {
                return Ok(0);
            }
            let hash = audit::table
                .find(through)
                .select(audit::hash)
                .get_result::<Vec<u8>>(conn)?;
            let pruned = AuditNote::of_library(PRUNE)
                .with("from", ends.pruned_through + 1)
                .with("through", through)
                .with("hash", data_encoding::HEXLOWER.encode(&hash));
            note(conn, by, &pruned)?;
            // From here on the table lets go of them.
            diesel::update(audit_ends::table)
                .set((
                    audit_ends::pruned_through.eq(through),
                    audit_ends::pruned_hash.eq(hash),
                ))
                .execute(conn)?;
            let gone = diesel::delete(audit::table.filter(audit::seq.le(through))).execute(conn)?;
            Ok(gone as u64)
        })
    }

    fn grants_expire(&mut self, by: &Principal) -> QueryResult<()> {
        let expired = |conn: &mut Conn| {
            let mut expired = Vec::new();
            for grant in not_ended(conn)? {
                if !holds(conn, &grant)? {
                    expired.push(grant.row);
                }
            }
            Ok::<_, diesel::result::Error>(expired)
        };
        // Mostly there is none, and no lock to wait for.
        if expired(self)?.is_empty() {
            return Ok(());
        }
        write(self, |conn| {
            for grant in expired(conn)? {
                end(conn, grant.id)?;
                let expired =
                    about(&grant, "break-glass.expire").with("actor", grant.actor.as_str());
                // Where this machine's clock alone would not have ended it, the entry says why it is over.
                let clock = to_millis(SystemTime::now());
                let expired = match clock {
                    clock if clock < grant.granted_at => expired.with("clock", "behind the grant"),
                    clock if clock < grant.expires_at => expired.with("clock", "behind the log"),
                    _ => expired,
                };
                note(conn, by, &expired)?;
            }
            Ok(())
        })
    }

    fn grant_insert(&mut self, grant: &GrantRow, by: &Principal) -> QueryResult<()> {
        write(self, |conn| {
            let mut opened = about(grant, "break-glass.open").with("expires_at", grant.expires_at);
            opened.reason = Some(grant.reason.parse().map_err(super::queries::unreadable)?);
            note(conn, by, &opened)?;
            diesel::insert_into(grants::table)
                .values((
                    grants::id.eq(grant.id.as_bytes().as_slice()),
                    grants::actor.eq(&grant.actor),
                    grants::actor_kind.eq(grant.actor_kind.as_str()),
                    grants::tenant_uuid.eq(grant.tenant.uuid.as_bytes().as_slice()),
                    grants::tenant_id.eq(grant.tenant.id.as_str()),
                    grants::reason.eq(&grant.reason),
                    grants::opened_seq.eq(ends(conn)?.head_seq),
                    grants::granted_at.eq(grant.granted_at),
                    grants::expires_at.eq(grant.expires_at),
                ))
                .execute(conn)
                .map(drop)
        })
    }

    fn grants_open(&mut self, actor: Option<&str>) -> QueryResult<Vec<GrantRow>> {
        let mut open = Vec::new();
        for grant in not_ended(self)? {
            let is_wanted = actor.is_none_or(|actor| actor == grant.row.actor);
            if is_wanted && holds(self, &grant)? {
                open.push(grant.row);
            }
        }
        Ok(open)
    }

    fn grant_close(&mut self, id: Uuid, by: &Principal) -> QueryResult<bool> {
        write(self, |conn| {
            let mut grants = not_ended(conn)?.into_iter().map(|grant| grant.row);
            let Some(grant) = grants.find(|grant| grant.id == id) else {
                return Ok(false);
            };
            end(conn, id)?;
            let closed = about(&grant, "break-glass.close").with("actor", grant.actor.as_str());
            note(conn, by, &closed).map(|()| true)
        })
    }
}
