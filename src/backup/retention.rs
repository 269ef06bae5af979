//! Which backups are kept, and the removal of the others.
use std::collections::BTreeMap;
use std::collections::hash_map::{Entry, HashMap};
use std::hash::Hash;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use uuid::Uuid;

use super::{BackupError, BackupFilter, BackupReason, BackupRecord, BackupRef, find, remove, sets};
use crate::backend::{Backend, BackupStorage, Storage, TenantKey};
use crate::catalog::{Status, TenantRecord};
use crate::error::CatalogError;
use crate::registry::{ClockJump, Registry, Time};
use crate::tenancy::Tenancy;

/// How many backups of one database are kept. Days, weeks and months are those of UTC, weeks begin on Monday.
///
/// A backup is kept if any of the numbers keeps it. Whatever they are, the newest one of each database is kept, the newest
/// one that somebody or a timer [asked for](crate::BackupReason::is_asked_for), and every pinned one, which counts for none of
/// the numbers. Of a day, a week or a month, one that an operation took on its way is kept only where no other is.
///
/// # Example
/// ```
/// use diesel_tenants::RetentionPolicy;
///
/// let policy = RetentionPolicy { keep_last: 3, daily: 7, weekly: 5, monthly: 12, ..Default::default() };
/// # let _ = policy;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RetentionPolicy {
    /// The newest so many.
    pub keep_last: usize,
    /// The newest one of each of the last so many days that have one.
    pub daily: usize,
    /// The newest one of each of the last so many weeks that have one.
    pub weekly: usize,
    /// The newest one of each of the last so many months that have one.
    pub monthly: usize,
    /// How long after its purge the backups of a tenant are kept. Then all of them go that are not pinned, the newest
    /// too. `None`: they are kept like those of any other.
    pub after_purge: Option<Duration>,
}

impl Default for RetentionPolicy {
    /// The last 3, and one for each of 7 days, 5 weeks and 12 months.
    fn default() -> Self {
        Self {
            keep_last: 3,
            daily: 7,
            weekly: 5,
            monthly: 12,
            after_purge: None,
        }
    }
}

impl RetentionPolicy {
    /// As [`keeps`](Self::keeps), by this clock. One of a time that is still to come is kept and counts for none of the
    /// numbers: it would be the newest for as long, and those that are taken meanwhile would go.
    fn keeps_at(&self, clock: SystemTime, newest_first: &[(SystemTime, bool)]) -> Vec<bool> {
        let ahead = newest_first.partition_point(|(at, _)| *at > clock);
        let mut keep = vec![true; ahead];
        keep.extend(self.keeps(&newest_first[ahead..]));
        keep
    }

    /// For times in descending order and whether each backup was asked for, whether it is kept.
    fn keeps(&self, newest_first: &[(SystemTime, bool)]) -> Vec<bool> {
        let dates: Vec<_> = newest_first
            .iter()
            .map(|(at, asked)| (date(*at), *asked))
            .collect();
        let mut keep = vec![false; dates.len()];
        for kept in keep.iter_mut().take(self.keep_last.max(1)) {
            *kept = true;
        }
        // However many operations came after it.
        if let Some(newest) = dates.iter().position(|(_, asked)| *asked) {
            keep[newest] = true;
        }
        first_of_each(&dates, |at| at.date(), self.daily, &mut keep);
        let week = |at: &OffsetDateTime| {
            let (year, week, _) = at.to_iso_week_date();
            (year, week)
        };
        first_of_each(&dates, week, self.weekly, &mut keep);
        let month = |at: &OffsetDateTime| (at.year(), u8::from(at.month()));
        first_of_each(&dates, month, self.monthly, &mut keep);
        keep
    }
}

/// Marks one of each of the first `limit` periods: the first that was asked for, or the first where none was.
///
/// What a restore took on its way may be the bad data somebody wanted to be rid of.
fn first_of_each<P: Eq + Hash>(
    dates: &[(OffsetDateTime, bool)],
    period: impl Fn(&OffsetDateTime) -> P,
    limit: usize,
    keep: &mut [bool],
) {
    let mut chosen: HashMap<P, usize> = HashMap::new();
    for (index, (at, asked)) in dates.iter().enumerate() {
        let seen = chosen.len();
        match chosen.entry(period(at)) {
            Entry::Vacant(free) if seen < limit => {
                free.insert(index);
            }
            Entry::Occupied(mut other) if *asked && !dates[*other.get()].1 => {
                other.insert(index);
            }
            _ => {}
        }
    }
    for index in chosen.into_values() {
        keep[index] = true;
    }
}

/// The calendar's view of a time. One that is beyond its years is the first or last there is.
fn date(at: SystemTime) -> OffsetDateTime {
    let seconds = at
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let last = time::PrimitiveDateTime::MAX.assume_utc();
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(last)
}

/// What [`Tenancy::prune_backups`] did, or would do.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct PruneReport {
    /// The backups that are removed.
    pub removed: Vec<BackupRecord>,
    /// The backups that stay.
    pub kept: Vec<BackupRecord>,
    /// What could not be removed, and why. It stays, or is removed when the library is opened next.
    pub failed: Vec<(BackupRecord, BackupError)>,
    /// Databases whose newest backup is not there as it should be. None of their backups was removed: an older one may
    /// be the last that can be restored.
    pub held: Vec<(BackupRecord, BackupError)>,
    /// Tenants under a legal hold, and those that the catalogue does not know and nobody has purged, as after it was replaced
    /// by an older one. None of their backups was removed: of the latter they may be all that is left to know them by.
    pub spared: Vec<(TenantKey, Spared)>,
    /// Those among the kept ones that would be removed, if the clock were [believed](crate::Tenancy::i_checked_the_clock).
    pub held_by_clock: Vec<BackupRecord>,
    /// Why it is not.
    pub clock_jump: Option<ClockJump>,
    /// What kept the sets none of whose backups is left from being removed. They are when this is done again.
    pub sets_failed: Vec<BackupError>,
}

/// Why no backup of a tenant is removed, however old it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Spared {
    /// It is under a legal hold.
    OnHold,
    /// The catalogue does not know it, and there is no tombstone of it. [`Tenancy::reclaim_orphan`] takes it back, where its
    /// database is there; [`Tenancy::remove_backup`] removes a backup of it.
    Unknown,
}

impl PruneReport {
    /// The bytes of what was removed.
    pub fn bytes(&self) -> u64 {
        self.removed.iter().map(|backup| backup.bytes).sum()
    }
}

fn prune<C: Backend>(
    tenancy: &Tenancy<C>,
    policy: &RetentionPolicy,
    dry_run: bool,
) -> Result<PruneReport, BackupError> {
    let registry = &tenancy.registry;
    let mut by_database: BTreeMap<Option<Uuid>, Vec<BackupRecord>> = BTreeMap::new();
    for backup in tenancy.backups(&BackupFilter::all())? {
        let database = backup.tenant.map(|tenant| tenant.uuid);
        by_database.entry(database).or_default().push(backup);
    }
    let time = registry.see_clock()?;
    let mut report = PruneReport {
        clock_jump: time.jump,
        ..Default::default()
    };
    for (database, backups) in by_database {
        let of = tenant_of(registry, database)?;
        let tenant = backups.first().and_then(|backup| backup.tenant);
        if let Some(tenant) = tenant {
            match spared(registry, tenant.uuid, of.as_ref()) {
                Ok(None) => {}
                told => {
                    match told {
                        Err(error) => report.failed.push((backups[0].clone(), error)),
                        Ok(why) => report.spared.extend(why.map(|why| (tenant, why))),
                    }
                    report.kept.extend(backups);
                    continue;
                }
            }
        }
        // Of a tenant that is no more nothing is held back for somebody who may have to restore it.
        let past = match is_past(registry, database, policy.after_purge, &time) {
            Ok(past) => past,
            Err(error) => {
                // What cannot be told of one is no reason to keep those of all others.
                let newest = backups
                    .first()
                    .expect("a database is in the list by its backups");
                report.failed.push((newest.clone(), error));
                report.kept.extend(backups);
                continue;
            }
        };
        let is_over = past == Past::Yes;
        if !is_over && let Some((newest, error)) = not_there(registry, time.clock, &backups) {
            report.held.push((newest.clone(), error));
            report.kept.extend(backups);
            continue;
        }
        let (pinned, free): (Vec<_>, Vec<_>) =
            backups.into_iter().partition(|backup| backup.pinned);
        report.kept.extend(pinned);
        let times: Vec<_> = free
            .iter()
            .map(|backup| (backup.taken_at, backup.reason.is_asked_for()))
            .collect();
        let is_purged =
            of.is_some_and(|of| matches!(of.status, Status::Deleting | Status::Deleted));
        for (backup, keep) in free.into_iter().zip(policy.keeps_at(time.clock, &times)) {
            // What was taken to outlive the purge need not be the newest: somebody else may have taken one meanwhile.
            let is_last = is_purged && backup.reason == BackupReason::Final;
            if (keep || is_last) && !is_over {
                if past == Past::ByTheClock {
                    report.held_by_clock.push(backup.clone());
                }
                report.kept.push(backup);
            } else if dry_run {
                report.removed.push(backup);
            } else {
                match remove(registry, backup.id) {
                    Ok(()) => report.removed.push(backup),
                    // Since it was looked at.
                    Err(BackupError::OnHold { .. } | BackupError::Pinned { .. }) => {
                        report.kept.push(backup);
                    }
                    // Somebody else was faster.
                    Err(BackupError::Unknown { .. }) => {}
                    Err(error) => report.failed.push((backup, error)),
                }
            }
        }
    }
    if !dry_run {
        report.sets_failed = sets::remove_empty(registry);
    }
    Ok(report)
}

/// What keeps all backups of a tenant.
fn spared<C: Backend>(
    registry: &Registry<C>,
    tenant: Uuid,
    known: Option<&TenantRecord>,
) -> Result<Option<Spared>, BackupError> {
    let is_held = known.is_some_and(|known| known.legal_hold.is_some());
    if is_held || is_on_hold(registry, tenant)? {
        return Ok(Some(Spared::OnHold));
    }
    let is_lost = known.is_none() && !registry.common.storage.is_tombstoned(tenant)?;
    Ok(is_lost.then_some(Spared::Unknown))
}

/// Whether there is a legal hold on a tenant, whatever the catalogue knows of it. Of one that was purged there is none.
pub(super) fn is_on_hold<C: Backend>(
    registry: &Registry<C>,
    tenant: Uuid,
) -> Result<bool, BackupError> {
    let storage = &registry.common.storage;
    Ok(storage.has_hold(tenant)? && !storage.is_tombstoned(tenant)?)
}

/// The tenant as the catalogue has it, if it is a tenant's database.
fn tenant_of<C: Backend>(
    registry: &Registry<C>,
    tenant: Option<Uuid>,
) -> Result<Option<TenantRecord>, CatalogError> {
    match tenant {
        Some(tenant) => registry.ask(|c| c.catalog_tenant(tenant)),
        None => Ok(None),
    }
}

/// Whether a tenant was purged long enough ago.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Past {
    No,
    /// By a clock that is not believed.
    ByTheClock,
    Yes,
}

/// Whether the tenant was purged, and that long ago.
fn is_past<C: Backend>(
    registry: &Registry<C>,
    tenant: Option<Uuid>,
    after_purge: Option<Duration>,
    time: &Time,
) -> Result<Past, BackupError> {
    let (Some(tenant), Some(wait)) = (tenant, after_purge) else {
        return Ok(Past::No);
    };
    let certificate = registry.common.storage.certificate(tenant)?;
    let purged = certificate.and_then(|certificate| certificate.completed_at);
    let by = |now: SystemTime| {
        purged.is_some_and(|at| now.duration_since(at).is_ok_and(|age| age >= wait))
    };
    Ok(match (by(time.believed), by(time.clock)) {
        (true, _) => Past::Yes,
        (false, true) => Past::ByTheClock,
        (false, false) => Past::No,
    })
}

/// The newest backup that is not there as it should be, of all and of those which are not of a time that is still to come:
/// one of those is the newest for as long as the clock was ahead, and says nothing of what is taken now.
fn not_there<'a, C: Backend>(
    registry: &Registry<C>,
    clock: SystemTime,
    newest_first: &'a [BackupRecord],
) -> Option<(&'a BackupRecord, BackupError)> {
    let newest = newest_first.first();
    let past = newest_first.iter().find(|backup| backup.taken_at <= clock);
    let mut looked_at: Vec<_> = newest.into_iter().chain(past).collect();
    looked_at.dedup_by_key(|backup| backup.id);
    let looked_at = looked_at.into_iter();
    let mut missing = looked_at.map(|backup| (backup, is_there(registry, backup)));
    missing.find_map(|(backup, there)| Some((backup, there.err()?)))
}

/// Whether a backup is where the catalogue says, with its manifest and its length. Its bytes are not read.
pub(crate) fn is_there<C: Backend>(
    registry: &Registry<C>,
    backup: &BackupRecord,
) -> Result<(), BackupError> {
    let found = find(registry, &BackupRef::from(backup))?;
    Ok(C::Storage::backup_length(
        &found.path,
        found.manifest.bytes,
    )?)
}

impl<C: Backend> Tenancy<C> {
    /// Whether a backup is where the catalogue says, with its manifest and its length. Its bytes are not read, which
    /// [`verify_backup`](Self::verify_backup) does.
    ///
    /// # Errors
    /// See [`BackupError`], in most cases [`Invalid`](BackupError::Invalid).
    pub fn backup_is_there(&self, backup: &BackupRecord) -> Result<(), BackupError> {
        is_there(&self.registry, backup)
    }

    /// Removes the backups that `policy` does not keep, of every tenant, of deleted ones too, and of the shared database.
    /// With `dry_run` it only says which those are.
    ///
    /// The newest backup of a database stays, and so do all pinned ones, those of a tenant under a legal hold, or of one the
    /// catalogue does not know and nobody has purged ([`PruneReport::spared`]), until
    /// [`after_purge`](RetentionPolicy::after_purge) the [final](crate::PurgeOptions::final_backup) one of a purged tenant, and
    /// those of a time that is still to come, as a clock that was wrong leaves them; they count for none of the numbers. Where the
    /// newest is not there as it should be, no backup of that database is removed, and none that is out of reach is
    /// forgotten: it is in [`PruneReport::failed`]. What is kept because the clock has jumped ahead, of a purged tenant, is in
    /// [`PruneReport::held_by_clock`].
    ///
    /// # Errors
    /// [`BackupError::Catalog`]. What could not be removed is in the report.
    pub fn prune_backups(
        &self,
        policy: &RetentionPolicy,
        dry_run: bool,
    ) -> Result<PruneReport, BackupError> {
        prune(self, policy, dry_run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn at(text: &str) -> SystemTime {
        let number = |range: std::ops::Range<usize>| text[range].parse::<u16>().unwrap();
        let month = time::Month::try_from(number(5..7) as u8).unwrap();
        let date =
            time::Date::from_calendar_date(i32::from(number(0..4)), month, number(8..10) as u8);
        let date = date.unwrap().with_hms(number(11..13) as u8, 0, 0).unwrap();
        UNIX_EPOCH + Duration::from_secs(date.assume_utc().unix_timestamp() as u64)
    }

    fn kept<'a>(policy: RetentionPolicy, times: &[&'a str]) -> Vec<&'a str> {
        // `!` marks one that an operation took on its way.
        let read = |text: &&str| (at(text), !text.ends_with('!'));
        let keep = policy.keeps(&times.iter().map(read).collect::<Vec<_>>());
        let kept = times.iter().zip(keep).filter(|(_, keep)| *keep);
        kept.map(|(text, _)| *text).collect()
    }

    const NONE: RetentionPolicy = RetentionPolicy {
        keep_last: 0,
        daily: 0,
        weekly: 0,
        monthly: 0,
        after_purge: None,
    };

    /// Those that were taken while the clock was years ahead were the newest for years, and each new one went.
    #[test]
    fn one_of_a_time_to_come_is_kept_and_counts_for_nothing() {
        let times = [
            "2031-05-01 10",
            "2031-04-01 10",
            "2025-01-03 10",
            "2025-01-02 10",
        ];
        let times = times.map(|text| (at(text), true));
        let keeps = |clock| NONE.keeps_at(at(clock), &times);
        assert_eq!(keeps("2025-01-04 00"), [true, true, true, false]);
        assert_eq!(keeps("2032-01-01 00"), [true, false, false, false]);
        assert_eq!(keeps("1970-01-01 00"), [true; 4]);
    }

    #[test]
    fn each_number_keeps_the_newest_of_its_periods() {
        // A year ends in the middle of a week, and its last days belong to a week of the next.
        let times = [
            "2025-01-02 10",
            "2025-01-01 23",
            "2025-01-01 01",
            "2024-12-31 12",
            "2024-12-29 12",
            "2024-12-28 12",
            "2024-11-30 12",
            "2024-11-01 12",
            "2024-08-01 12",
        ];
        assert_eq!(kept(NONE, &times), ["2025-01-02 10"]);
        let policy = RetentionPolicy {
            keep_last: 2,
            ..NONE
        };
        assert_eq!(kept(policy, &times), ["2025-01-02 10", "2025-01-01 23"]);
        let policy = RetentionPolicy { daily: 3, ..NONE };
        assert_eq!(
            kept(policy, &times),
            ["2025-01-02 10", "2025-01-01 23", "2024-12-31 12"]
        );
        let policy = RetentionPolicy { weekly: 2, ..NONE };
        assert_eq!(kept(policy, &times), ["2025-01-02 10", "2024-12-29 12"]);
        let policy = RetentionPolicy { monthly: 4, ..NONE };
        let wanted = [
            "2025-01-02 10",
            "2024-12-31 12",
            "2024-11-30 12",
            "2024-08-01 12",
        ];
        assert_eq!(kept(policy, &times), wanted);
        assert!(kept(NONE, &[]).is_empty());
    }

    /// A restore in the afternoon took a backup of the bad data, and with it the nightly one's place.
    #[test]
    fn what_an_operation_took_on_its_way_takes_no_other_ones_place() {
        let times = [
            "2025-01-02 16!",
            "2025-01-02 15!",
            "2025-01-02 02",
            "2025-01-01 12!",
            "2025-01-01 11!",
            "2024-12-31 02",
            "2024-12-31 01",
        ];
        let newest = ["2025-01-02 16!", "2025-01-02 02"];
        assert_eq!(kept(NONE, &times), newest);
        let policy = RetentionPolicy { daily: 3, ..NONE };
        let wanted = [
            "2025-01-02 16!",
            "2025-01-02 02",
            "2025-01-01 12!",
            "2024-12-31 02",
        ];
        assert_eq!(kept(policy, &times), wanted);
        let policy = RetentionPolicy { weekly: 1, ..NONE };
        assert_eq!(kept(policy, &times), newest);
    }

    proptest! {
        /// The newest stays; pruning again removes nothing; each number is kept as far as there are backups for it.
        #[test]
        fn pruning_keeps_what_it_promises(
            mut taken in proptest::collection::vec((0u64..24 * 900, proptest::bool::ANY), 0..120),
            keep_last in 0usize..5, daily in 0usize..5, weekly in 0usize..5, monthly in 0usize..5,
        ) {
            taken.sort_unstable_by(|a, b| b.cmp(a));
            let begin = at("2024-01-01 00");
            let times: Vec<_> =
                taken.iter().map(|(h, asked)| (begin + Duration::from_secs(h * 3600), *asked)).collect();
            let policy = RetentionPolicy { keep_last, daily, weekly, monthly, after_purge: None };
            let only = |times: &[(SystemTime, bool)]| -> Vec<(SystemTime, bool)> {
                times.iter().zip(policy.keeps(times)).filter(|(_, keep)| *keep).map(|(at, _)| *at).collect()
            };
            let kept = only(&times);
            prop_assert_eq!(kept.first(), times.first());
            let asked = |times: &[(SystemTime, bool)]| times.iter().find(|(_, asked)| *asked).copied();
            prop_assert_eq!(asked(&kept), asked(&times));
            prop_assert_eq!(&only(&kept), &kept);
            prop_assert!(kept.len() >= keep_last.min(times.len()));
            prop_assert!(kept.len() <= keep_last.max(1) + 1 + daily + weekly + monthly);
            let periods = |times: &[(SystemTime, bool)], of: fn(&OffsetDateTime) -> (i32, u16)| {
                let all: std::collections::BTreeSet<_> = times.iter().map(|(at, _)| of(&date(*at))).collect();
                all.into_iter().rev().collect::<Vec<_>>()
            };
            let day = |at: &OffsetDateTime| (at.year(), at.ordinal());
            let month = |at: &OffsetDateTime| (at.year(), u16::from(u8::from(at.month())));
            let week = |at: &OffsetDateTime| {
                let (year, week, _) = at.to_iso_week_date();
                (year, u16::from(week))
            };
            for (limit, of) in [(daily, day as fn(&OffsetDateTime) -> _), (weekly, week), (monthly, month)] {
                let (wanted, found) = (periods(&times, of), periods(&kept, of));
                for period in wanted.iter().take(limit) {
                    prop_assert!(found.contains(period));
                }
            }
        }
    }
}
