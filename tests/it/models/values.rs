//! Values that differ from each other, so that a swapped column shows.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use diesel_tenants::id::{Id, SharedRef};

/// The n-th of March 2026.
pub(crate) fn day(n: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, n).unwrap()
}

/// The n-th minute after ten on the fifth of March 2026, with a fraction of a second.
pub(crate) fn at(n: i64) -> NaiveDateTime {
    day(5).and_hms_micro_opt(10, 0, 7, 250).unwrap() + TimeDelta::minutes(n)
}

/// Half past the hour.
pub(crate) fn clock(hour: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(hour, 30, 0).unwrap()
}

/// A pointer to a row of the shared database, which the tenant's database cannot know to exist.
pub(crate) fn elsewhere<T>() -> SharedRef<T> {
    Id::new().into()
}
