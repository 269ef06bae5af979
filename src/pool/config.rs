//! What a pool set may use: counts, times and the conduct when the budget is full.

use std::time::Duration;

use super::descriptors::fd_budget;

const CONNECTIONS: (usize, usize) = (1, 100_000);
const PER_DATABASE: (usize, usize) = (1, 1_024);
const CHECKOUT_TIMEOUT: (Duration, Duration) =
    (Duration::from_millis(1), Duration::from_secs(60 * 60));
const IDLE_TIMEOUT: (Duration, Duration) =
    (Duration::from_millis(1), Duration::from_secs(24 * 60 * 60));

/// What a checkout does when every connection of the budget is open and its database has none idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// Closes the least recently used idle connection of any other database, never one in use; when
    /// none is idle, waits up to the checkout timeout.
    #[default]
    Evict,
    /// Leaves the warm connections of other databases alone, except those idle for longer than the
    /// idle timeout, and waits up to the checkout timeout for one to come back.
    Wait,
    /// As `Wait`, but fails at once instead of waiting.
    ///
    /// It concerns the budget only: a checkout of a database whose own connections are all in use
    /// waits in every mode.
    Reject,
}

/// Settings of a [`PoolSet`](super::PoolSet).
///
/// Every value is checked when it is set, so a configuration that exists is valid.
///
/// # Example
/// ```
/// use diesel_tenants::pool::{Overflow, PoolConfig};
///
/// let config = PoolConfig::default()
///     .with_max_connections(64)?
///     .with_max_per_database(2)?
///     .with_overflow(Overflow::Wait);
/// assert_eq!(config.max_connections(), 64);
/// assert!(config.with_max_per_database(0).is_err());
/// # Ok::<(), diesel_tenants::pool::PoolConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolConfig {
    max_connections: usize,
    max_per_database: usize,
    checkout_timeout: Duration,
    idle_timeout: Duration,
    overflow: Overflow,
}

impl Default for PoolConfig {
    /// As many connections as the process's descriptors allow ([`fd_budget`]), four per database, a
    /// checkout timeout of 5 s, an idle timeout of 60 s, [`Overflow::Evict`].
    fn default() -> Self {
        Self {
            max_connections: fd_budget(None),
            max_per_database: 4,
            checkout_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(60),
            overflow: Overflow::default(),
        }
    }
}

impl PoolConfig {
    /// Sets the budget: the most connections open at a time over all databases together (1 to
    /// 100,000).
    ///
    /// # Errors
    /// [`PoolConfigError::Count`]: the number is out of range.
    pub fn with_max_connections(self, given: usize) -> Result<Self, PoolConfigError> {
        let max_connections = count("max_connections", given, CONNECTIONS)?;
        Ok(Self {
            max_connections,
            ..self
        })
    }

    /// Sets the most connections open at a time to one database (1 to 1,024, default 4).
    ///
    /// # Errors
    /// [`PoolConfigError::Count`]: the number is out of range.
    pub fn with_max_per_database(self, given: usize) -> Result<Self, PoolConfigError> {
        let max_per_database = per_database(given)?;
        Ok(Self {
            max_per_database,
            ..self
        })
    }

    /// Sets how long a checkout waits for a connection (1 ms to 1 h, default 5 s).
    ///
    /// The time that opening a connection takes is not counted: the manager bounds that.
    ///
    /// # Errors
    /// [`PoolConfigError::Time`]: the time is out of range.
    pub fn with_checkout_timeout(self, given: Duration) -> Result<Self, PoolConfigError> {
        let checkout_timeout = time("checkout_timeout", given, CHECKOUT_TIMEOUT)?;
        Ok(Self {
            checkout_timeout,
            ..self
        })
    }

    /// Sets after what time without use a connection may be closed by
    /// [`PoolSet::reap_idle`](super::PoolSet::reap_idle), or to make room under [`Overflow::Wait`]
    /// and [`Overflow::Reject`] (1 ms to 24 h, default 60 s).
    ///
    /// # Errors
    /// [`PoolConfigError::Time`]: the time is out of range.
    pub fn with_idle_timeout(self, given: Duration) -> Result<Self, PoolConfigError> {
        let idle_timeout = time("idle_timeout", given, IDLE_TIMEOUT)?;
        Ok(Self {
            idle_timeout,
            ..self
        })
    }

    /// Sets what a checkout does when the budget is full (default [`Overflow::Evict`]).
    #[must_use]
    pub fn with_overflow(self, overflow: Overflow) -> Self {
        Self { overflow, ..self }
    }

    /// The most connections open at a time over all databases together.
    pub fn max_connections(&self) -> usize {
        self.max_connections
    }

    /// The most connections open at a time to one database.
    pub fn max_per_database(&self) -> usize {
        self.max_per_database
    }

    /// How long a checkout waits for a connection.
    pub fn checkout_timeout(&self) -> Duration {
        self.checkout_timeout
    }

    /// After what time without use a connection may be closed.
    pub fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// What a checkout does when the budget is full.
    pub fn overflow(&self) -> Overflow {
        self.overflow
    }
}

/// A pool setting is out of its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolConfigError {
    /// A number of connections is out of range.
    #[error("pool setting `{setting}` is {given}, allowed are {min} to {max}")]
    Count {
        /// Name of the setting.
        setting: &'static str,
        /// The number given.
        given: usize,
        /// The smallest number allowed.
        min: usize,
        /// The largest number allowed.
        max: usize,
    },
    /// A time is out of range.
    #[error("pool setting `{setting}` is {given:?}, allowed are {min:?} to {max:?}")]
    Time {
        /// Name of the setting.
        setting: &'static str,
        /// The time given.
        given: Duration,
        /// The shortest time allowed.
        min: Duration,
        /// The longest time allowed.
        max: Duration,
    },
}

/// Checks a number of connections for one database.
pub(super) fn per_database(given: usize) -> Result<usize, PoolConfigError> {
    count("max_per_database", given, PER_DATABASE)
}

fn count(
    setting: &'static str,
    given: usize,
    (min, max): (usize, usize),
) -> Result<usize, PoolConfigError> {
    if (min..=max).contains(&given) {
        Ok(given)
    } else {
        Err(PoolConfigError::Count {
            setting,
            given,
            min,
            max,
        })
    }
}

fn time(
    setting: &'static str,
    given: Duration,
    (min, max): (Duration, Duration),
) -> Result<Duration, PoolConfigError> {
    if (min..=max).contains(&given) {
        Ok(given)
    } else {
        Err(PoolConfigError::Time {
            setting,
            given,
            min,
            max,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_within_their_ranges() {
        let config = PoolConfig::default();
        let again = PoolConfig::default()
            .with_max_connections(config.max_connections())
            .and_then(|c| c.with_max_per_database(config.max_per_database()))
            .and_then(|c| c.with_checkout_timeout(config.checkout_timeout()))
            .and_then(|c| c.with_idle_timeout(config.idle_timeout()))
            .map(|c| c.with_overflow(config.overflow()));
        assert_eq!(again, Ok(config.clone()));
        assert_eq!(config.max_per_database(), 4);
        assert_eq!(config.checkout_timeout(), Duration::from_secs(5));
        assert_eq!(config.idle_timeout(), Duration::from_secs(60));
        assert_eq!(config.overflow(), Overflow::Evict);
    }

    #[test]
    fn counts_out_of_range_are_refused_with_the_range() {
        for given in [0, 100_001, usize::MAX] {
            assert_eq!(
                PoolConfig::default().with_max_connections(given),
                Err(PoolConfigError::Count {
                    setting: "max_connections",
                    given,
                    min: 1,
                    max: 100_000
                })
            );
        }
        for given in [0, 1_025, usize::MAX] {
            assert_eq!(
                PoolConfig::default().with_max_per_database(given),
                Err(PoolConfigError::Count {
                    setting: "max_per_database",
                    given,
                    min: 1,
                    max: 1_024
                })
            );
        }
        let error = PoolConfig::default().with_max_connections(0).unwrap_err();
        assert_eq!(
            error.to_string(),
            "pool setting `max_connections` is 0, allowed are 1 to 100000"
        );
    }

    #[test]
    fn times_out_of_range_are_refused_with_the_range() {
        for given in [Duration::ZERO, Duration::from_secs(3_601), Duration::MAX] {
            let error = PoolConfig::default()
                .with_checkout_timeout(given)
                .unwrap_err();
            let (min, max) = CHECKOUT_TIMEOUT;
            assert_eq!(
                error,
                PoolConfigError::Time {
                    setting: "checkout_timeout",
                    given,
                    min,
                    max
                }
            );
        }
        for given in [Duration::ZERO, Duration::from_secs(86_401), Duration::MAX] {
            let error = PoolConfig::default().with_idle_timeout(given).unwrap_err();
            let (min, max) = IDLE_TIMEOUT;
            assert_eq!(
                error,
                PoolConfigError::Time {
                    setting: "idle_timeout",
                    given,
                    min,
                    max
                }
            );
        }
        let error = PoolConfig::default()
            .with_idle_timeout(Duration::ZERO)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "pool setting `idle_timeout` is 0ns, allowed are 1ms to 86400s"
        );
    }
}
