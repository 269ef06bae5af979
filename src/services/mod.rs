//! What a hospital does, on its data model (feature `hospital`): accounts, admission, permissions, numbers, subscriptions.
//!
//! - A service is told the time: `now` and `today` are arguments, in UTC, so that a run can be repeated and a test need
//!   not wait. [`now`] reads the clock for callers who have no other.
//! - A service takes the contexts it needs and opens none: whoever calls it decides on which hospital it works.
//! - **Membership is the only source of a role.** A user has none by itself; what one may do in a hospital is in the
//!   row of [`tenant_access`](crate::models::schema::shared::tenant_access) that joins the two.

pub mod accounts;
pub mod admission;
pub mod numbers;
pub mod onboarding;
pub mod permissions;
pub mod subscriptions;

use chrono::{DateTime, NaiveDateTime};

/// The time, in UTC.
#[must_use]
pub fn now() -> NaiveDateTime {
    DateTime::<chrono::Utc>::from(std::time::SystemTime::now()).naive_utc()
}
