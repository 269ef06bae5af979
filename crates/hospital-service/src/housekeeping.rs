//! What is done once a day, so that tables which anybody can fill do not grow for ever.
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
}

/// Removes old sessions and attempts to log in, and moves subscriptions whose time has passed. Blocks; may be done at any
/// time and any number of times.
///
/// # Errors
/// See [`HousekeepingError`]. What was done before stays done.
pub fn tidy(tenancy: &Tenancy) -> Result<Tidied, HousekeepingError> {
    let shared = &mut tenancy.shared()?;
    let (accounts, now) = (Accounts::default(), now());
    Ok(Tidied {
        sessions: accounts.forget_old_sessions(shared, now)?,
        attempts: accounts.forget_attempts(shared, now - ATTEMPTS)?,
        subscriptions: subscriptions::end_overdue(shared, now)?,
    })
}

/// Tidies up now and each hour, for as long as it is polled. What fails is said on standard error, and tried again.
pub async fn run(tenancy: Tenancy) {
    let mut each = tokio::time::interval(EACH);
    loop {
        each.tick().await;
        let tenancy = tenancy.clone();
        match tokio::task::spawn_blocking(move || tidy(&tenancy)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => eprintln!("housekeeping: {error}"),
            Err(_) => eprintln!("housekeeping: it panicked"),
        }
    }
}
