//! What stands in the audit log, and how it is asked for.
use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use data_encoding::HEXLOWER;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::access::ActorId;
use crate::catalog::audit::Row;
use crate::catalog::from_millis;
use crate::tenant_id::TenantId;

/// An entry of the audit log, as it stands there.
///
/// Serialises as one flat object with hashes in hexadecimal, so that an exported entry can be checked by itself.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditEntry {
    /// Its place in the log, counted from 1 without gaps.
    pub seq: u64,
    /// When, in milliseconds since 1970, by the clock of the process that entered it.
    pub at_millis: i64,
    /// Who.
    pub actor: String,
    /// What kind of actor: `user`, `service` or `system`.
    pub actor_kind: String,
    /// In which role.
    pub role: Option<String>,
    /// What.
    pub action: String,
    /// The uuid of the tenant it was done to.
    pub tenant_uuid: Option<Uuid>,
    /// The id of the tenant it was done to.
    pub tenant_id: Option<String>,
    /// Which of the tenant's databases.
    pub generation: Option<u64>,
    /// The operation, grant or run it belongs to.
    pub subject: Option<Uuid>,
    /// Why.
    pub reason: Option<String>,
    /// A JSON object with what else there is to say.
    pub detail: String,
    /// Hash of the entry before.
    pub prev_hash: String,
    /// Hash of this one.
    pub hash: String,
}

impl AuditEntry {
    /// When, by the clock of the process that entered it.
    pub fn at(&self) -> SystemTime {
        from_millis(self.at_millis)
    }

    pub(super) fn of(row: Row) -> Self {
        let uuid = |bytes: Option<Vec<u8>>| bytes.and_then(|b| Uuid::from_slice(&b).ok());
        Self {
            seq: row.seq as u64,
            at_millis: row.at,
            actor: row.actor,
            actor_kind: row.actor_kind,
            role: row.role,
            action: row.action,
            tenant_uuid: uuid(row.tenant_uuid),
            tenant_id: row.tenant_id,
            generation: row.generation.map(|generation| generation as u64),
            subject: uuid(row.subject),
            reason: row.reason,
            detail: row.detail,
            prev_hash: HEXLOWER.encode(&row.prev_hash),
            hash: HEXLOWER.encode(&row.hash),
        }
    }
}

/// Everything but the reason, which is for those who read the log.
impl fmt::Debug for AuditEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditEntry")
            .field("seq", &self.seq)
            .field("actor", &self.actor)
            .field("action", &self.action)
            .field("tenant", &self.tenant_id)
            .field("generation", &self.generation)
            .field("detail", &self.detail)
            .finish_non_exhaustive()
    }
}

/// Which entries are asked for. Default: all.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct AuditFilter {
    pub(crate) after: Option<u64>,
    pub(crate) before: Option<u64>,
    pub(crate) newest_first: bool,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) tenant_uuid: Option<Uuid>,
    pub(crate) actor: Option<ActorId>,
    pub(crate) action: Option<String>,
    pub(crate) since: Option<SystemTime>,
    pub(crate) until: Option<SystemTime>,
}

impl AuditFilter {
    /// All entries.
    pub fn all() -> Self {
        Self::default()
    }

    /// Those that come after this one: the next page.
    pub fn after(mut self, seq: u64) -> Self {
        self.after = Some(seq);
        self
    }

    /// Those that come before this one.
    pub fn before(mut self, seq: u64) -> Self {
        self.before = Some(seq);
        self
    }

    /// In the order they are read by people: the newest first. For the next page ask [`before`](Self::before) the last
    /// one. An [export](crate::Tenancy::export_audit) is in the order of the log all the same.
    pub fn newest_first(mut self) -> Self {
        self.newest_first = true;
        self
    }

    /// Those about tenants of this id, in any spelling. An id may be taken again by another tenant; see
    /// [`tenant_uuid`](Self::tenant_uuid).
    pub fn tenant(mut self, id: &TenantId) -> Self {
        self.tenant = Some(*id);
        self
    }

    /// Those about this very tenant.
    pub fn tenant_uuid(mut self, uuid: Uuid) -> Self {
        self.tenant_uuid = Some(uuid);
        self
    }

    /// Those of one actor.
    pub fn actor(mut self, actor: &ActorId) -> Self {
        self.actor = Some(actor.clone());
        self
    }

    /// Those of one action.
    pub fn action(mut self, action: impl Into<String>) -> Self {
        self.action = Some(action.into());
        self
    }

    /// Those entered at this time or later.
    pub fn since(mut self, at: SystemTime) -> Self {
        self.since = Some(at);
        self
    }

    /// Those entered before this time.
    pub fn until(mut self, at: SystemTime) -> Self {
        self.until = Some(at);
        self
    }
}

/// The newest entry's place and hash. Written down where nobody who can write to the shared database can, it shows
/// later that nothing before it was changed; see [`Tenancy::verify_audit_against`](crate::Tenancy::verify_audit_against).
///
/// Displays as `seq:hash`, and parses from that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditHead {
    /// Its place; 0 while the log is empty.
    pub seq: u64,
    /// Its hash.
    pub hash: [u8; 32],
}

impl fmt::Display for AuditHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, HEXLOWER.encode(&self.hash))
    }
}

impl Serialize for AuditHead {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for AuditHead {
    type Err = AuditHeadError;

    fn from_str(text: &str) -> Result<Self, AuditHeadError> {
        let (seq, hash) = text.trim().split_once(':').ok_or(AuditHeadError)?;
        let hash = HEXLOWER
            .decode(hash.as_bytes())
            .map_err(|_| AuditHeadError)?;
        Ok(Self {
            seq: seq.parse().map_err(|_| AuditHeadError)?,
            hash: hash.try_into().map_err(|_| AuditHeadError)?,
        })
    }
}

/// A text that is no [`AuditHead`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the head of an audit log; it is `number:hash` with 64 lower-case hexadecimal digits")]
#[non_exhaustive]
pub struct AuditHeadError;
