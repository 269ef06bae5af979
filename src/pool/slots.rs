//! The handle on the connections of one database.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use r2d2::ManageConnection;

use super::checkout::Checkout;
use super::database::{Closing, Database};
use super::error::{CheckoutError, Closed, ConnectFailure, DrainTimeout};

/// The connections of one database, made by [`PoolSet::slots`](super::PoolSet::slots).
///
/// Made without opening anything. Dropping it closes the idle connections and returns their places
/// to the budget; those in use are closed when they come back. Share it inside whatever describes
/// the database, behind one `Arc`.
pub struct Slots<M: ManageConnection> {
    pub(super) database: Arc<Database<M>>,
}

impl<M: ManageConnection> Slots<M> {
    pub(super) fn new(database: Database<M>) -> Self {
        Self {
            database: Arc::new(database),
        }
    }

    /// Checks a connection out: the one that came back last, else a new one opened on this thread.
    ///
    /// A connection that is idle costs no more than the lock of this database: nothing is
    /// allocated, nothing global is written, and the manager is not asked whether it is still
    /// valid. Otherwise it blocks while a connection is opened, and up to the checkout timeout
    /// (default 5 s) while all connections of this database are in use or the budget is full; what
    /// is done about a full budget is the choice of [`Overflow`](super::Overflow). Waiters are
    /// served first come, first served: those of the same database by what comes back, those of the
    /// budget by what is closed. A waiter of the budget who has spent half the timeout goes before
    /// younger ones of the database that a connection comes back to.
    ///
    /// # Errors
    /// - [`CheckoutError::Busy`]: all connections of this database are in use, and none came back
    ///   in time.
    /// - [`CheckoutError::BudgetExhausted`]: the budget is full, and nothing became free in time.
    /// - [`CheckoutError::Closed`]: [`Slots::close`] was called, before or during the wait.
    /// - [`CheckoutError::Connect`]: the manager failed to open a connection. It is asked once;
    ///   only after a lack of descriptors ([`ConnectFailure`]) is it asked again, when idle
    ///   connections of others could be closed for it.
    #[inline]
    pub fn checkout(&self) -> Result<Checkout<M>, CheckoutError<M::Error>>
    where
        M::Error: ConnectFailure,
    {
        self.database.checkout()
    }

    /// Closes the database to checkouts; whoever waits for one gets [`CheckoutError::Closed`] now.
    ///
    /// Blocks while the idle connections are closed. Those in use are closed when they come back:
    /// see [`Slots::drain`]. The last reason given is the one reported.
    pub fn close(&self, why: Closed) {
        drop(self.close_later(why));
    }

    /// The same, for who holds a lock: the idle connections are closed when what is returned is
    /// dropped.
    pub(crate) fn close_later(&self, why: Closed) -> Leaving<M> {
        Leaving(self.database.close(why))
    }

    /// Opens the database to checkouts, on new connections only: those opened before are closed, at
    /// once or when they come back.
    pub fn reopen(&self) {
        drop(self.reopen_later());
    }

    /// The same, for who holds a lock: the idle connections are closed when what is returned is
    /// dropped.
    pub(crate) fn reopen_later(&self) -> Leaving<M> {
        Leaving(self.database.reopen())
    }

    /// Blocks until no connection of this database is in use, `timeout` at most.
    ///
    /// A connection that is being opened or closed counts as in use, so after [`Slots::close`] and
    /// a successful drain no connection is open any more. While the gate is open, new checkouts may
    /// follow at once.
    ///
    /// # Errors
    /// [`DrainTimeout`]: connections are still in use.
    pub fn drain(&self, timeout: Duration) -> Result<(), DrainTimeout> {
        self.database.drain(timeout)
    }

    /// Why the database is closed to checkouts; `None` when it is open.
    pub fn closed(&self) -> Option<Closed> {
        self.database.closed()
    }

    /// Whether no connection is open.
    pub(crate) fn is_cold(&self) -> bool {
        self.database.usage().open == 0
    }

    /// Connections in use, those being opened or closed included.
    pub fn in_use(&self) -> usize {
        self.database.usage().in_use()
    }

    /// Connections open and not in use.
    pub fn idle(&self) -> usize {
        self.database.usage().idle
    }

    /// Checkouts waiting.
    pub fn waiting(&self) -> usize {
        self.database.usage().waiting
    }

    /// The most connections open at a time.
    pub fn max_connections(&self) -> usize {
        self.database.cap()
    }

    /// What opens the connections.
    pub fn manager(&self) -> &M {
        self.database.manager()
    }
}

impl<M: ManageConnection> Drop for Slots<M> {
    fn drop(&mut self) {
        drop(self.database.close(Closed::Retired));
    }
}

/// Connections taken out of their databases, closed when this is dropped: where no lock is held, since closing the last one
/// of a database writes back what is in its log.
#[must_use]
pub(crate) struct Leaving<M: ManageConnection>(Vec<Closing<M>>);

impl<M: ManageConnection> Leaving<M> {
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn and(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }
}

impl<M: ManageConnection> fmt::Debug for Slots<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usage = self.database.usage();
        f.debug_struct("Slots")
            .field("in_use", &usage.in_use())
            .field("idle", &usage.idle)
            .field("waiting", &usage.waiting)
            .field("max_connections", &self.database.cap())
            .finish_non_exhaustive()
    }
}
