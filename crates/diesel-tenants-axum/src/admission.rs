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
/// (`503`, with `Retry-After`) when the line is long or does not move.
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
    /// Requests that wait. Default 1,024.
    pub waiting: usize,
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
            wait: Duration::from_secs(5),
        }
    }
}

/// Lets work in, under the bounds.
pub(crate) struct Gate {
    bounds: Admission,
    running: Arc<Semaphore>,
    shared: Arc<Semaphore>,
    /// Those of tenants somebody works on or waits for.
    tenants: Mutex<HashMap<Uuid, Arc<Semaphore>>>,
    waiting: AtomicUsize,
}

/// The right to run. Given back when dropped, which is when the work is done.
pub(crate) struct Permit {
    _own: OwnedSemaphorePermit,
    _running: OwnedSemaphorePermit,
}

/// Counts one who waits, also when the request goes away meanwhile.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gate {
    pub(crate) fn new(bounds: Admission) -> Self {
        Self {
            bounds,
            running: Arc::new(Semaphore::new(bounds.running.max(1))),
            shared: Arc::new(Semaphore::new(bounds.running_shared.max(1))),
            tenants: Mutex::default(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Waits for the right to run, `None` for what belongs to no tenant.
    pub(crate) async fn enter(&self, tenant: Option<Uuid>) -> Result<Permit, TenantRejection> {
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let counted = Waiting(&self.waiting);
        if waiting >= self.bounds.waiting {
            return Err(TenantRejection::Overloaded);
        }
        // Its own line first: who waits there takes nothing from others.
        let line = match tenant {
            Some(tenant) => self.line_of(tenant),
            None => Arc::clone(&self.shared),
        };
        let both = async {
            let own = acquire(line).await;
            Permit {
                _running: acquire(Arc::clone(&self.running)).await,
                _own: own,
            }
        };
        let permit = tokio::time::timeout(self.bounds.wait, both).await;
        drop(counted);
        permit.map_err(|_| TenantRejection::Overloaded)
    }

    fn line_of(&self, tenant: Uuid) -> Arc<Semaphore> {
        let mut tenants = self.tenants.lock();
        // As many lines as there are tenants in use, not as there ever were.
        if tenants.len() > 2 * self.bounds.running + self.bounds.waiting {
            tenants.retain(|_, line| Arc::strong_count(line) > 1);
        }
        let line = tenants
            .entry(tenant)
            .or_insert_with(|| Arc::new(Semaphore::new(self.bounds.running_per_tenant.max(1))));
        Arc::clone(line)
    }
}

async fn acquire(line: Arc<Semaphore>) -> OwnedSemaphorePermit {
    let permit = line.acquire_owned().await;
    permit.expect("no line is ever closed")
}
