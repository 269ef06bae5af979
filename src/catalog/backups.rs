//! What the catalogue knows of backups.
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::SystemTime;

use diesel::result::QueryResult;
use uuid::Uuid;

use crate::access::Principal;
use crate::backend::{OnDisk, TenantKey};
use crate::catalog::{Inserted, TenantRecord};

/// Why a backup was taken.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BackupReason {
    /// Somebody asked for it.
    #[default]
    Manual,
    /// It was time.
    Scheduled,
    /// Before a repair.
    BeforeRepair,
    /// Before a migration.
    BeforeMigrate,
    /// Before a restore.
    BeforeRestore,
    /// Before the database was made anew and empty.
    BeforeRecreate,
    /// The last one, before the tenant was purged.
    Final,
}

impl BackupReason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Manual,
        Self::Scheduled,
        Self::BeforeRepair,
        Self::BeforeMigrate,
        Self::BeforeRestore,
        Self::BeforeRecreate,
        Self::Final,
    ];

    /// The word for it, as stored and printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Scheduled => "scheduled",
            Self::BeforeRepair => "before-repair",
            Self::BeforeMigrate => "before-migrate",
            Self::BeforeRestore => "before-restore",
            Self::BeforeRecreate => "before-recreate",
            Self::Final => "final",
        }
    }

    /// Whether somebody or a timer asked for it, and not an operation that took it on its way.
    ///
    /// One that was taken before an operation is a copy of what that was there to change: bad data, before a restore.
    pub const fn is_asked_for(self) -> bool {
        matches!(self, Self::Manual | Self::Scheduled)
    }
}

impl fmt::Display for BackupReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for BackupReason {
    type Err = UnknownReason;

    fn from_str(s: &str) -> Result<Self, UnknownReason> {
        let found = Self::ALL.into_iter().find(|reason| reason.as_str() == s);
        found.ok_or(UnknownReason)
    }
}

/// A word that is no [`BackupReason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a reason for a backup; one of manual, scheduled, before-repair, before-migrate, before-restore, before-recreate, final"
)]
pub struct UnknownReason;

/// A backup's place in its short life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum BackupState {
    /// Undone when its instance is dead.
    Making,
    Good,
    /// Removed for good, if need be when its instance is dead.
    Removing,
}

impl BackupState {
    const ALL: [Self; 3] = [Self::Making, Self::Good, Self::Removing];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Making => "making",
            Self::Good => "good",
            Self::Removing => "removing",
        }
    }

    pub(crate) fn parse(s: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == s)
    }
}

/// A backup as the catalogue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct StoredBackup {
    pub id: Uuid,
    pub set: Option<Uuid>,
    /// `None` for the shared database.
    pub tenant: Option<TenantKey>,
    pub state: BackupState,
    pub reason: BackupReason,
    /// Who makes it, or removes it.
    pub instance: Uuid,
    /// `None` for the directory of the data directory itself, which may be moved.
    pub directory: Option<PathBuf>,
    /// The mark of that directory, if it has an id.
    pub mark: Option<Uuid>,
    pub began_at: SystemTime,
    pub pinned: bool,
    pub facts: Option<StoredFacts>,
}

/// What is known of a backup from its commit point on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct StoredFacts {
    pub taken_at: SystemTime,
    pub generation: u64,
    pub schema_version: Option<String>,
    pub schema_fingerprint: String,
    pub bytes: u64,
    pub sha256: [u8; 32],
}

/// A set of backups as the catalogue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct StoredSet {
    pub id: Uuid,
    pub instance: Uuid,
    pub directory: Option<PathBuf>,
    /// The mark of that directory, if it has an id.
    pub mark: Option<Uuid>,
    pub began_at: SystemTime,
    /// `None` while it is being made, or removed.
    pub ended_at: Option<SystemTime>,
    /// False while it is being made, true while it is being removed.
    pub complete: bool,
}

/// Whose backups are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum BackupsOf {
    Everything,
    Shared,
    Tenant(Uuid),
}

/// What a restored catalogue and the disk had to say to each other.
#[derive(Debug, Default)]
#[doc(hidden)]
pub struct OnDiskReport {
    pub moved: Vec<(TenantKey, u64, u64)>,
    pub missing: Vec<TenantKey>,
    pub orphans: Vec<TenantKey>,
    /// Those whose date of deletion was taken back.
    pub undated: Vec<TenantKey>,
    /// The generations in use from which a fence is to be taken.
    pub fenced: Vec<(TenantKey, u64)>,
    /// The tenants of the catalogue, by the names of their directories.
    pub directories: HashMap<String, TenantKey>,
}

/// What a restored catalogue has to learn of the backups on the disk.
#[derive(Debug, Default)]
#[doc(hidden)]
pub struct BackupsFound {
    /// Those that are there and do not count: they are not known, or were being made.
    pub adopted: Vec<(StoredBackup, StoredFacts)>,
    /// Those that count and are gone.
    pub gone: Vec<Uuid>,
    /// The sets that are there.
    pub sets: Vec<StoredSet>,
    /// Sets that are gone.
    pub sets_gone: Vec<Uuid>,
}

/// What became of an attempt to let a backup count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub enum BackupCommitted {
    Done,
    /// It is not being made any more, or its tenant is being purged with its backups.
    GivenUp,
    /// The tenant has another generation by now: what was committed to that one is not in the backup.
    Moved,
}

/// What became of an attempt to give an old generation up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub enum GivenUp {
    Done,
    /// It is not among the kept ones.
    NotKept,
    /// The tenant is under a legal hold.
    OnHold,
}

/// What became of an attempt to remove what was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub enum Removal {
    Done,
    /// Its files would not go.
    Failed,
    /// A legal hold came in between. It was there still, and is not given up any more.
    OnHold,
    /// Somebody else was faster.
    NotGivenUp,
}

/// The files of what was given up.
#[doc(hidden)]
pub trait Removing {
    /// Whether it is whole.
    fn is_there(&mut self) -> bool;
    /// Removes them, or as much of them that it is whole no more. False where that failed.
    fn remove(&mut self) -> bool;
}

/// What became of an attempt to pin a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub enum Pinned {
    Done,
    Unknown,
    /// It goes with its tenant, whose purge has begun.
    Purging,
}

/// What the engine asks of the catalogue about backups. Each method is one transaction. Implemented by this crate only.
#[doc(hidden)]
pub trait BackupStore {
    /// Inserts a backup that is being made.
    fn backup_begin(&mut self, backup: &StoredBackup, by: &Principal) -> QueryResult<()>;
    /// The commit point of a backup: it counts from here on.
    fn backup_commit(
        &mut self,
        id: Uuid,
        facts: &StoredFacts,
        by: &Principal,
    ) -> QueryResult<BackupCommitted>;
    /// Takes a backup out of the catalogue. Its files must be gone.
    fn backup_forget(&mut self, id: Uuid, by: &Principal) -> QueryResult<()>;
    fn backup_find(&mut self, id: Uuid) -> QueryResult<Option<StoredBackup>>;
    /// Those that count, newest first.
    fn backup_list(&mut self, of: BackupsOf) -> QueryResult<Vec<StoredBackup>>;
    /// Those that are being made or removed.
    fn backup_unfinished(&mut self) -> QueryResult<Vec<StoredBackup>>;
    /// Keeps one that counts from being pruned, or no longer does.
    fn backup_pin(&mut self, id: Uuid, pinned: bool, by: &Principal) -> QueryResult<Pinned>;
    /// The commit point of removing one that counts and is neither pinned nor of a tenant under a legal hold. False
    /// where there is none.
    fn backup_begin_removal(
        &mut self,
        id: Uuid,
        instance: Uuid,
        by: &Principal,
    ) -> QueryResult<bool>;

    /// Takes away the name of one that is being removed, unless its tenant is under a legal hold by now.
    fn backup_hide(
        &mut self,
        id: Uuid,
        files: &mut dyn Removing,
        by: &Principal,
    ) -> QueryResult<Removal>;

    /// Brings a catalogue that was restored from `backup` in line with the databases on the disk. What it says of tenants
    /// that are `purged` is left to whoever opens the library.
    fn reconcile(
        &mut self,
        catalog: Uuid,
        backup: Uuid,
        found: &[OnDisk],
        directory: &dyn Fn(&TenantKey) -> String,
        purged: &dyn Fn(Uuid) -> bool,
        by: &Principal,
    ) -> QueryResult<OnDiskReport>;
    /// Puts a tenant that was found on the disk into the catalogue, active.
    fn reclaim(
        &mut self,
        record: &TenantRecord,
        found: &OnDisk,
        by: &Principal,
    ) -> QueryResult<Inserted>;
    /// Brings it in line with the backups that were found.
    fn backups_reconcile(&mut self, found: &BackupsFound, by: &Principal) -> QueryResult<()>;

    fn set_begin(&mut self, set: &StoredSet, by: &Principal) -> QueryResult<()>;
    /// The commit point of a set. False where it is not being made any more.
    fn set_end(
        &mut self,
        id: Uuid,
        at: SystemTime,
        complete: bool,
        by: &Principal,
    ) -> QueryResult<bool>;
    /// The commit point of removing a set. False where it is being made or removed already.
    fn set_begin_removal(&mut self, id: Uuid, instance: Uuid, by: &Principal) -> QueryResult<bool>;
    /// Takes a set out of the catalogue. Its manifest must be gone; its members stay.
    fn set_forget(&mut self, id: Uuid, by: &Principal) -> QueryResult<()>;
    /// All sets, newest first, those that are being made included.
    fn set_list(&mut self) -> QueryResult<Vec<StoredSet>>;

    /// The commit point of removing an old generation: it cannot be undone to any more.
    fn generation_give_up(
        &mut self,
        tenant: Uuid,
        generation: u64,
        by: &Principal,
    ) -> QueryResult<GivenUp>;
    fn generations_given_up(&mut self) -> QueryResult<Vec<(Uuid, u64)>>;
    /// Removes a generation that was given up, unless its tenant is under a legal hold by now.
    fn generation_remove(
        &mut self,
        tenant: Uuid,
        generation: u64,
        files: &mut dyn Removing,
        by: &Principal,
    ) -> QueryResult<Removal>;
}

diesel::table! {
    #[sql_name = "__tenants_backups"]
    backups (id) {
        id -> Binary,
        set_id -> Nullable<Binary>,
        tenant_uuid -> Nullable<Binary>,
        tenant_id -> Nullable<Text>,
        state -> Text,
        reason -> Text,
        instance -> Binary,
        directory -> Nullable<Binary>,
        began_at -> BigInt,
        pinned -> Bool,
        taken_at -> Nullable<BigInt>,
        generation -> Nullable<BigInt>,
        schema_version -> Nullable<Text>,
        schema_fingerprint -> Nullable<Text>,
        bytes -> Nullable<BigInt>,
        sha256 -> Nullable<Binary>,
        mark -> Nullable<Binary>,
    }
}
diesel::table! {
    #[sql_name = "__tenants_backup_sets"]
    backup_sets (id) {
        id -> Binary,
        instance -> Binary,
        directory -> Nullable<Binary>,
        began_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        complete -> Bool,
        mark -> Nullable<Binary>,
    }
}
diesel::table! {
    #[sql_name = "__tenants_discards"]
    discards (tenant_uuid, generation) {
        tenant_uuid -> Binary,
        generation -> BigInt,
    }
}
