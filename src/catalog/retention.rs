//! What the catalogue knows of a tenant's end: when it may be purged, what stands in the way, and what a purge leaves
//! behind as its proof. Beside it, what may be changed of a tenant that is in use: its names and its quota.
use std::time::{Duration, SystemTime};

use diesel::result::QueryResult;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Changed, Intent, Operation, Status, TenantRecord};
use crate::access::Principal;
use crate::display_name::DisplayName;
use crate::subdomain::Subdomain;
use crate::tenant_id::TenantId;

/// How far ahead of the newest time the catalogue has seen the clock may be and still be believed.
///
/// The catalogue sees the time with every change and every open of the library, so a service that is alive is never
/// this far behind.
pub(crate) const BELIEVED_AHEAD: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// From when on a deleted tenant may be purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention(pub(crate) Until);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Until {
    After(Duration),
    At(SystemTime),
}

impl Retention {
    /// The longest there is, a hundred years: [`delete`](crate::Tenancy::delete) refuses more.
    pub const LONGEST: Duration = Duration::from_secs(36_500 * 24 * 60 * 60);

    /// At once.
    pub const NONE: Self = Self(Until::After(Duration::ZERO));

    /// After this many days of 24 hours.
    pub const fn days(days: u32) -> Self {
        Self(Until::After(Duration::from_secs(
            days as u64 * 24 * 60 * 60,
        )))
    }

    /// From this time on.
    pub const fn until(time: SystemTime) -> Self {
        Self(Until::At(time))
    }

    /// Whether nobody lives to see its end, so that it is a slip of the hand.
    pub(crate) fn is_too_long(self) -> bool {
        match self.0 {
            Until::After(wait) => wait > Self::LONGEST,
            Until::At(time) => time
                .duration_since(SystemTime::now())
                .is_ok_and(|wait| wait > Self::LONGEST),
        }
    }
}

impl Default for Retention {
    /// 30 days.
    fn default() -> Self {
        Self::days(30)
    }
}

/// What becomes of a tenant's backups when it is purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum BackupsOnPurge {
    /// They stay, and the certificate says so. [`RetentionPolicy::after_purge`](crate::RetentionPolicy::after_purge) sets an
    /// end to that.
    #[default]
    Keep,
    /// They are removed with the databases.
    Remove,
}

impl BackupsOnPurge {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Remove => "remove",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Keep, Self::Remove]
            .into_iter()
            .find(|policy| policy.as_str() == word)
    }
}

/// The newest format of a [`Certificate`] this build knows.
pub(crate) const CERTIFICATE_FORMAT: u32 = 1;

/// What a purge has removed, and the tombstone that keeps it removed.
///
/// Written before the first byte goes, and once more when the last is gone. It holds no data of the tenant but its id.
/// As long as it stands, no database stamped with its [`uuid`](Self::uuid) is opened or put in place, not even by an
/// older catalogue that was restored from a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Certificate {
    /// The format of this record.
    pub format: u32,
    /// The uuid of the tenant that is no more.
    pub uuid: Uuid,
    /// Its id, which another tenant may have taken since.
    pub id: TenantId,
    /// The catalogue it belonged to.
    pub catalog: Uuid,
    /// The operation in the catalogue's journal that removed it.
    pub operation: Uuid,
    /// Its databases, those that were kept for an undo included.
    pub generations: Vec<PurgedGeneration>,
    /// Bytes of all of its files.
    pub bytes: u64,
    /// What was to become of its backups.
    pub backups: BackupsOnPurge,
    /// How many backups were removed.
    pub backups_removed: u64,
    /// The backups that were to be removed and are not, because their directory was out of reach: on a disk that was not
    /// mounted. They are [listed](crate::Tenancy::backups) still;
    /// [`remove_backup`](crate::Tenancy::remove_backup) removes each once its directory is there.
    #[serde(default)]
    pub backups_left: Vec<Uuid>,
    /// The [final backup](crate::PurgeOptions::final_backup) that was taken before, if that was asked for. It is there
    /// whatever became of the others, until somebody removes it or
    /// [`RetentionPolicy::after_purge`](crate::RetentionPolicy::after_purge) does.
    #[serde(default)]
    pub final_backup: Option<Uuid>,
    /// When the removal began; Unix milliseconds where it is written down.
    #[serde(with = "millis")]
    pub begun_at: SystemTime,
    /// When nothing was left of it. `None` while the removal is under way, or was cut short.
    #[serde(with = "millis_if_any")]
    pub completed_at: Option<SystemTime>,
}

/// One database that a purge has removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PurgedGeneration {
    /// Its number.
    pub generation: u64,
    /// Its bytes on disk, its WAL included.
    pub bytes: u64,
}

mod millis {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serializer};

    use crate::catalog::{from_millis, to_millis};

    pub(super) fn serialize<S: Serializer>(at: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(to_millis(*at))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SystemTime, D::Error> {
        i64::deserialize(from).map(from_millis)
    }
}

mod millis_if_any {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::catalog::{from_millis, to_millis};

    pub(super) fn serialize<S: Serializer>(
        at: &Option<SystemTime>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        at.map(to_millis).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<SystemTime>, D::Error> {
        Ok(Option::deserialize(from)?.map(from_millis))
    }
}

/// What became of an attempt to begin a purge.
#[derive(Debug)]
#[doc(hidden)]
pub enum PurgeBegun {
    Done(Operation),
    Not(Changed),
    NotScheduled,
    OnHold,
    /// The final backup does not count any more.
    BackupGone(Uuid),
    /// So many backups that are to be removed are pinned.
    Pinned(u64),
    NotYet(SystemTime),
    ClockJump {
        last_seen: SystemTime,
        now: SystemTime,
    },
}

/// What the one who purges asks for.
#[derive(Debug, Clone, Copy)]
#[doc(hidden)]
pub struct PurgeAsked {
    pub backups: BackupsOnPurge,
    pub clock_checked: bool,
    /// It was never announced to anybody: there is no date to wait for.
    pub unannounced: bool,
}

/// What became of an attempt to change what a tenant is called.
#[derive(Debug)]
#[doc(hidden)]
pub enum Renamed {
    Done,
    Not(Changed),
    SubdomainTaken(TenantId),
}

/// The names a tenant is to have; `None` leaves one as it is.
#[derive(Debug, Clone, Default)]
#[doc(hidden)]
pub struct NewNames {
    pub display_name: Option<DisplayName>,
    pub subdomain: Option<Option<Subdomain>>,
}

/// What the engine asks of the catalogue about ends, names and quotas. Each method is one transaction. Implemented by
/// this crate only.
#[doc(hidden)]
pub trait RetentionStore {
    /// Moves the newest time that was seen to now, if now can be believed.
    fn retention_see_clock(&mut self) -> QueryResult<()>;
    /// Does something while no operation on the tenant is open or can begin, if its status allows.
    fn retention_while_idle(
        &mut self,
        tenant: Uuid,
        allowed: &dyn Fn(Status) -> bool,
        act: &mut dyn FnMut(),
    ) -> QueryResult<Changed>;
    /// The newest time that was seen.
    fn retention_clock_seen(&mut self) -> QueryResult<i64>;
    /// Sets the date from which an archived tenant may be purged.
    fn retention_schedule(
        &mut self,
        tenant: Uuid,
        until: Retention,
        by: &Principal,
    ) -> QueryResult<Changed>;
    /// Takes the date back.
    fn retention_cancel(&mut self, tenant: Uuid, by: &Principal) -> QueryResult<Changed>;
    /// Puts a tenant under a legal hold, or takes it off. Does not wait for an operation on it: one that removes data
    /// is told by the status.
    fn retention_hold(
        &mut self,
        tenant: Uuid,
        reason: Option<&str>,
        by: &Principal,
    ) -> QueryResult<Changed>;
    /// Begins a purge, if nothing stands in the way at this moment. There is no way back from it where the status
    /// while it is under way is `deleting`; else it is committed once its final backup is taken.
    fn retention_begin_purge(
        &mut self,
        intent: &Intent<'_>,
        asked: &PurgeAsked,
        by: &Principal,
    ) -> QueryResult<PurgeBegun>;
    /// The commit point of a purge that was begun with a final backup, if nothing stands in the way at this moment
    /// either, and that backup counts.
    fn retention_commit_purge(
        &mut self,
        operation: &Operation,
        asked: &PurgeAsked,
        final_backup: Uuid,
        by: &Principal,
    ) -> QueryResult<PurgeBegun>;
    /// What was asked for when the purge began, and its final backup.
    fn retention_backups_on_purge(
        &mut self,
        tenant: Uuid,
    ) -> QueryResult<(BackupsOnPurge, Option<Uuid>)>;
    /// Sets tenants that have a tombstone to deleted, and closes what an older catalogue says is being done to them.
    /// Returns them as they were.
    fn retention_bury(
        &mut self,
        tombstoned: &[Uuid],
        by: &Principal,
    ) -> QueryResult<Vec<TenantRecord>>;
    /// All deleted tenants, oldest first.
    fn retention_deleted(&mut self) -> QueryResult<Vec<TenantRecord>>;

    fn rename(&mut self, tenant: Uuid, to: &NewNames, by: &Principal) -> QueryResult<Renamed>;
    fn set_quota(
        &mut self,
        tenant: Uuid,
        bytes: Option<u64>,
        by: &Principal,
    ) -> QueryResult<Changed>;
    fn set_plan(
        &mut self,
        tenant: Uuid,
        plan: Option<&str>,
        by: &Principal,
    ) -> QueryResult<Changed>;
    /// Both, as statements of the transaction that is open.
    fn set_plan_and_quota_here(
        &mut self,
        tenant: Uuid,
        plan: &str,
        quota: Option<u64>,
        by: &Principal,
    ) -> QueryResult<Changed>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_read_as_it_was_written() {
        let begun_at = crate::catalog::from_millis(1_700_000_000_123);
        let certificate = Certificate {
            format: CERTIFICATE_FORMAT,
            uuid: Uuid::now_v7(),
            id: "TH001".parse().unwrap(),
            catalog: Uuid::now_v7(),
            operation: Uuid::now_v7(),
            generations: vec![PurgedGeneration {
                generation: 3,
                bytes: 4096,
            }],
            bytes: 4096,
            backups: BackupsOnPurge::Remove,
            backups_removed: 2,
            backups_left: vec![Uuid::now_v7()],
            final_backup: Some(Uuid::now_v7()),
            begun_at,
            completed_at: None,
        };
        let text = serde_json::to_string(&certificate).unwrap();
        assert!(text.contains("\"begun_at\":1700000000123"), "{text}");
        assert!(text.contains("\"completed_at\":null"), "{text}");
        assert_eq!(
            serde_json::from_str::<Certificate>(&text).unwrap(),
            certificate
        );
    }

    #[test]
    fn the_words_of_the_backup_policy_are_read_back() {
        for policy in [BackupsOnPurge::Keep, BackupsOnPurge::Remove] {
            assert_eq!(BackupsOnPurge::parse(policy.as_str()), Some(policy));
        }
        assert_eq!(BackupsOnPurge::parse("forget"), None);
    }
}
