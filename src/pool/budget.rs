//! The tokens that all databases share, and the line of databases waiting for one.
//!
//! An open connection holds a token, from before it is opened until after it is closed. Words used
//! here:
//! - *demand*: how many waiting checkouts, over all databases, could use a token now;
//! - *pledged*: how many connections are just being closed so that their tokens go to the line;
//! - *unmet*: demand minus pledges. While it is above zero, nothing that comes back is pooled.
//!
//! The pledges keep one waiter from emptying the whole pool: closing takes far longer than using,
//! and without them every connection that came back meanwhile would be closed for the same waiter.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use r2d2::ManageConnection;

use super::database::Database;

/// What one database has posted in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Post {
    /// Since when its first checkout waits.
    pub(super) since: Instant,
    /// How many tokens it can use: its waiting checkouts, as far as it has free places.
    pub(super) wanted: usize,
}

pub(super) struct Budget<M: ManageConnection> {
    pub(super) max: usize,
    /// Copy of [`Ledger::unmet`], so that a check-in reads and need not lock.
    ///
    /// It is read under the lock of a database, and whoever raises it looks for an idle connection
    /// afterwards, locking every database before giving up. So either the check-in sees the new
    /// value, or the connection it pooled is found; relaxed loads are enough for that.
    unmet: AtomicUsize,
    ledger: Mutex<Ledger<M>>,
}

struct Ledger<M: ManageConnection> {
    /// Tokens given out.
    out: usize,
    demand: usize,
    pledged: usize,
    /// Databases with a demand; the one with the oldest waiter first.
    line: VecDeque<(Instant, Arc<Database<M>>)>,
}

impl<M: ManageConnection> Ledger<M> {
    fn unmet(&self) -> usize {
        self.demand.saturating_sub(self.pledged)
    }

    fn enter(&mut self, since: Instant, database: &Arc<Database<M>>) {
        let at = self.line.partition_point(|(other, _)| *other <= since);
        self.line.insert(at, (since, Arc::clone(database)));
    }
}

impl<M: ManageConnection> Budget<M> {
    pub(super) fn new(max: usize) -> Self {
        let ledger = Ledger {
            out: 0,
            demand: 0,
            pledged: 0,
            line: VecDeque::new(),
        };
        Self {
            max,
            unmet: AtomicUsize::new(0),
            ledger: Mutex::new(ledger),
        }
    }

    /// Takes a token if one is free; else enters a database that has nothing posted yet in the
    /// line.
    ///
    /// One step under one lock, so that nobody stands in line while a token is free.
    pub(super) fn take_or_enter(&self, database: &Arc<Database<M>>, post: Post) -> bool {
        let mut ledger = self.ledger.lock();
        let free = ledger.out < self.max;
        if free {
            ledger.out += 1;
        } else {
            ledger.demand += post.wanted;
            ledger.enter(post.since, database);
            self.publish(&ledger);
        }
        free
    }

    /// How many tokens are left.
    pub(super) fn left(&self) -> usize {
        self.max.saturating_sub(self.ledger.lock().out)
    }

    /// Whether a checkout waits for a token that nobody is about to release.
    pub(super) fn is_short(&self) -> bool {
        self.unmet.load(Ordering::Relaxed) > 0
    }

    /// Pledges the token of a connection to the line; false when nobody there is left without a
    /// pledge.
    ///
    /// The caller holds the lock of the connection's database, closes the connection and then calls
    /// [`Budget::release`].
    pub(super) fn pledge(&self) -> bool {
        if !self.is_short() {
            return false;
        }
        let mut ledger = self.ledger.lock();
        let short = ledger.unmet() > 0;
        ledger.pledged += usize::from(short);
        self.publish(&ledger);
        short
    }

    /// Whether the first of the line began to wait before `since`, has waited for longer than
    /// `patience`, and has no pledge.
    pub(super) fn line_precedes(&self, since: Instant, patience: Duration) -> bool {
        if !self.is_short() {
            return false;
        }
        let ledger = self.ledger.lock();
        ledger
            .line
            .front()
            .is_some_and(|(first, _)| *first < since && first.elapsed() > patience)
    }

    /// Replaces what a database has posted, under that database's lock; `settle` ends a pledge that
    /// has just been kept.
    pub(super) fn repost(
        &self,
        database: &Arc<Database<M>>,
        old: Option<Post>,
        new: Option<Post>,
        settle: bool,
    ) {
        let mut ledger = self.ledger.lock();
        ledger.demand += new.map_or(0, |post| post.wanted);
        ledger.demand -= old.map_or(0, |post| post.wanted);
        ledger.pledged -= usize::from(settle);
        let (old, new) = (old.map(|post| post.since), new.map(|post| post.since));
        if old != new {
            ledger
                .line
                .retain(|(_, other)| !Arc::ptr_eq(other, database));
            if let Some(since) = new {
                ledger.enter(since, database);
            }
        }
        self.publish(&ledger);
    }

    /// Gives a token to the first of the line, or back. The caller holds no lock.
    pub(super) fn release(&self, pledged: bool) {
        loop {
            // A database is locked before the ledger, never after it: hence look, unlock, try.
            let first = {
                let mut ledger = self.ledger.lock();
                let Some((_, first)) = ledger.line.front() else {
                    ledger.out -= 1;
                    ledger.pledged -= usize::from(pledged);
                    self.publish(&ledger);
                    return;
                };
                Arc::clone(first)
            };
            if first.grant(pledged) {
                return;
            }
        }
    }

    /// Tokens given out.
    #[cfg(test)]
    pub(super) fn out(&self) -> usize {
        self.ledger.lock().out
    }

    /// Demand, pledges and the length of the line: all zero when nobody waits.
    #[cfg(test)]
    pub(super) fn pending(&self) -> (usize, usize, usize) {
        let ledger = self.ledger.lock();
        (ledger.demand, ledger.pledged, ledger.line.len())
    }

    fn publish(&self, ledger: &Ledger<M>) {
        self.unmet.store(ledger.unmet(), Ordering::Relaxed);
    }
}
