//! What is done each hour, so that tables which anybody can fill do not grow for ever, and nothing is left half done for long.
use std::time::Duration;

use chrono::TimeDelta;
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::{AccountError, Accounts};
use diesel_tenants::services::{now, subscriptions};

/// For how long attempts to log in are kept.
const ATTEMPTS: TimeDelta = TimeDelta::days(90);
/// How often it is done: more often than what it does needs, as a service may be started anew each night.
const EACH: Duration = Duration::from_secs(60 * 60);

/// What was tidied up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tidied {
    /// Sessions that can never be good again.
    pub sessions: usize,
    /// Attempts to log in that are older than 90 days.
    pub attempts: usize,
    /// Subscriptions whose time has passed: trials that ended, what is past due or beyond its days of grace.
    pub subscriptions: usize,
    /// Operations and runs of workflows that processes had left which died, or could not go on then: finished or undone.
    pub settled: usize,
}

/// Why it was not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HousekeepingError {
    /// The shared database cannot be opened.
    #[error(transparent)]
    Open(#[from] diesel_tenants::OpenError),
    /// Sessions or attempts.
    #[error(transparent)]
    Accounts(#[from] AccountError),
    /// Subscriptions.
    #[error("subscriptions whose time has passed cannot be moved")]
    Subscriptions(#[from] diesel::result::Error),
    /// What processes left.
    #[error("what other processes left half done cannot be looked for")]
    Unsettled(#[from] diesel_tenants::LifecycleError),
}

/// Removes old sessions and attempts to log in, moves subscriptions whose time has passed, and settles what processes left
/// half done: a registration, a closing, an operation on a tenant. That would stay so until the service is started anew, and
/// be in the way of whatever is decided next. Blocks; may be done at any time and any number of times.
///
/// Each thing that was left is tried once. One that cannot be settled now is tried the next time, one that is stuck only by
/// somebody's hand; `doctor` lists both.
///
/// # Errors
/// See [`HousekeepingError`]. What was done before stays done.
pub fn tidy(tenancy: &Tenancy) -> Result<Tidied, HousekeepingError> {
    let mut shared = tenancy.shared()?;
    let (accounts, now) = (Accounts::default(), now());
    let sessions = accounts.forget_old_sessions(&mut shared, now)?;
    let attempts = accounts.forget_attempts(&mut shared, now - ATTEMPTS)?;
    let subscriptions = subscriptions::end_overdue(&mut shared, now)?;
    // Settling takes connections of its own.
    drop(shared);
    Ok(Tidied {
        sessions,
        attempts,
        subscriptions,
        settled: tenancy.recover()?,
    })
}

/// Tidies up now and each hour, for as long as it is polled. What fails is said on standard error, and tried again.
pub async fn run(tenancy: Tenancy) {
    let mut each = tokio::time::interval(EACH);
    loop {
        each.tick().await;
        let tenancy = tenancy.clone();
        match tokio::task::spawn_blocking(move || tidy(&tenancy)).await {
            Ok(Ok(Tidied { settled: 0, .. })) => {}
            Ok(Ok(Tidied { settled, .. })) => {
                eprintln!("housekeeping: settled {settled} that were left half done");
            }
            Ok(Err(error)) => eprintln!("housekeeping: {error}"),
            Err(_) => eprintln!("housekeeping: it panicked"),
        }
    }
}
