//! The connections of one database: idle, in use and waited for.
//!
//! Order of the locks: list of open databases, database, ledger of the budget (or one waiter). No
//! code of the manager runs under any of them: not connecting, not closing, not asking whether a
//! connection is broken.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use r2d2::ManageConnection;

use super::Shared;
use super::budget::Post;
use super::checkout::Checkout;
use super::config::Overflow;
use super::error::{CheckoutError, Closed, ConnectFailure, DrainTimeout};
use super::waiter::{Offer, Waiter};
use crate::clock::Coarse;

/// An open connection.
pub(super) struct Live<M: ManageConnection> {
    pub(super) connection: M::Connection,
    /// The epoch of its database in which it was opened.
    epoch: u64,
    /// When it came back.
    since: Coarse,
}

/// How the places of one database are taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    /// Places taken: by connections that are idle, in use, or being opened or closed.
    pub(super) open: usize,
    pub(super) idle: usize,
    pub(super) waiting: usize,
}

impl Usage {
    pub(super) fn in_use(self) -> usize {
        self.open - self.idle
    }
}

/// What became of an idle connection that was asked for by its stamp.
pub(super) enum Pick<M: ManageConnection> {
    Taken(Closing<M>),
    TooYoung(Duration),
    NotNeeded,
    Gone,
}

pub(super) struct Database<M: ManageConnection> {
    pub(super) id: u64,
    cap: usize,
    manager: M,
    pub(super) shared: Arc<Shared<M>>,
    state: Mutex<State<M>>,
    /// Signalled when no connection is in use any more.
    drained: Condvar,
}

struct State<M: ManageConnection> {
    /// Last in, first out: the warmest connection is used next, and the first of them is the least
    /// recently used. Empty while anybody is in the queue, and while the database is closed; all of
    /// the present epoch.
    idle: Vec<Box<Live<M>>>,
    open: usize,
    epoch: u64,
    closed: Option<Closed>,
    queue: VecDeque<Arc<Waiter<M>>>,
    /// What the budget's line knows of this queue; kept right by [`Database::post`] after every
    /// change.
    posted: Option<Post>,
}

impl<M: ManageConnection> State<M> {
    fn usage(&self) -> Usage {
        Usage {
            open: self.open,
            idle: self.idle.len(),
            waiting: self.queue.len(),
        }
    }

    fn welcomes(&self, live: &Live<M>) -> bool {
        self.closed.is_none() && self.epoch == live.epoch
    }
}

impl<M: ManageConnection> Database<M> {
    pub(super) fn new(id: u64, cap: usize, manager: M, shared: Arc<Shared<M>>) -> Self {
        let state = State {
            idle: Vec::with_capacity(cap),
            open: 0,
            epoch: 0,
            closed: None,
            queue: VecDeque::new(),
            posted: None,
        };
        Self {
            id,
            cap,
            manager,
            shared,
            state: Mutex::new(state),
            drained: Condvar::new(),
        }
    }

    pub(super) fn manager(&self) -> &M {
        &self.manager
    }

    pub(super) fn cap(&self) -> usize {
        self.cap
    }

    pub(super) fn usage(&self) -> Usage {
        self.state.lock().usage()
    }

    pub(super) fn closed(&self) -> Option<Closed> {
        self.state.lock().closed
    }

    /// Takes an idle connection, opens one, or waits.
    #[inline]
    pub(super) fn checkout(self: &Arc<Self>) -> Result<Checkout<M>, CheckoutError<M::Error>>
    where
        M::Error: ConnectFailure,
    {
        let mut state = self.state.lock();
        // An idle connection is proof enough: the gate is open, the epoch is right and nobody
        // waits.
        match state.idle.pop() {
            Some(live) => {
                drop(state);
                Ok(Checkout::new(Seat::taken(self), live))
            }
            None => self.checkout_slow(state),
        }
    }

    #[cold]
    fn checkout_slow(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State<M>>,
    ) -> Result<Checkout<M>, CheckoutError<M::Error>>
    where
        M::Error: ConnectFailure,
    {
        if let Some(why) = state.closed {
            return Err(CheckoutError::Closed { why });
        }
        let since = Instant::now();
        let place = state.open < self.cap;
        if place && state.queue.is_empty() {
            let post = Post { since, wanted: 1 };
            if self.shared.budget.take_or_enter(self, post) {
                state.open += 1;
                drop(state);
                return self.open(Seat::taken(self));
            }
            state.posted = Some(post);
        }
        let waiter = Arc::new(Waiter::new(since));
        state.queue.push_back(Arc::clone(&waiter));
        self.post(&mut state, false);
        drop(state);
        let counters = &self.shared.counters;
        counters.waited.fetch_add(1, Ordering::Relaxed);

        let config = &self.shared.config;
        let at_once = place && config.overflow() == Overflow::Reject;
        let timeout = if at_once {
            Duration::ZERO
        } else {
            config.checkout_timeout()
        };
        let unwinding = Unwinding {
            database: self,
            waiter: &waiter,
        };
        let result = self.wait(&waiter, timeout);
        mem::forget(unwinding);
        match result {
            Ok(Offer::Connection(live)) => Ok(Checkout::new(Seat::taken(self), live)),
            Ok(Offer::Permit) => self.open(Seat::taken(self)),
            Ok(Offer::Closed(why)) => Err(CheckoutError::Closed { why }),
            Err(usage) => {
                counters.rejected.fetch_add(1, Ordering::Relaxed);
                Err(self.refusal(usage, waiter.since.elapsed()))
            }
        }
    }

    /// Waits for an offer; gives the state of the database at the end if there was none.
    fn wait(
        self: &Arc<Self>,
        waiter: &Arc<Waiter<M>>,
        timeout: Duration,
    ) -> Result<Offer<M>, Usage> {
        let deadline = waiter.since + timeout;
        let mut insist_at = waiter.since + timeout / 2;
        loop {
            let now = Instant::now();
            let mut insist = false;
            if (insist_at..deadline).contains(&now) {
                // The connection that is being closed for the line may hang: rely on it no longer.
                insist = self.state.lock().posted.is_some();
                insist_at = now + timeout / 10;
            }
            // Whoever enters the line makes room: connections that were idle before will not come
            // back by themselves.
            let again = self.shared.make_room(insist).map(|after| now + after);
            let again = again.map_or(insist_at, |again| again.min(insist_at));
            if let Some(offer) = waiter.wait_until(again.min(deadline)) {
                return Ok(offer);
            }
            if Instant::now() >= deadline {
                return self.leave(waiter);
            }
        }
    }

    /// Takes a waiter out of the queue, unless he has been served while the time ran out.
    pub(super) fn leave(self: &Arc<Self>, waiter: &Arc<Waiter<M>>) -> Result<Offer<M>, Usage> {
        let mut state = self.state.lock();
        // Offers are made under the lock held here.
        if let Some(offer) = waiter.take() {
            return Ok(offer);
        }
        state.queue.retain(|other| !Arc::ptr_eq(other, waiter));
        self.post(&mut state, false);
        Err(state.usage())
    }

    fn refusal(&self, usage: Usage, waited: Duration) -> CheckoutError<M::Error> {
        if usage.open >= self.cap {
            return CheckoutError::Busy {
                waited,
                in_use: usage.in_use(),
                max: self.cap,
            };
        }
        let stats = self.shared.stats();
        CheckoutError::BudgetExhausted {
            open: stats.open,
            in_use: stats.in_use,
            max: stats.max_connections,
            waited,
        }
    }

    /// Opens a connection on a seat that has been taken for it.
    fn open(self: &Arc<Self>, seat: Seat<M>) -> Result<Checkout<M>, CheckoutError<M::Error>>
    where
        M::Error: ConnectFailure,
    {
        let shared = &self.shared;
        let mut evicted = false;
        loop {
            let epoch = self.epoch_if_open()?;
            shared.open_list.enter(self);
            let connection = match self.manager.connect() {
                Ok(connection) => connection,
                Err(source) => {
                    if !evicted && source.out_of_descriptors() && shared.evict_all_but(self) > 0 {
                        evicted = true;
                        continue;
                    }
                    return Err(CheckoutError::Connect { source });
                }
            };
            shared.counters.opened.fetch_add(1, Ordering::Relaxed);
            let live = Box::new(Live {
                connection,
                epoch,
                since: Coarse::now(),
            });
            if self.state.lock().welcomes(&live) {
                return Ok(Checkout::new(seat, live));
            }
            // Closed, and perhaps opened again, while connecting: this connection may be to what
            // the database was before.
            shared.counters.discarded.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn epoch_if_open(&self) -> Result<u64, CheckoutError<M::Error>> {
        let state = self.state.lock();
        match state.closed {
            Some(why) => Err(CheckoutError::Closed { why }),
            None => Ok(state.epoch),
        }
    }

    /// Closes the gate. The idle connections are closed when what is returned is dropped.
    #[must_use]
    pub(super) fn close(self: &Arc<Self>, why: Closed) -> Vec<Closing<M>> {
        let mut idle = Vec::new();
        let mut state = self.state.lock();
        state.closed = Some(why);
        self.take_older(&mut state, Duration::ZERO, usize::MAX, &mut idle);
        for waiter in mem::take(&mut state.queue) {
            waiter.offer(Offer::Closed(why));
        }
        self.post(&mut state, false);
        drop(state);
        self.shared
            .counters
            .discarded
            .fetch_add(idle.len() as u64, Ordering::Relaxed);
        idle
    }

    /// Opens the gate to new connections only. The idle ones are closed when what is returned is
    /// dropped.
    #[must_use]
    pub(super) fn reopen(self: &Arc<Self>) -> Vec<Closing<M>> {
        let mut idle = Vec::new();
        let mut state = self.state.lock();
        state.closed = None;
        state.epoch += 1;
        self.take_older(&mut state, Duration::ZERO, usize::MAX, &mut idle);
        drop(state);
        self.shared
            .counters
            .discarded
            .fetch_add(idle.len() as u64, Ordering::Relaxed);
        idle
    }

    /// Blocks until no connection is in use.
    pub(super) fn drain(&self, timeout: Duration) -> Result<(), DrainTimeout> {
        let started = Instant::now();
        let deadline = started.checked_add(timeout);
        let mut state = self.state.lock();
        while state.usage().in_use() > 0 {
            match deadline {
                // So far away that the clock cannot tell it.
                None => self.drained.wait(&mut state),
                Some(deadline) if Instant::now() < deadline => {
                    self.drained.wait_until(&mut state, deadline);
                }
                Some(_) => {
                    let in_use = state.usage().in_use();
                    return Err(DrainTimeout {
                        in_use,
                        waited: started.elapsed(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Gives a free token to the first waiter; false when nobody here can use one any more.
    pub(super) fn grant(self: &Arc<Self>, pledged: bool) -> bool {
        let mut state = self.state.lock();
        if state.open >= self.cap {
            return false;
        }
        let Some(waiter) = state.queue.pop_front() else {
            return false;
        };
        state.open += 1;
        self.post(&mut state, pledged);
        waiter.offer(Offer::Permit);
        true
    }

    /// Takes the least recently used connection if it still is the one that came back at `since`,
    /// is old enough and needed (or the caller insists).
    pub(super) fn pick_idle(
        self: &Arc<Self>,
        since: Coarse,
        min_age: Duration,
        insist: bool,
    ) -> Pick<M> {
        let mut state = self.state.lock();
        if state.idle.first().is_none_or(|live| live.since != since) {
            return Pick::Gone;
        }
        if let Some(left) = min_age
            .checked_sub(Coarse::now().since(since))
            .filter(|left| !left.is_zero())
        {
            return Pick::TooYoung(left);
        }
        let pledged = self.shared.budget.pledge();
        if !pledged && !insist {
            return Pick::NotNeeded;
        }
        let live = state.idle.remove(0);
        let mut seat = Seat::taken(self);
        seat.pledged = pledged;
        Pick::Taken(Closing { live, seat })
    }

    /// Calls `visit` with the time at which each idle connection came back.
    pub(super) fn visit_idle(&self, visit: impl FnMut(Coarse)) {
        self.state
            .lock()
            .idle
            .iter()
            .map(|live| live.since)
            .for_each(visit);
    }

    /// Takes connections idle for at least `min_age`, `most` of them.
    pub(super) fn take_idle(
        self: &Arc<Self>,
        min_age: Duration,
        most: usize,
        taken: &mut Vec<Closing<M>>,
    ) {
        self.take_older(&mut self.state.lock(), min_age, most, taken);
    }

    fn take_older(
        self: &Arc<Self>,
        state: &mut State<M>,
        min_age: Duration,
        most: usize,
        taken: &mut Vec<Closing<M>>,
    ) {
        let now = Coarse::now();
        let old = state
            .idle
            .iter()
            .take(most)
            .take_while(|live| now.since(live.since) >= min_age)
            .count();
        let old = state.idle.drain(..old);
        taken.extend(old.map(|live| Closing {
            live,
            seat: Seat::taken(self),
        }));
    }

    /// Tells the budget how many tokens the queue can use; called after every change to it or to
    /// the places.
    ///
    /// Returns whether it is more than before. Then the caller must make room once it has released
    /// its locks.
    fn post(self: &Arc<Self>, state: &mut State<M>, settle: bool) -> bool {
        let wanted = state.queue.len().min(self.cap - state.open);
        let new = state
            .queue
            .front()
            .filter(|_| wanted > 0)
            .map(|first| Post {
                since: first.since,
                wanted,
            });
        let old = mem::replace(&mut state.posted, new);
        if old != new || settle {
            self.shared.budget.repost(self, old, new, settle);
        }
        wanted > old.map_or(0, |post| post.wanted)
    }

    /// Gives up a place and its token, which goes to the first in line: perhaps a waiter of this
    /// very database, who can use the place now.
    ///
    /// Returns whether room must be made for such a waiter.
    fn vacate(self: &Arc<Self>, pledged: bool) -> bool {
        let mut state = self.state.lock();
        state.open -= 1;
        let more = self.post(&mut state, false);
        let usage = state.usage();
        if usage.in_use() == 0 {
            self.drained.notify_all();
        }
        drop(state);
        self.shared.budget.release(pledged);
        if usage.open == 0 {
            self.shared.open_list.leave(self);
        }
        more
    }

    /// Holds the lock of this database.
    #[cfg(test)]
    pub(super) fn hold(&self) -> impl Sized + '_ {
        self.state.lock()
    }
}

/// Takes a waiter out of the queue when closing a neighbour's connection for him panics.
struct Unwinding<'a, M: ManageConnection> {
    database: &'a Arc<Database<M>>,
    waiter: &'a Arc<Waiter<M>>,
}

impl<M: ManageConnection> Drop for Unwinding<'_, M> {
    fn drop(&mut self) {
        let seat = || Seat::taken(self.database);
        match self.database.leave(self.waiter) {
            Ok(Offer::Connection(live)) => drop(Checkout::new(seat(), live)),
            Ok(Offer::Permit) => drop(seat()),
            Ok(Offer::Closed(_)) | Err(_) => {}
        }
    }
}

/// A place of a database with a token of the budget, given up when dropped.
pub(super) struct Seat<M: ManageConnection> {
    database: Arc<Database<M>>,
    /// Whether there is anything to give up: no longer once an idle connection or a waiter has it.
    held: bool,
    /// Whether the token has been promised to the line.
    pledged: bool,
}

impl<M: ManageConnection> Seat<M> {
    /// Stands for a place and a token that have been taken before.
    #[inline]
    fn taken(database: &Arc<Database<M>>) -> Self {
        Self {
            database: Arc::clone(database),
            held: true,
            pledged: false,
        }
    }

    /// Brings a connection back: to a waiter or to the idle ones, or closes it.
    #[inline]
    pub(super) fn check_in(&mut self, mut live: Box<Live<M>>, tainted: bool) {
        let database = &self.database;
        let fit = !tainted
            && !std::thread::panicking()
            && !database.manager.has_broken(&mut live.connection);
        live.since = Coarse::now();

        let budget = &database.shared.budget;
        let mut state = database.state.lock();
        let fit = fit && state.welcomes(&live);
        let precedes = |first: &Arc<Waiter<M>>| database.shared.line_precedes(first.since);
        if !fit || state.queue.front().is_none_or(precedes) {
            // Asked under the lock, which decides the race with a checkout that begins to wait: see
            // `Budget::unmet`.
            self.pledged = budget.pledge();
        }
        if fit && !self.pledged {
            self.held = false;
            match state.queue.pop_front() {
                None => {
                    state.idle.push(live);
                    if state.idle.len() == state.open {
                        database.drained.notify_all();
                    }
                }
                Some(waiter) => {
                    database.post(&mut state, false);
                    waiter.offer(Offer::Connection(live));
                }
            }
            return;
        }
        let counters = &database.shared.counters;
        let counter = if fit {
            &counters.evicted
        } else {
            &counters.discarded
        };
        counter.fetch_add(1, Ordering::Relaxed);
        drop(state);
        // Closing may take long; the seat is given up after it, when the checkout that owns it is
        // gone.
        drop(live);
    }

    /// Gives up the place and the token. The caller makes room if it has to be made.
    pub(super) fn give_up(mut self) {
        self.held = false;
        self.database.vacate(self.pledged);
    }
}

impl<M: ManageConnection> Drop for Seat<M> {
    fn drop(&mut self) {
        if self.held && self.database.vacate(self.pledged) {
            self.database.shared.make_room(false);
        }
    }
}

/// An idle connection taken out of its database: closed when dropped, and only then its seat is
/// given up.
pub(super) struct Closing<M: ManageConnection> {
    // The order of the fields is the order of their drops.
    pub(super) live: Box<Live<M>>,
    pub(super) seat: Seat<M>,
}
