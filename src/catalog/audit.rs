//! The audit log and the break-glass grants: what the catalogue keeps of who did what.
use std::collections::HashMap;

use diesel::result::QueryResult;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::to_millis;
use crate::access::{ActorKind, Principal};
use crate::audit::{AuditFilter, AuditNote};
use crate::backend::TenantKey;

diesel::table! {
    #[sql_name = "__tenants_audit"]
    audit (seq) {
        seq -> BigInt,
        at -> BigInt,
        actor -> Text,
        actor_kind -> Text,
        role -> Nullable<Text>,
        action -> Text,
        tenant_uuid -> Nullable<Binary>,
        tenant_id -> Nullable<Text>,
        generation -> Nullable<BigInt>,
        subject -> Nullable<Binary>,
        reason -> Nullable<Text>,
        detail -> Text,
        prev_hash -> Binary,
        hash -> Binary,
    }
}
diesel::table! {
    #[sql_name = "__tenants_audit_ends"]
    audit_ends (id) {
        id -> Integer,
        pruned_through -> BigInt,
        pruned_hash -> Binary,
        head_seq -> BigInt,
        head_hash -> Binary,
    }
}
diesel::table! {
    #[sql_name = "__tenants_grants"]
    grants (id) {
        id -> Binary,
        actor -> Text,
        actor_kind -> Text,
        tenant_uuid -> Binary,
        tenant_id -> Text,
        reason -> Text,
        opened_seq -> BigInt,
        granted_at -> BigInt,
        expires_at -> BigInt,
        ended_at -> Nullable<BigInt>,
    }
}

/// An entry that has no place in the chain yet.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub at: i64,
    pub actor: String,
    pub actor_kind: &'static str,
    pub role: Option<String>,
    pub action: String,
    pub tenant: Option<(String, Option<Uuid>)>,
    pub generation: Option<u64>,
    pub subject: Option<Uuid>,
    pub reason: Option<String>,
    pub detail: String,
}

impl Draft {
    /// What `by` does now.
    pub(crate) fn new(by: &Principal, note: &AuditNote) -> Self {
        Self {
            at: to_millis(std::time::SystemTime::now()),
            actor: by.actor().as_str().to_owned(),
            actor_kind: by.kind().as_str(),
            role: note
                .role
                .as_ref()
                .or(by.role())
                .map(|role| role.as_str().to_owned()),
            action: note.action.as_ref().to_owned(),
            tenant: note.tenant.map(|(id, uuid)| (id.as_str().to_owned(), uuid)),
            generation: note.generation,
            subject: note.subject,
            reason: note
                .reason
                .as_ref()
                .or(by.reason())
                .map(|reason| reason.as_str().to_owned()),
            detail: note.detail(),
        }
    }
}

/// A row of the log as it stands there, whoever wrote it.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub seq: i64,
    pub at: i64,
    pub actor: String,
    pub actor_kind: String,
    pub role: Option<String>,
    pub action: String,
    pub tenant_uuid: Option<Vec<u8>>,
    pub tenant_id: Option<String>,
    pub generation: Option<i64>,
    pub subject: Option<Vec<u8>>,
    pub reason: Option<String>,
    pub detail: String,
    pub prev_hash: Vec<u8>,
    pub hash: Vec<u8>,
}

impl Row {
    /// The draft, in its place behind `prev_hash`.
    pub(super) fn chained(draft: &Draft, seq: i64, prev_hash: Vec<u8>) -> Self {
        let mut row = Self {
            seq,
            at: draft.at,
            actor: draft.actor.clone(),
            actor_kind: draft.actor_kind.to_owned(),
            role: draft.role.clone(),
            action: draft.action.clone(),
            tenant_uuid: draft
                .tenant
                .as_ref()
                .and_then(|(_, uuid)| uuid.map(|uuid| uuid.as_bytes().to_vec())),
            tenant_id: draft.tenant.as_ref().map(|(id, _)| id.clone()),
            generation: draft.generation.map(|generation| generation as i64),
            subject: draft.subject.map(|subject| subject.as_bytes().to_vec()),
            reason: draft.reason.clone(),
            detail: draft.detail.clone(),
            prev_hash,
            hash: Vec::new(),
        };
        row.hash = row.digest().to_vec();
        row
    }

    /// What its hash must be: over every column, each with its length before it, so that no two rows read the same.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"diesel-tenants audit 1\n");
        hash.update(self.seq.to_be_bytes());
        hash.update(self.at.to_be_bytes());
        let generation = self.generation.map(i64::to_be_bytes);
        let fields: [Option<&[u8]>; 11] = [
            Some(&self.prev_hash),
            Some(self.actor.as_bytes()),
            Some(self.actor_kind.as_bytes()),
            self.role.as_deref().map(str::as_bytes),
            Some(self.action.as_bytes()),
            self.tenant_uuid.as_deref(),
            self.tenant_id.as_deref().map(str::as_bytes),
            generation.as_ref().map(|bytes| bytes.as_slice()),
            self.subject.as_deref(),
            self.reason.as_deref().map(str::as_bytes),
            Some(self.detail.as_bytes()),
        ];
        for field in fields {
            match field {
                None => hash.update([0]),
                Some(bytes) => {
                    hash.update([1]);
                    hash.update((bytes.len() as u64).to_be_bytes());
                    hash.update(bytes);
                }
            }
        }
        hash.finalize().into()
    }
}

/// Both ends of the chain.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    pub pruned_through: i64,
    pub pruned_hash: Vec<u8>,
    pub head_seq: i64,
    pub head_hash: Vec<u8>,
}

/// A right to open a tenant for a while, as the catalogue has it.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRow {
    pub id: Uuid,
    pub actor: String,
    pub actor_kind: ActorKind,
    pub tenant: TenantKey,
    pub reason: String,
    pub granted_at: i64,
    pub expires_at: i64,
}

/// What the engine asks of the audit log and the grants. Each method is one transaction.
#[doc(hidden)]
pub trait AuditStore {
    /// Adds entries to the end, in this order.
    fn audit_append(&mut self, drafts: &[Draft]) -> QueryResult<()>;
    /// Adds one in the write transaction that is open.
    fn audit_append_here(&mut self, draft: &Draft) -> QueryResult<()>;
    fn audit_ends(&mut self) -> QueryResult<Ends>;
    /// Rows from `from` on, in order, at most `limit`.
    fn audit_chain(&mut self, from: i64, limit: i64) -> QueryResult<Vec<Row>>;
    /// The first row from `from` on in which a value is of another type than its column says.
    fn audit_retyped(&mut self, from: i64) -> QueryResult<Option<i64>>;
    /// Rows the filter lets through, in order, at most `limit`.
    fn audit_rows(&mut self, filter: &AuditFilter, limit: i64) -> QueryResult<Vec<Row>>;
    /// The newest row of this action about each tenant and, without one, about the shared database, by its number.
    fn audit_newest_of(&mut self, action: &str) -> QueryResult<HashMap<Option<Uuid>, i64>>;
    /// The earliest time that the newest `entries` rows name.
    fn audit_seen(&mut self, entries: i64) -> QueryResult<Option<i64>>;
    /// Takes away the oldest rows, up to the first that is not older than `before`, and notes that in the log. Returns
    /// how many they were.
    fn audit_prune(&mut self, before: i64, by: &Principal) -> QueryResult<u64>;

    /// Ends what has expired, each with an entry.
    fn grants_expire(&mut self, by: &Principal) -> QueryResult<()>;
    /// Notes a grant and enters it.
    fn grant_insert(&mut self, grant: &GrantRow, by: &Principal) -> QueryResult<()>;
    /// The grants that hold now, of everybody or of one actor.
    fn grants_open(&mut self, actor: Option<&str>) -> QueryResult<Vec<GrantRow>>;
    /// Ends a grant and notes it. False where it has ended already.
    fn grant_close(&mut self, id: Uuid, by: &Principal) -> QueryResult<bool>;
}
