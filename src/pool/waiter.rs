//! A checkout that waits, and what it may be given.

use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use r2d2::ManageConnection;

use super::database::Live;
use super::error::Closed;

/// What a waiting checkout is given.
pub(super) enum Offer<M: ManageConnection> {
    /// A connection of its database that came back.
    Connection(Box<Live<M>>),
    /// A place of its database and a token of the budget: leave to open a connection.
    Permit,
    /// Nothing: the database was closed.
    Closed(Closed),
}

/// A checkout in the queue of its database.
///
/// An offer is made once, under the lock of the database and by whoever takes the waiter out of the
/// queue. So a waiter that is still in the queue has no offer, and one that is not has (or had)
/// one: nothing offered is lost when the time runs out.
pub(super) struct Waiter<M: ManageConnection> {
    /// When the wait began; decides who is first.
    pub(super) since: Instant,
    offer: Mutex<Option<Offer<M>>>,
    offered: Condvar,
}

impl<M: ManageConnection> Waiter<M> {
    pub(super) fn new(since: Instant) -> Self {
        Self {
            since,
            offer: Mutex::new(None),
            offered: Condvar::new(),
        }
    }

    pub(super) fn offer(&self, offer: Offer<M>) {
        *self.offer.lock() = Some(offer);
        self.offered.notify_one();
    }

    /// Takes the offer if there is one by now.
    pub(super) fn take(&self) -> Option<Offer<M>> {
        self.offer.lock().take()
    }

    /// Blocks until there is an offer, or until `deadline`.
    pub(super) fn wait_until(&self, deadline: Instant) -> Option<Offer<M>> {
        let mut offer = self.offer.lock();
        while offer.is_none() && !self.offered.wait_until(&mut offer, deadline).timed_out() {}
        offer.take()
    }
}
