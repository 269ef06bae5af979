//! The catalogue: the library's own tables in the shared database, which say what tenants there are, in what state,
//! where, and what is being done to them by whom.
//!
//! [`CatalogStore`] is what the engine asks of it. The statements are written once, in `catalog/queries.rs`, and
//! compiled per backend, because Diesel's types tie a query to the connection it runs on.
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use diesel::result::QueryResult;
use uuid::Uuid;

use crate::access::Principal;
use crate::backend::TenantKey;
use crate::display_name::DisplayName;
use crate::subdomain::Subdomain;
use crate::tenant_id::TenantId;

pub(crate) mod retention;
pub(crate) mod runs;

pub use retention::{BackupsOnPurge, Certificate, PurgedGeneration, Retention, RetentionStore};
pub(crate) use retention::{NewNames, PurgeAsked, PurgeBegun, Renamed};

/// The newest format of the catalogue's own tables this build knows.
pub(crate) const FORMAT: i32 = 15;

/// Where a tenant is in its life.
///
/// ```text
/// reserved → provisioning → active ⇄ suspended ⇄ archived → deleting → deleted
///                  ↓          ↑ ↓
///                failed    restoring
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Status {
    /// Registered and without a database: its id and its subdomain are held, and nobody can open it.
    Reserved,
    /// Being made; nobody can open it.
    Provisioning,
    /// In use.
    Active,
    /// Closed for use, data untouched; `resume` opens it again.
    Suspended,
    /// Out of use for good, data kept; perhaps with a date from which on it may be purged.
    Archived,
    /// A new generation of its database is being made.
    Restoring,
    /// Its data is being removed; there is no way back.
    Deleting,
    /// Gone. The catalogue row stays as its tombstone.
    Deleted,
    /// Making it failed and what was left could not be removed; opening the library tries again.
    Failed,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 9] = [
        Self::Reserved,
        Self::Provisioning,
        Self::Active,
        Self::Suspended,
        Self::Archived,
        Self::Restoring,
        Self::Deleting,
        Self::Deleted,
        Self::Failed,
    ];

    /// The word for it, as stored and printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Provisioning => "provisioning",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Archived => "archived",
            Self::Restoring => "restoring",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
            Self::Failed => "failed",
        }
    }

    /// Whether a tenant may go from this status to `next`.
    pub fn may_become(self, next: Self) -> bool {
        use Status::*;
        matches!(
            (self, next),
            (Reserved, Provisioning)
                | (Provisioning, Active | Failed | Deleted | Reserved)
                | (Failed, Provisioning | Deleted)
                | (Active, Suspended | Restoring)
                | (Suspended, Active | Archived | Restoring)
                | (Archived, Suspended | Deleting | Restoring)
                | (Restoring, Active | Suspended | Archived)
                | (Deleting, Deleted)
        )
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(s: &str) -> Result<Self, UnknownStatus> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == s)
            .ok_or(UnknownStatus)
    }
}

/// A word that is no [`Status`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a tenant status; one of reserved, provisioning, active, suspended, archived, restoring, deleting, deleted, failed"
)]
pub struct UnknownStatus;

/// What the catalogue knows of a tenant. `Debug` says whether there is a legal hold, not why: people are named in such.
#[derive(Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct TenantRecord {
    /// The uuid the library names things by; never used again.
    pub uuid: Uuid,
    /// The id, as it was created.
    pub id: TenantId,
    /// The name people see.
    pub display_name: DisplayName,
    /// The subdomain, unique among tenants that are not deleted.
    pub subdomain: Option<Subdomain>,
    /// Where it is in its life.
    pub status: Status,
    /// Which physical database is in use, counted from 1.
    pub generation: u64,
    /// The newest migration in its database, if it has any.
    pub schema_version: Option<String>,
    /// Hash of the normalised schema its template had.
    pub schema_fingerprint: Option<String>,
    /// The plan it is on, in the application's words.
    pub plan: Option<String>,
    /// Where its database is: `local` for files below the root.
    pub placement: String,
    /// When it was created.
    pub created_at: SystemTime,
    /// When this record last changed.
    pub changed_at: SystemTime,
    /// From when on it may be purged, if it was deleted.
    pub delete_after: Option<SystemTime>,
    /// Why nothing of it may be removed, while it is under a legal hold.
    pub legal_hold: Option<String>,
    /// The most bytes its database may have; `None` where its plan decides.
    pub quota: Option<u64>,
    /// Hash of the migrations in its database's ledger, if it is known: see [`crate::migrate::ledger_digest`].
    #[serde(skip)]
    pub(crate) ledger_digest: Option<String>,
    #[serde(skip)]
    pub(crate) change_seq: i64,
}

impl fmt::Debug for TenantRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantRecord")
            .field("uuid", &self.uuid)
            .field("id", &self.id)
            .field("display_name", &self.display_name)
            .field("subdomain", &self.subdomain)
            .field("status", &self.status)
            .field("generation", &self.generation)
            .field("schema_version", &self.schema_version)
            .field("schema_fingerprint", &self.schema_fingerprint)
            .field("plan", &self.plan)
            .field("placement", &self.placement)
            .field("created_at", &self.created_at)
            .field("changed_at", &self.changed_at)
            .field("delete_after", &self.delete_after)
            .field("legal_hold", &self.legal_hold.is_some())
            .field("quota", &self.quota)
            .finish_non_exhaustive()
    }
}

impl TenantRecord {
    pub(crate) fn key(&self) -> TenantKey {
        TenantKey {
            id: self.id,
            uuid: self.uuid,
        }
    }
}

/// What is being done to a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OperationKind {
    /// [`Tenancy::create`](crate::Tenancy::create).
    Create,
    /// [`Tenancy::migrate_tenant`](crate::Tenancy::migrate_tenant).
    Migrate,
    /// [`Tenancy::compact`](crate::Tenancy::compact).
    Compact,
    /// A new generation from a backup.
    Restore,
    /// A new and empty generation.
    Recreate,
    /// A new generation from the one before.
    Undo,
    /// [`Tenancy::purge`](crate::Tenancy::purge).
    Purge,
    /// A purge until its [final backup](crate::PurgeOptions::final_backup) is taken: nothing is removed yet.
    #[serde(rename = "final-backup")]
    FinalBackup,
    /// [`Tenancy::repair`](crate::Tenancy::repair).
    Repair,
}

impl OperationKind {
    const ALL: [Self; 9] = [
        Self::Create,
        Self::Migrate,
        Self::Compact,
        Self::Restore,
        Self::Recreate,
        Self::Undo,
        Self::Purge,
        Self::FinalBackup,
        Self::Repair,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Migrate => "migrate",
            Self::Compact => "compact",
            Self::Restore => "restore",
            Self::Recreate => "recreate",
            Self::Undo => "undo",
            Self::Purge => "purge",
            // Not `purge`: a build that knows of no final backups takes every purge for one that is to be finished.
            Self::FinalBackup => "final-backup",
            Self::Repair => "repair",
        }
    }

    pub(crate) fn parse(s: &str) -> Option<Self> {
        // What catalogues of format 2 and older call a purge.
        if s == "delete" {
            return Some(Self::Purge);
        }
        Self::ALL.into_iter().find(|kind| kind.as_str() == s)
    }

    /// What its entries in the audit log begin with.
    pub(crate) fn audit_word(self) -> &'static str {
        match self {
            Self::FinalBackup => Self::Purge.as_str(),
            kind => kind.as_str(),
        }
    }

    /// Whether it gives the tenant a new database, under the next number.
    pub(crate) fn makes_generation(self) -> bool {
        matches!(
            self,
            Self::Compact | Self::Restore | Self::Recreate | Self::Undo
        )
    }
}

impl fmt::Display for OperationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A row of the journal: an operation that is under way, or was when its process died.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct Operation {
    pub id: Uuid,
    pub tenant_uuid: Uuid,
    pub kind: OperationKind,
    pub instance: Uuid,
    pub prior_status: Status,
    pub from_generation: u64,
    pub to_generation: u64,
}

/// What became of an attempt to put a new tenant into the catalogue.
#[derive(Debug)]
#[doc(hidden)]
pub enum Inserted {
    Done,
    /// A tenant of this id is there.
    Exists(Box<TenantRecord>),
    /// A deleted tenant had this id.
    Retired,
    SubdomainTaken(TenantId),
}

/// What became of an attempt to change a tenant's status.
#[derive(Debug)]
#[doc(hidden)]
pub enum Changed {
    Done,
    WrongStatus(Status),
    InProgress(Operation),
    /// This generation is on the disk, and has a number the catalogue never handed out.
    OlderThanDisk(u64),
    Unknown,
}

/// What became of an attempt to begin an operation.
#[derive(Debug)]
#[doc(hidden)]
pub enum Begun {
    Done(Operation),
    Not(Changed),
}

/// An operation somebody wants to begin.
#[derive(Debug, Clone, Copy)]
#[doc(hidden)]
pub struct Intent<'a> {
    /// The id the operation is to have.
    pub id: Uuid,
    pub kind: OperationKind,
    pub tenant_uuid: Uuid,
    pub instance: Uuid,
    /// The statuses it may begin in.
    pub from: &'a [Status],
    /// The status while it is under way, if that changes.
    pub during: Option<Status>,
    /// Whether it makes a new generation. Numbers are never used twice, not even those of attempts that failed.
    pub new_generation: bool,
    /// The highest number there is a file of, if that is to be no higher than the catalogue knows: one that was put back
    /// to an earlier day does not know of it.
    pub above: u64,
}

/// What is to become of a reservation: the names and limits it is to have, and what its database will be.
#[derive(Debug, Clone)]
#[doc(hidden)]
pub struct Completion {
    /// The id the operation is to have.
    pub operation: Uuid,
    pub tenant_uuid: Uuid,
    pub instance: Uuid,
    pub terms: Option<Terms>,
    pub schema_version: Option<String>,
    pub schema_fingerprint: String,
    pub ledger_digest: String,
}

/// What was agreed on with a tenant, besides its id.
#[derive(Debug, Clone)]
#[doc(hidden)]
pub struct Terms {
    pub display_name: DisplayName,
    pub subdomain: Option<Subdomain>,
    pub plan: Option<String>,
    pub quota: Option<u64>,
}

/// What became of an attempt to make the database of a reservation.
#[derive(Debug)]
#[doc(hidden)]
pub enum Completing {
    Done(Operation, Box<TenantRecord>),
    Not(Changed),
    SubdomainTaken(TenantId),
}

/// What an operation makes of the tenant at its commit point.
#[derive(Debug, Clone)]
#[doc(hidden)]
pub struct Outcome {
    pub status: Status,
    pub generation: u64,
    /// Newest migration and fingerprint, if the operation set them.
    pub schema: Option<(Option<String>, String)>,
    /// Whether the generation the operation came from is kept, fenced, beside the new one.
    pub keep_old: bool,
}

/// A database that is in use no more and was kept.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct OldGeneration {
    /// Its number.
    pub generation: u64,
    /// What replaced it.
    pub replaced_by: OperationKind,
    /// When.
    pub replaced_at: SystemTime,
}

/// What the engine asks of the catalogue. Each method is one transaction, and those that change something enter into the
/// audit log, in the same one, that `by` did it. Implemented by this crate only.
#[doc(hidden)]
pub trait CatalogStore {
    /// Makes the tables and the catalogue row if they are not there, and brings those of an older build up to this
    /// one's; returns the catalogue's uuid and format.
    fn catalog_open(&mut self, create_as: Uuid) -> QueryResult<(Uuid, i32)>;
    /// The number that grows with every change.
    fn catalog_seq(&mut self) -> QueryResult<i64>;
    /// Tenants changed after `seq`, deleted ones included.
    fn catalog_changed_since(&mut self, seq: i64) -> QueryResult<Vec<TenantRecord>>;
    fn catalog_tenant(&mut self, uuid: Uuid) -> QueryResult<Option<TenantRecord>>;
    fn catalog_open_operations(&mut self) -> QueryResult<Vec<Operation>>;
    fn catalog_open_operation(&mut self, tenant: Uuid) -> QueryResult<Option<Operation>>;

    /// Inserts the tenant and its `create` operation.
    fn catalog_insert(
        &mut self,
        record: &TenantRecord,
        operation: &Operation,
        reuse_id: bool,
        by: &Principal,
    ) -> QueryResult<Inserted>;
    /// Inserts a tenant that has no database yet.
    fn catalog_reserve(
        &mut self,
        record: &TenantRecord,
        reuse_id: bool,
        by: &Principal,
    ) -> QueryResult<Inserted>;
    /// Begins to make the database of a reservation.
    fn catalog_complete(&mut self, asked: &Completion, by: &Principal) -> QueryResult<Completing>;
    /// Makes a tenant whose database could not be made the reservation it was, and closes the operation.
    fn catalog_reserve_again(&mut self, operation: &Operation, by: &Principal) -> QueryResult<()>;
    /// Takes a reservation out of the catalogue.
    fn catalog_unreserve(&mut self, tenant: Uuid, by: &Principal) -> QueryResult<Changed>;
    /// Takes a tenant that was never active out of the catalogue, with its journal.
    fn catalog_forget(&mut self, tenant: Uuid, by: &Principal) -> QueryResult<()>;
    /// Changes the status at once, if it is `from` and no operation is open.
    fn catalog_transition(
        &mut self,
        tenant: Uuid,
        from: Status,
        to: Status,
        by: &Principal,
    ) -> QueryResult<Changed>;

    fn catalog_begin(&mut self, intent: &Intent<'_>, by: &Principal) -> QueryResult<Begun>;
    /// The commit point of an operation. It stays open, so that what is left to clean up is not forgotten.
    fn catalog_commit(
        &mut self,
        operation: &Operation,
        outcome: &Outcome,
        by: &Principal,
    ) -> QueryResult<()>;
    /// The same for an operation that has read the tenant's ledger and leaves nothing to clean up: it is closed, too.
    fn catalog_commit_ledger(
        &mut self,
        operation: &Operation,
        outcome: &Outcome,
        ledger_digest: &str,
        by: &Principal,
    ) -> QueryResult<()>;
    /// Closes an operation whose own transaction is committed or is not: the tenant is taken to be as it was found, and
    /// the log does not say that it was done.
    fn catalog_settle(
        &mut self,
        operation: &Operation,
        found: &Outcome,
        ledger_digest: Option<&str>,
        by: &Principal,
    ) -> QueryResult<()>;
    /// Closes an operation. Closing a closed one changes nothing.
    fn catalog_close(
        &mut self,
        operation: &Operation,
        outcome: &str,
        by: &Principal,
    ) -> QueryResult<()>;
    /// The generations that were kept, newest first.
    fn catalog_generations(&mut self, tenant: Uuid) -> QueryResult<Vec<OldGeneration>>;
    /// No longer counts a generation among the kept ones. Its database must be gone.
    fn catalog_forget_generation(
        &mut self,
        tenant: Uuid,
        generation: u64,
        by: &Principal,
    ) -> QueryResult<()>;
    /// Makes `by` the instance that works on an open operation, if it still belongs to the one that was found dead.
    fn catalog_take_over(&mut self, operation: &Operation, by: Uuid) -> QueryResult<bool>;
}

pub(crate) fn to_millis(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn from_millis(at: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at).unwrap_or(0))
}

diesel::table! {
    #[sql_name = "__tenants_catalog"]
    catalog (id) {
        id -> Integer,
        uuid -> Binary,
        format -> Integer,
        change_seq -> BigInt,
        created_at -> BigInt,
        clock_seen -> BigInt,
    }
}
diesel::table! {
    #[sql_name = "__tenants_tenants"]
    tenants (uuid) {
        uuid -> Binary,
        tenant_id -> Text,
        folded_id -> Text,
        display_name -> Text,
        subdomain -> Nullable<Text>,
        status -> Text,
        generation -> BigInt,
        schema_version -> Nullable<Text>,
        schema_fingerprint -> Nullable<Text>,
        plan -> Nullable<Text>,
        placement -> Text,
        created_at -> BigInt,
        changed_at -> BigInt,
        change_seq -> BigInt,
        delete_after -> Nullable<BigInt>,
        legal_hold -> Nullable<Text>,
        quota_bytes -> Nullable<BigInt>,
        backups_on_purge -> Nullable<Text>,
        ledger_digest -> Nullable<Text>,
        final_backup -> Nullable<Binary>,
    }
}
diesel::table! {
    #[sql_name = "__tenants_operations"]
    operations (id) {
        id -> Binary,
        tenant_uuid -> Binary,
        kind -> Text,
        instance -> Binary,
        prior_status -> Text,
        from_generation -> BigInt,
        to_generation -> BigInt,
        started_at -> BigInt,
        finished_at -> Nullable<BigInt>,
        outcome -> Nullable<Text>,
    }
}
diesel::table! {
    #[sql_name = "__tenants_generations"]
    generations (tenant_uuid, generation) {
        tenant_uuid -> Binary,
        generation -> BigInt,
        replaced_by -> Text,
        replaced_at -> BigInt,
    }
}

pub(crate) mod audit;
pub(crate) mod backups;
pub(crate) mod health;
pub(crate) mod reference;
#[cfg(feature = "sqlite")]
mod sqlite;
pub(crate) mod workflows;
