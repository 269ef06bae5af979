//! Why a tenant was not purged.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{CatalogError, LifecycleError, OpenError};
use crate::backend::{OthersDatabase, StorageError};
use crate::backup::BackupError;
use crate::tenant_id::TenantId;

/// Why [`Tenancy::purge`](crate::Tenancy::purge) did not remove a tenant.
///
/// Once the status is `deleting`, there is no way back: an error then says what stopped the removal, and the next
/// purge, or the next open of the library, goes on with it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PurgeError {
    /// As any operation on a tenant.
    #[error(transparent)]
    Lifecycle(LifecycleError),
    /// A database in its directory is another tenant's. Nothing was removed of it.
    #[error(transparent)]
    Others(Box<OthersDatabase>),
    /// The database in use is not there, and older ones are.
    #[error(
        "generation {missing} of tenant `{id}`, which is in use, is missing, and {there:?} is there; find out where it went, \
         then purge with `PurgeOptions::although_its_database_is_missing`"
    )]
    OthersLeft {
        /// The tenant.
        id: TenantId,
        /// The generation that is in use.
        missing: u64,
        /// Those of which there is a file.
        there: Vec<u64>,
    },
    /// The confirmation is not the tenant's id.
    #[error("purging needs the tenant's id, `{id}`, typed exactly as confirmation")]
    NotConfirmed {
        /// The tenant.
        id: TenantId,
    },
    /// It is archived, and nobody has deleted it.
    #[error("tenant `{id}` has no date from which on it may be purged; `delete` sets one")]
    NotScheduled {
        /// The tenant.
        id: TenantId,
    },
    /// Its retention is not over.
    #[error("tenant `{id}` is kept until {}; purge it after that, or `delete` it with another retention", Utc(*delete_after))]
    NotYet {
        /// The tenant.
        id: TenantId,
        /// From when on it may be purged.
        delete_after: SystemTime,
    },
    /// It is under a legal hold.
    #[error(
        "tenant `{id}` is under a legal hold; nothing of it may be removed until `release_hold`"
    )]
    OnHold {
        /// The tenant.
        id: TenantId,
    },
    /// Backups that are to be removed are pinned.
    #[error(
        "{} of tenant `{id}` {} pinned; unpin {}, or purge with `BackupsOnPurge::Keep`",
        match count { 1 => "1 backup".to_owned(), n => format!("{n} backups") },
        if *count == 1 { "is" } else { "are" },
        if *count == 1 { "it" } else { "them" }
    )]
    PinnedBackups {
        /// The tenant.
        id: TenantId,
        /// How many.
        count: u64,
    },
    /// The clock is so far ahead of the last time the catalogue saw that the retention may not be over at all.
    #[error(
        "tenant `{id}` is due by a clock that says {}, while the catalogue last saw {}; look at the clock, then purge \
         with `PurgeOptions::i_checked_the_clock`",
        Utc(*now),
        Utc(*last_seen)
    )]
    ClockJump {
        /// The tenant.
        id: TenantId,
        /// The newest time the catalogue has seen and believed.
        last_seen: SystemTime,
        /// What the clock says.
        now: SystemTime,
    },
    /// The final backup that was asked for could not be taken.
    #[error(
        "tenant `{id}` was not purged, and is as it was: its final backup could not be taken; mend that, or purge without one"
    )]
    FinalBackup {
        /// The tenant.
        id: TenantId,
        /// Why not.
        #[source]
        source: Box<BackupError>,
    },
    /// Nothing of a deleted tenant is there to be removed.
    #[error("tenant `{id}` is deleted and nothing of it is left")]
    NothingLeft {
        /// The tenant.
        id: TenantId,
    },
}

impl PurgeError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Lifecycle(error) => error.is_retryable(),
            Self::FinalBackup { source, .. } => source.is_retryable(),
            _ => false,
        }
    }
}

impl From<LifecycleError> for PurgeError {
    fn from(error: LifecycleError) -> Self {
        match error {
            LifecycleError::Storage(StorageError::Others(others)) => Self::Others(others),
            other => Self::Lifecycle(other),
        }
    }
}

impl From<OpenError> for PurgeError {
    fn from(error: OpenError) -> Self {
        Self::Lifecycle(error.into())
    }
}

impl From<CatalogError> for PurgeError {
    fn from(error: CatalogError) -> Self {
        Self::Lifecycle(error.into())
    }
}

impl From<StorageError> for PurgeError {
    fn from(error: StorageError) -> Self {
        LifecycleError::from(error).into()
    }
}

/// A time as `2026-11-25 18:23:22 UTC`.
struct Utc(SystemTime);

impl std::fmt::Display for Utc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        let (year, month, day) = date(days);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC"
        )
    }
}

/// The date of a day counted from 1970-01-01, in the Gregorian calendar: years are counted from March of the year 0,
/// so that the day a leap year has more is the last one of its year.
fn date(days: u64) -> (u64, u64, u64) {
    const DAYS_TO_1970: u64 = 719_468;
    const DAYS_OF_400_YEARS: u64 = 146_097;
    let days = days + DAYS_TO_1970;
    let day_of_cycle = days % DAYS_OF_400_YEARS;
    let year_of_cycle =
        (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let months = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months + 2) / 5 + 1;
    let month = if months < 10 { months + 3 } else { months - 9 };
    let year = days / DAYS_OF_400_YEARS * 400 + year_of_cycle + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_dates() {
        let text = |seconds| Utc(UNIX_EPOCH + Duration::from_secs(seconds)).to_string();
        assert_eq!(text(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(text(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(text(1_709_164_799), "2024-02-28 23:59:59 UTC");
        assert_eq!(text(4_107_542_400), "2100-03-01 00:00:00 UTC");
        assert_eq!(text(253_402_300_799), "9999-12-31 23:59:59 UTC");
    }
}
