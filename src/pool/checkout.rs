//! The guard that owns a connection while it is used.

use std::fmt;

use r2d2::ManageConnection;

use super::database::{Live, Seat};

/// A connection checked out of its database; dropping it brings the connection back.
///
/// Dropping may block: a connection that is unfit for others (tainted, broken, dropped while the
/// thread panics, its database closed) or whose place another database waits for is closed there
/// and then. It owns all it needs, so it may be sent to another thread and outlive its
/// [`Slots`](super::Slots).
///
/// A guard that is leaked ([`std::mem::forget`]) keeps its connection open and its place taken for
/// good, and nothing else.
pub struct Checkout<M: ManageConnection> {
    /// Taken by the drop only.
    live: Option<Box<Live<M>>>,
    tainted: bool,
    /// Dropped after the connection.
    seat: Seat<M>,
}

const PRESENT: &str = "the connection leaves its guard in the guard's drop only";

impl<M: ManageConnection> Checkout<M> {
    #[inline]
    pub(super) fn new(seat: Seat<M>, live: Box<Live<M>>) -> Self {
        Self {
            live: Some(live),
            tainted: false,
            seat,
        }
    }

    /// The connection.
    #[inline]
    pub fn conn(&self) -> &M::Connection {
        &self.live.as_ref().expect(PRESENT).connection
    }

    /// The connection, to work on.
    #[inline]
    pub fn conn_mut(&mut self) -> &mut M::Connection {
        &mut self.live.as_mut().expect(PRESENT).connection
    }

    /// Marks the connection as unfit for others: it is closed when the guard is dropped, not
    /// pooled.
    pub fn taint(&mut self) {
        self.tainted = true;
    }
}

impl<M: ManageConnection> Drop for Checkout<M> {
    #[inline]
    fn drop(&mut self) {
        if let Some(live) = self.live.take() {
            self.seat.check_in(live, self.tainted);
        }
    }
}

impl<M: ManageConnection> fmt::Debug for Checkout<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkout")
            .field("tainted", &self.tainted)
            .finish_non_exhaustive()
    }
}
