//! The databases with open connections, and which of their idle ones was used least recently.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use r2d2::ManageConnection;

use super::database::{Closing, Database, Pick};
use crate::clock::Coarse;

/// How many of the oldest idle connections one look over all databases remembers.
const REMEMBERED: usize = 64;

/// What looking for the least recently used idle connection found.
pub(super) enum Lru<M: ManageConnection> {
    /// It, taken out of its database: drop it where no lock is held.
    Taken(Closing<M>),
    /// It has not been idle for long enough; it will be after this time.
    TooYoung(Duration),
    /// Nothing is idle, or nobody is in need any more.
    Nothing,
}

/// Locked before the lock of a database, never while one is held.
pub(super) struct OpenList<M: ManageConnection> {
    inner: Mutex<Inner<M>>,
}

struct Inner<M: ManageConnection> {
    databases: BTreeMap<u64, Arc<Database<M>>>,
    /// The oldest idle connections as of the last look, oldest last: when it came back, and to
    /// which database.
    ///
    /// With thousands of connections a look costs more than opening one, so it is not taken for
    /// each eviction. The order is still exact: what came back after the look is younger than
    /// everything remembered, and what was used since then no longer carries the remembered stamp.
    remembered: Vec<(Coarse, u64)>,
}

impl<M: ManageConnection> OpenList<M> {
    pub(super) fn new() -> Self {
        Self {
            inner: Mutex::new(Inner {
                databases: BTreeMap::new(),
                remembered: Vec::new(),
            }),
        }
    }

    /// Enters a database that is about to open a connection.
    pub(super) fn enter(&self, database: &Arc<Database<M>>) {
        self.inner
            .lock()
            .databases
            .entry(database.id)
            .or_insert_with(|| Arc::clone(database));
    }

    /// Removes a database unless it has taken a place again meanwhile.
    pub(super) fn leave(&self, database: &Database<M>) {
        let mut inner = self.inner.lock();
        if database.usage().open == 0 {
            inner.databases.remove(&database.id);
        }
    }

    /// Calls `visit` with every database that has open connections.
    pub(super) fn for_each(&self, mut visit: impl FnMut(&Database<M>)) {
        for database in self.inner.lock().databases.values() {
            visit(database);
        }
    }

    /// Takes the least recently used idle connection, if it has been idle for `min_age` and
    /// somebody waits for a token that is not pledged (or the caller insists).
    pub(super) fn take_lru(&self, min_age: Duration, insist: bool) -> Lru<M> {
        let mut inner = self.inner.lock();
        let Inner {
            databases,
            remembered,
        } = &mut *inner;
        loop {
            while let Some(&(since, id)) = remembered.last() {
                match databases
                    .get(&id)
                    .map_or(Pick::Gone, |d| d.pick_idle(since, min_age, insist))
                {
                    Pick::Taken(closing) => {
                        remembered.pop();
                        return Lru::Taken(closing);
                    }
                    Pick::TooYoung(left) => return Lru::TooYoung(left),
                    Pick::NotNeeded => return Lru::Nothing,
                    Pick::Gone => remembered.pop(),
                };
            }
            // Every database is locked here, not just tried: a connection that comes back this very
            // moment may be the only one, and its check-in has not seen that somebody waits. The
            // locks are held for a few instructions only.
            for database in databases.values() {
                database.visit_idle(|since| remembered.push((since, database.id)));
            }
            if remembered.is_empty() {
                return Lru::Nothing;
            }
            if remembered.len() > REMEMBERED {
                remembered.select_nth_unstable(REMEMBERED);
                remembered.truncate(REMEMBERED);
                remembered.shrink_to_fit();
            }
            remembered.sort_unstable_by(|a, b| b.cmp(a));
        }
    }

    /// Takes connections idle for at least `min_age` out of all databases but `spared`, `most` of
    /// them; drop them where no lock is held.
    pub(super) fn take_idle(
        &self,
        min_age: Duration,
        spared: Option<&Arc<Database<M>>>,
        most: usize,
    ) -> Vec<Closing<M>> {
        let mut taken = Vec::new();
        for database in self.inner.lock().databases.values() {
            if taken.len() == most {
                break;
            }
            if !spared.is_some_and(|spared| Arc::ptr_eq(spared, database)) {
                database.take_idle(min_age, most - taken.len(), &mut taken);
            }
        }
        taken
    }
}
