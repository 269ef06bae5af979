//! How much may run at once.
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::rejection::TenantRejection;

/// Bounds on the work that requests do on databases.
///
/// Work on a database occupies a thread of the blocking pool. Without a bound, a slow tenant's requests would take all
/// of them, and a burst would pile up in memory. Here they wait in line, each tenant's apart, and are turned away
/// (`503`, with `Retry-After`) when the line is long or does not move. Where a turn is free nobody waits, however many do
/// elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Admission {
    /// Work that runs at once, over all tenants. Default 64.
    pub running: usize,
    /// Work that runs at once on one tenant. Default 4: as many as a tenant has connections unless told otherwise.
    pub running_per_tenant: usize,
    /// Work that runs at once on what belongs to no tenant: the shared database, and looking up who a request is for. Anybody
    /// can cause it, so it has to leave room for the tenants. Default 16: as many as the shared database has connections
    /// unless told otherwise.
    pub running_shared: usize,
    /// Requests that wait, over all lines. Default 1,024.
    pub waiting: usize,
    /// Requests that wait for one tenant, so that those of one cannot be all that wait. Default 128.
    pub waiting_per_tenant: usize,
    /// Requests that wait for what belongs to no tenant. Default 256.
    pub waiting_shared: usize,
    /// How long one waits. Default 5 s.
    pub wait: Duration,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            running: 64,
            running_per_tenant: 4,
            running_shared: 16,
            waiting: 1_024,
            waiting_per_tenant: 128,
            waiting_shared: 256,
            wait: Duration::from_secs(5),
        }
    }
}

/// Lets work in, under the bounds.
pub(crate) struct Gate {
    bounds: Admission,
    running: Arc<Semaphore>,
    shared: Arc<Line>,
    /// Those of tenants somebody works on or waits for.
    tenants: Mutex<HashMap<Uuid, Arc<Line>>>,
    waiting: AtomicUsize,
}

/// The turns of one tenant, or of what belongs to none, and who waits for one.
struct Line {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// How many may.
    most: usize,
}

/// The right to run. Given back when dropped, which is when the work is done.
pub(crate) struct Permit {
    _own: OwnedSemaphorePermit,
    _running: OwnedSemaphorePermit,
    /// A line is forgotten when nobody has it.
    _line: Arc<Line>,
}

/// Counts one who waits, also when the request goes away meanwhile.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    /// `None` where as many wait as may.
    fn count(counter: &'a AtomicUsize, most: usize) -> Option<Self> {
        let before = counter.fetch_add(1, Ordering::Relaxed);
        let counted = Self(counter);
        (before < most).then_some(counted)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Line {
    fn new(turns: usize, most: usize) -> Arc<Self> {
        let turns = Arc::new(Semaphore::new(at_least_one(turns)));
        let waiting = AtomicUsize::new(0);
        Arc::new(Self {
            turns,
            waiting,
            most,
        })
    }
}

/// Nothing at a time would be a service that never answers, and a semaphore counts only so far.
fn at_least_one(turns: usize) -> usize {
    turns.clamp(1, Semaphore::MAX_PERMITS)
}

impl Gate {
    pub(crate) fn new(bounds: Admission) -> Self {
        Self {
            bounds,
            running: Arc::new(Semaphore::new(at_least_one(bounds.running))),
            shared: Line::new(bounds.running_shared, bounds.waiting_shared),
            tenants: Mutex::default(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Waits for the right to run, `None` for what belongs to no tenant.
    pub(crate) async fn enter(&self, tenant: Option<Uuid>) -> Result<Permit, TenantRejection> {
        let line = match tenant {
            Some(tenant) => self.line_of(tenant),
            None => Arc::clone(&self.shared),
        };
        // Its own line first: who waits there takes nothing from others. A turn that is free is nobody's who waits, as those
        // get theirs in order.
        let own = Arc::clone(&line.turns).try_acquire_owned().ok();
        let running = match &own {
            Some(_) => Arc::clone(&self.running).try_acquire_owned().ok(),
            None => None,
        };
        let (own, running) = match (own, running) {
            (Some(own), Some(running)) => (own, running),
            (own, _) => self.wait(&line, own).await?,
        };
        Ok(Permit {
            _own: own,
            _running: running,
            _line: line,
        })
    }

    /// Waits in a line, and then for the turns that all lines have in common; for those alone where `own` is had.
    async fn wait(
        &self,
        line: &Line,
        own: Option<OwnedSemaphorePermit>,
    ) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), TenantRejection> {
        let here = Waiting::count(&line.waiting, line.most);
        let _here = here.ok_or(TenantRejection::Overloaded)?;
        let anywhere = Waiting::count(&self.waiting, self.bounds.waiting);
        let _anywhere = anywhere.ok_or(TenantRejection::Overloaded)?;
        let both = async {
            let own = match own {
                Some(own) => own,
                None => acquire(&line.turns).await,
            };
            (own, acquire(&self.running).await)
        };
        let both = tokio::time::timeout(self.bounds.wait, both).await;
        both.map_err(|_| TenantRejection::Overloaded)
    }

    fn line_of(&self, tenant: Uuid) -> Arc<Line> {
        let mut tenants = self.tenants.lock();
        // As many lines as there are tenants in use, not as there ever were.
        let in_use = self.bounds.running.saturating_mul(2);
        if tenants.len() > in_use.saturating_add(self.bounds.waiting) {
            tenants.retain(|_, line| Arc::strong_count(line) > 1);
        }
        let line = tenants.entry(tenant).or_insert_with(|| {
            Line::new(
                self.bounds.running_per_tenant,
                self.bounds.waiting_per_tenant,
            )
        });
        Arc::clone(line)
    }
}

async fn acquire(line: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    let permit = Arc::clone(line).acquire_owned().await;
    permit.expect("no line is ever closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(with: impl FnOnce(&mut Admission)) -> Arc<Gate> {
        let mut bounds = Admission::default();
        with(&mut bounds);
        Arc::new(Gate::new(bounds))
    }

    /// Polls it once: whether it is let in, or turned away, without waiting.
    async fn at_once(gate: &Gate, tenant: Option<Uuid>) -> Option<Result<Permit, TenantRejection>> {
        let entered = gate.enter(tenant);
        let pinned = std::pin::pin!(entered);
        tokio::time::timeout(Duration::ZERO, pinned).await.ok()
    }

    /// Somebody who waits in a line, until aborted.
    async fn one_who_waits(gate: &Arc<Gate>, tenant: Option<Uuid>) -> tokio::task::JoinHandle<()> {
        let here = Arc::clone(gate);
        let before = gate.waiting.load(Ordering::Relaxed);
        let waits = tokio::spawn(async move {
            let _ = here.enter(tenant).await;
        });
        while gate.waiting.load(Ordering::Relaxed) == before {
            tokio::task::yield_now().await;
        }
        waits
    }

    #[tokio::test]
    async fn those_who_wait_for_one_tenant_shut_out_nobody_else() {
        let gate = gate(|bounds| {
            bounds.running_per_tenant = 1;
            (bounds.waiting, bounds.waiting_per_tenant) = (4, 2);
        });
        let [north, south, east] = [1_u128, 2, 3].map(|n| Some(Uuid::from_u128(n)));
        let at_work = at_once(&gate, north).await.unwrap().unwrap();
        let first = one_who_waits(&gate, north).await;
        let _second = one_who_waits(&gate, north).await;
        // As many wait as may, there.
        let refused = at_once(&gate, north).await;
        assert!(matches!(refused, Some(Err(TenantRejection::Overloaded))));
        let in_south = at_once(&gate, south).await.unwrap().unwrap();
        let _third = one_who_waits(&gate, south).await;
        let _fourth = one_who_waits(&gate, south).await;
        // And as many as may at all: where a turn is free nobody has to wait.
        let in_east = at_once(&gate, east).await.unwrap().unwrap();
        let refused = at_once(&gate, east).await.is_none();
        assert!(!refused, "nobody else can wait");
        drop((in_south, in_east));
        // Who goes away makes room, and who was waiting has the turn before one who comes.
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        let fifth = one_who_waits(&gate, north).await;
        drop(at_work);
        fifth.await.unwrap();
    }

    #[tokio::test]
    async fn bounds_of_any_size_are_bounds() {
        let gate = gate(|bounds| {
            bounds.running = usize::MAX;
            bounds.running_per_tenant = usize::MAX;
            bounds.running_shared = usize::MAX;
            bounds.waiting = usize::MAX;
        });
        for tenant in [None, Some(Uuid::nil())] {
            assert!(matches!(at_once(&gate, tenant).await, Some(Ok(_))));
        }
        let gate = super::tests::gate(|bounds| {
            (bounds.running, bounds.running_per_tenant) = (1, 0);
            (bounds.waiting, bounds.waiting_per_tenant) = (0, 0);
        });
        // Nobody may wait, and nobody has to. Lines nobody is in are forgotten.
        for n in 0..10 {
            let entered = at_once(&gate, Some(Uuid::from_u128(n))).await;
            assert!(matches!(entered, Some(Ok(_))), "{n}");
            assert!(gate.tenants.lock().len() <= 3);
        }
    }
}
