//! Pools of connections, one per database, under one budget.
//!
//! A service with a database per tenant cannot give every tenant a pool of its own: a thousand
//! pools of ten connections are thirty thousand descriptors. Here the databases share one budget
//! ([`PoolConfig`]), a connection is opened on the thread that asks for it, and there is no thread
//! in the background: idle connections are closed when another database needs the room, or when the
//! application calls [`PoolSet::reap_idle`].
//!
//! The pool is generic over [`r2d2::ManageConnection`], the trait that Diesel's connection managers
//! implement, and uses nothing else of r2d2. It knows nothing about what the databases are for.

mod budget;
mod checkout;
mod config;
mod database;
mod descriptors;
mod error;
mod open_list;
mod slots;
#[cfg(test)]
mod tests;
mod waiter;

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use r2d2::ManageConnection;

pub use self::checkout::Checkout;
pub use self::config::{Overflow, PoolConfig, PoolConfigError};
pub use self::descriptors::fd_budget;
pub use self::error::{CheckoutError, Closed, ConnectFailure, DrainTimeout};
pub(crate) use self::slots::Leaving;
pub use self::slots::Slots;

use self::budget::Budget;
use self::database::{Closing, Database};
use self::open_list::{Lru, OpenList};

/// The pools of any number of databases, sharing one budget of connections.
///
/// A clone is another handle on the same pools. Dropping the handles closes nothing: the
/// connections belong to their [`Slots`].
///
/// # Example
/// ```
/// use diesel_tenants::pool::{ConnectFailure, PoolConfig, PoolSet};
///
/// struct Manager;
/// struct Connection;
/// #[derive(Debug, thiserror::Error)]
/// #[error("refused")]
/// struct Refused;
///
/// impl r2d2::ManageConnection for Manager {
///     type Connection = Connection;
///     type Error = Refused;
///     fn connect(&self) -> Result<Connection, Refused> { Ok(Connection) }
///     fn is_valid(&self, _: &mut Connection) -> Result<(), Refused> { Ok(()) }
///     fn has_broken(&self, _: &mut Connection) -> bool { false }
/// }
/// impl ConnectFailure for Refused {
///     fn out_of_descriptors(&self) -> bool { false }
/// }
///
/// let pools = PoolSet::new(PoolConfig::default().with_max_connections(16)?);
/// let (red, blue) = (pools.slots(Manager), pools.slots(Manager));
/// let checkout = red.checkout()?;
/// drop(blue.checkout()?);
/// let stats = pools.stats();
/// assert_eq!((stats.open, stats.in_use, stats.idle), (2, 1, 1));
/// # drop(checkout);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PoolSet<M: ManageConnection> {
    shared: Arc<Shared<M>>,
}

impl<M: ManageConnection> PoolSet<M> {
    /// Makes an empty set.
    pub fn new(config: PoolConfig) -> Self {
        let shared = Shared {
            budget: Budget::new(config.max_connections()),
            open_list: OpenList::new(),
            counters: Counters::default(),
            next_id: AtomicU64::new(0),
            config,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Adds a database with the configured number of connections. Opens nothing.
    pub fn slots(&self, manager: M) -> Slots<M> {
        self.add(manager, self.shared.config.max_per_database())
    }

    /// Adds a database with a number of connections of its own (1 to 1,024), such as one that all
    /// users share. Opens nothing.
    ///
    /// # Errors
    /// [`PoolConfigError::Count`]: the number is out of range.
    pub fn slots_with(
        &self,
        manager: M,
        max_connections: usize,
    ) -> Result<Slots<M>, PoolConfigError> {
        Ok(self.add(manager, config::per_database(max_connections)?))
    }

    fn add(&self, manager: M, cap: usize) -> Slots<M> {
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        Slots::new(Database::new(id, cap, manager, Arc::clone(&self.shared)))
    }

    /// Closes the connections that have been idle for longer than the idle timeout (default 60 s),
    /// and returns their number.
    ///
    /// Nothing calls this by itself: a service calls it now and then. Blocks while they are closed.
    pub fn reap_idle(&self) -> usize {
        self.reap_some(usize::MAX)
    }

    /// The same of `most` connections, for somebody who has something else to do.
    pub(crate) fn reap_some(&self, most: usize) -> usize {
        let shared = &self.shared;
        let taken = shared
            .open_list
            .take_idle(shared.config.idle_timeout(), None, most);
        shared
            .counters
            .reaped
            .fetch_add(taken.len() as u64, Ordering::Relaxed);
        taken.len()
    }

    /// Closes all connections that are idle, whenever they were used last.
    pub(crate) fn close_idle(&self) -> usize {
        self.shared
            .open_list
            .take_idle(std::time::Duration::ZERO, None, usize::MAX)
            .len()
    }

    /// Counts the connections, database by database, each for itself: numbers taken while others
    /// work are close, not exact.
    pub fn stats(&self) -> PoolStats {
        self.shared.stats()
    }

    /// How many connections may still be opened before one costs another database one of its own.
    pub(crate) fn room(&self) -> usize {
        self.shared.budget.left()
    }

    /// The settings.
    pub fn config(&self) -> &PoolConfig {
        &self.shared.config
    }
}

impl<M: ManageConnection> Clone for PoolSet<M> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<M: ManageConnection> fmt::Debug for PoolSet<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolSet")
            .field("config", &self.shared.config)
            .field("stats", &self.stats())
            .finish()
    }
}

/// Numbers on a [`PoolSet`]: how it is now, and what happened since it was made.
///
/// When nothing is under way, `opened` is `open + evicted + reaped + discarded`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Connections open now, those being opened or closed included.
    pub open: usize,
    /// How many of them are in use, being opened or being closed.
    pub in_use: usize,
    /// How many of them are idle.
    pub idle: usize,
    /// Databases with an open connection.
    pub databases_open: usize,
    /// The budget: the most connections open at a time.
    pub max_connections: usize,
    /// Connections opened so far.
    pub opened: u64,
    /// Connections closed so far to make room for another database.
    pub evicted: u64,
    /// Connections closed so far by [`PoolSet::reap_idle`].
    pub reaped: u64,
    /// Connections closed so far because they were unfit for others: tainted, broken, in use during
    /// a panic, or of a database that was closed, reopened or dropped.
    pub discarded: u64,
    /// Checkouts so far that found neither an idle connection nor the leave to open one.
    pub waited: u64,
    /// How many of those ended in [`CheckoutError::Busy`] or [`CheckoutError::BudgetExhausted`].
    pub rejected: u64,
}

/// Written when connections are opened, closed or waited for; a checkout of an idle connection
/// writes none of them.
#[derive(Default)]
struct Counters {
    opened: AtomicU64,
    evicted: AtomicU64,
    reaped: AtomicU64,
    discarded: AtomicU64,
    waited: AtomicU64,
    rejected: AtomicU64,
}

/// What all databases of a set have in common.
struct Shared<M: ManageConnection> {
    config: PoolConfig,
    budget: Budget<M>,
    open_list: OpenList<M>,
    counters: Counters,
    next_id: AtomicU64,
}

impl<M: ManageConnection> Shared<M> {
    fn stats(&self) -> PoolStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut stats = PoolStats {
            max_connections: self.budget.max,
            opened: read(&self.counters.opened),
            evicted: read(&self.counters.evicted),
            reaped: read(&self.counters.reaped),
            discarded: read(&self.counters.discarded),
            waited: read(&self.counters.waited),
            rejected: read(&self.counters.rejected),
            ..PoolStats::default()
        };
        self.open_list.for_each(|database| {
            let usage = database.usage();
            stats.open += usage.open;
            stats.in_use += usage.in_use();
            stats.idle += usage.idle;
            stats.databases_open += usize::from(usage.open > 0);
        });
        stats
    }

    /// Serves those who wait for a token by closing idle connections of others.
    ///
    /// Called, with no lock held, by whoever has raised the demand; who insists closes one even if
    /// enough are being closed. Returns after what time it is worth another try, if time alone can
    /// help.
    fn make_room(&self, mut insist: bool) -> Option<Duration> {
        let min_age = match self.config.overflow() {
            Overflow::Evict => Duration::ZERO,
            Overflow::Wait | Overflow::Reject => self.config.idle_timeout(),
        };
        while insist || self.budget.is_short() {
            match self.open_list.take_lru(min_age, mem::take(&mut insist)) {
                Lru::Taken(Closing { live, seat }) => {
                    self.counters.evicted.fetch_add(1, Ordering::Relaxed);
                    drop(live);
                    seat.give_up();
                }
                Lru::TooYoung(left) => return Some(left),
                Lru::Nothing => return None,
            }
        }
        None
    }

    /// Closes the idle connections of all other databases, and returns their number.
    fn evict_all_but(&self, spared: &Arc<Database<M>>) -> usize {
        let taken = self
            .open_list
            .take_idle(Duration::ZERO, Some(spared), usize::MAX);
        self.counters
            .evicted
            .fetch_add(taken.len() as u64, Ordering::Relaxed);
        taken.len()
    }

    /// Whether somebody in line for a token goes before a waiter (of the database a connection
    /// comes back to) who began to wait at `since`.
    ///
    /// Handing on within the database is cheaper, since nothing need be opened; but databases that
    /// are always waited for would never let go. Hence age decides after half the checkout timeout.
    fn line_precedes(&self, since: Instant) -> bool {
        self.budget
            .line_precedes(since, self.config.checkout_timeout() / 2)
    }
}
