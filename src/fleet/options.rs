//! What a caller may ask of a run.
use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::catalog::TenantRecord;
use crate::tenant_id::TenantId;

/// The most threads a run may have in one process.
const MOST_WORKERS: usize = 64;
const DEFAULT_TENANT_TIMEOUT: Duration = Duration::from_secs(60);

/// A part of the fleet that is migrated before the next part is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Wave {
    /// This many tenants.
    Count(u64),
    /// This part of all tenants that are to be migrated, rounded up. More than 100 is 100.
    Percent(u8),
    /// Everybody who is left. Comes last in any case, also if it is not named.
    Rest,
}

/// How many failures end a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopRule {
    /// It goes on past this many, and stops at the next one. `Failures(0)` stops at the first.
    Failures(u64),
    /// It goes on as long as no more than this part of the run's tenants has failed, rounded down. More than 100 is 100.
    Percent(u8),
    /// It goes through all tenants, whatever happens.
    Never,
}

pub(super) type Hook =
    dyn Fn(&TenantRecord) -> Result<(), Box<dyn Error + Send + Sync>> + Send + Sync;

/// What [`Tenancy::migrate_fleet`](crate::Tenancy::migrate_fleet) is to do, and how. The default is made for an operator
/// who has no wish in particular.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use diesel_tenants::fleet::{MigrateFleet, StopRule, Wave};
///
/// let test_hospital = "TH001".parse()?;
/// let carefully = MigrateFleet::default()
///     .first([test_hospital])
///     .waves([Wave::Count(1), Wave::Count(10), Wave::Percent(10)])
///     .stop_after(StopRule::Failures(3))
///     .tenant_timeout(Duration::from_secs(300));
/// # let _ = carefully;
/// # Ok::<(), diesel_tenants::TenantIdError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct MigrateFleet {
    pub(super) workers: usize,
    pub(super) waves: Vec<Wave>,
    pub(super) stop_rule: StopRule,
    pub(super) canaries_may_fail: bool,
    pub(super) tenant_timeout: Duration,
    pub(super) only: Option<Vec<TenantId>>,
    pub(super) except: Vec<TenantId>,
    pub(super) first: Vec<TenantId>,
    pub(super) deep: bool,
    pub(super) backup_first: bool,
    pub(super) check_first: bool,
    pub(super) before_each: Option<Arc<Hook>>,
}

impl Default for MigrateFleet {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            workers: cores.min(MOST_WORKERS),
            waves: vec![Wave::Count(1), Wave::Percent(1), Wave::Rest],
            stop_rule: StopRule::Percent(5),
            canaries_may_fail: false,
            tenant_timeout: DEFAULT_TENANT_TIMEOUT,
            only: None,
            except: Vec::new(),
            first: Vec::new(),
            deep: false,
            backup_first: false,
            check_first: false,
            before_each: None,
        }
    }
}

impl MigrateFleet {
    /// How many tenants this process works on at once: 1 to 64, what is outside is moved to the nearest. Default: as many
    /// as there are processor cores. Each has a thread and, while it works, one connection outside the pool's budget; one
    /// alone works on the calling thread.
    pub fn workers(self, workers: usize) -> Self {
        Self {
            workers: workers.clamp(1, MOST_WORKERS),
            ..self
        }
    }

    /// In which parts the fleet is migrated. A part is begun when every tenant of the one before is finished, whichever
    /// process works on it. Default: one tenant, one percent, the rest. `[]` is all at once.
    ///
    /// All but the last wave are *canaries*: the first failure among them stops the run, whatever the stop rule says.
    ///
    /// Tenants that are known to fail are in none of them: those that would be refused, and those that failed in a run to
    /// the same target and were not migrated since. They are a wave of their own at the end, and their failing again ends
    /// no run. One that failed on the way to another target comes after all that did not.
    pub fn waves(self, waves: impl IntoIterator<Item = Wave>) -> Self {
        Self {
            waves: waves.into_iter().collect(),
            ..self
        }
    }

    /// How many failures end the run. Default: more than five percent. Tenants that are being worked on are finished; the
    /// others stay as they were.
    pub fn stop_after(self, rule: StopRule) -> Self {
        Self {
            stop_rule: rule,
            ..self
        }
    }

    /// Lets the stop rule decide in every wave, instead of stopping at the first failure in one that is not the last.
    pub fn canaries_may_fail(self) -> Self {
        Self {
            canaries_may_fail: true,
            ..self
        }
    }

    /// How long one tenant may take, beside [its backup](Self::backup_first) and the [look through it](Self::check_first),
    /// which take as long as it is large. Default 60 s.
    ///
    /// It bounds every wait: for other operations on the tenant, for locks on its database, for file descriptors; and no
    /// migration is begun after it. What it cannot do is interrupt a script that is running: that one is finished, and
    /// the report says that the tenant [overran](super::TenantReport::overran).
    pub fn tenant_timeout(self, timeout: Duration) -> Self {
        Self {
            tenant_timeout: timeout,
            ..self
        }
    }

    /// Only these tenants. Default: all.
    pub fn only(self, ids: impl IntoIterator<Item = TenantId>) -> Self {
        Self {
            only: Some(ids.into_iter().collect()),
            ..self
        }
    }

    /// Not these tenants. Default: none is left out.
    pub fn except(self, ids: impl IntoIterator<Item = TenantId>) -> Self {
        Self {
            except: ids.into_iter().collect(),
            ..self
        }
    }

    /// Begins with these tenants, in this order; the others follow in the order of their ids, those that may well fail last.
    /// So they are the canaries, also if they are known to fail.
    pub fn first(self, ids: impl IntoIterator<Item = TenantId>) -> Self {
        Self {
            first: ids.into_iter().collect(),
            ..self
        }
    }

    /// Opens every database and reads its ledger, instead of trusting the catalogue. For databases that somebody changed
    /// or restored by hand. Default: off.
    pub fn deep(self) -> Self {
        Self { deep: true, ..self }
    }

    /// Whether each tenant is backed up just before it is migrated, into the `backups` of the data directory, for the
    /// reason [`BeforeMigrate`](crate::BackupReason::BeforeMigrate). Where that fails the tenant fails, unmigrated; the
    /// report names the backup. Tenants that need nothing are not backed up. Where a run was cut short after a tenant's
    /// backup, going on with it takes no other one. Default: no.
    ///
    /// A backup looks through the whole database first, so one that is damaged is refused on the way.
    pub fn backup_first(self, yes: bool) -> Self {
        Self {
            backup_first: yes,
            ..self
        }
    }

    /// Whether each database is looked through for damage just before it is migrated; one that is damaged is left as it
    /// is, and fails as [`Damaged`](super::FailureKind::Damaged). Default: no, since it reads the whole file.
    pub fn check_first(self, yes: bool) -> Self {
        Self {
            check_first: yes,
            ..self
        }
    }

    /// Called for each tenant just before it is migrated, on the thread that will do it, after its backup. If
    /// it fails, the tenant fails, unmigrated. Default: nothing.
    ///
    /// No operation is open on the tenant while it runs, so it may begin one of its own. It is called once for each
    /// attempt, and not for tenants that need nothing. It counts for [`tenant_timeout`](Self::tenant_timeout).
    pub fn before_each(
        self,
        hook: impl Fn(&TenantRecord) -> Result<(), Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            before_each: Some(Arc::new(hook)),
            ..self
        }
    }

    /// What makes two calls with the same migrations the same run: which tenants are meant, and how they are looked at.
    pub(super) fn selection(&self) -> String {
        let only = match &self.only {
            None => "all".to_owned(),
            Some(ids) => name_of(ids),
        };
        let except = match self.except.as_slice() {
            [] => "none".to_owned(),
            ids => name_of(ids),
        };
        let deep = self.deep;
        format!("only={only} except={except} deep={deep}")
    }

    /// How many tenants each wave has, of `total` to be migrated. None is empty, and they add up to the total.
    pub(super) fn wave_sizes(&self, total: u64) -> Vec<u64> {
        let mut left = total;
        let mut sizes = Vec::new();
        for wave in self.waves.iter().chain([&Wave::Rest]) {
            let wanted = match *wave {
                Wave::Count(count) => count,
                Wave::Percent(percent) => part(total, percent).div_ceil(100),
                Wave::Rest => left,
            };
            let size = wanted.min(left);
            if size > 0 {
                sizes.push(size);
            }
            left -= size;
        }
        sizes
    }

    /// How many failures a run of `total` tenants goes on past.
    pub(super) fn failures_allowed(&self, total: u64) -> Option<u64> {
        match self.stop_rule {
            StopRule::Failures(count) => Some(count),
            StopRule::Percent(percent) => Some(part(total, percent) / 100),
            StopRule::Never => None,
        }
    }
}

/// A hundred times `percent` percent.
fn part(total: u64, percent: u8) -> u64 {
    total.saturating_mul(u64::from(percent.min(100)))
}

fn name_of(ids: &[TenantId]) -> String {
    let ids: BTreeSet<_> = ids.iter().map(|id| id.folded()).collect();
    let mut hash = Sha256::new();
    for id in ids {
        hash.update(id.as_str());
        hash.update([0]);
    }
    let hash = hash.finalize();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Debug for MigrateFleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MigrateFleet")
            .field("workers", &self.workers)
            .field("waves", &self.waves)
            .field("stop_rule", &self.stop_rule)
            .field("tenant_timeout", &self.tenant_timeout)
            .field("deep", &self.deep)
            .field("backup_first", &self.backup_first)
            .field("check_first", &self.check_first)
            .field("before_each", &self.before_each.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(waves: &[Wave], total: u64) -> Vec<u64> {
        let options = MigrateFleet::default().waves(waves.iter().copied());
        options.wave_sizes(total)
    }

    #[test]
    fn waves_cover_the_fleet_and_none_is_empty() {
        use Wave::*;
        let default = MigrateFleet::default();
        assert_eq!(default.wave_sizes(1_000), [1, 10, 989]);
        assert_eq!(default.wave_sizes(50), [1, 1, 48]);
        assert_eq!(default.wave_sizes(2), [1, 1]);
        assert_eq!(default.wave_sizes(1), [1]);
        assert_eq!(default.wave_sizes(0), [0; 0]);
        assert_eq!(sizes(&[], 7), [7]);
        assert_eq!(sizes(&[Count(3), Count(0), Count(3)], 7), [3, 3, 1]);
        assert_eq!(sizes(&[Rest, Count(3)], 7), [7]);
        assert_eq!(sizes(&[Percent(200), Count(3)], 7), [7]);
        assert_eq!(sizes(&[Percent(50)], 7), [4, 3]);
    }

    #[test]
    fn the_stop_rule_in_numbers() {
        let allowed = |rule, total| {
            let options = MigrateFleet::default().stop_after(rule);
            options.failures_allowed(total)
        };
        assert_eq!(MigrateFleet::default().failures_allowed(1_000), Some(50));
        assert_eq!(allowed(StopRule::Percent(5), 19), Some(0));
        assert_eq!(allowed(StopRule::Percent(5), 20), Some(1));
        assert_eq!(allowed(StopRule::Percent(101), 20), Some(20));
        assert_eq!(allowed(StopRule::Failures(3), 20), Some(3));
        assert_eq!(allowed(StopRule::Never, 20), None);
    }

    #[test]
    fn the_same_choice_is_the_same_run_in_any_order_and_spelling() {
        let ids = |ids: &[&str]| -> Vec<TenantId> {
            ids.iter().map(|id| id.parse().expect("an id")).collect()
        };
        let only = |them: &[&str]| MigrateFleet::default().only(ids(them)).selection();
        assert_eq!(only(&["TH001", "TH-2"]), only(&["th_2", "th001", "TH001"]));
        let all = MigrateFleet::default;
        let others = [
            only(&["TH001"]),
            only(&["TH002"]),
            only(&[]),
            all().selection(),
            all().deep().selection(),
            all().except(ids(&["TH001"])).selection(),
        ];
        let distinct: BTreeSet<_> = others.iter().collect();
        assert_eq!(distinct.len(), others.len(), "{others:?}");
        // How it is done does not matter to what is done.
        assert_eq!(all().workers(3).waves([]).selection(), all().selection());
    }
}
