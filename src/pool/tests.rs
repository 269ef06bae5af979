//! Tests of the pool against a manager that does as it is told.

mod eviction;
mod fake;
mod gate;
mod overflow;
mod reuse;
mod stress;
mod waiting;

use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::clock::Coarse;
use fake::{Fake, FakeError, World};

type TestCheckout = Checkout<Fake>;
type TestError = CheckoutError<FakeError>;

/// Longer than any test takes: whoever waits for this long has been forgotten.
const LONG: Duration = Duration::from_secs(60);

fn config(max_connections: usize, max_per_database: usize) -> PoolConfig {
    PoolConfig::default()
        .with_max_connections(max_connections)
        .and_then(|config| config.with_max_per_database(max_per_database))
        .and_then(|config| config.with_checkout_timeout(LONG))
        .expect("numbers in range")
}

fn timeout(config: PoolConfig, timeout: Duration) -> PoolConfig {
    config
        .with_checkout_timeout(timeout)
        .expect("time in range")
}

fn idle_timeout(config: PoolConfig, timeout: Duration) -> PoolConfig {
    config.with_idle_timeout(timeout).expect("time in range")
}

/// Spins until `condition` holds.
fn until(mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < LONG, "the condition never came true");
        thread::yield_now();
    }
}

/// Spins until the coarse clock has gone on for at least `time`.
fn pass(time: Duration) {
    let start = Coarse::now();
    until(|| Coarse::now() > start && Coarse::now().since(start) >= time);
}

/// Checks out and in, so that one idle connection carries a stamp later than all before.
fn warm(slots: &Slots<Fake>) -> u64 {
    let checkout = slots.checkout().expect("a connection");
    let id = checkout.conn().id;
    pass(Duration::ZERO);
    drop(checkout);
    id
}

/// Checks that nobody waits, and that the tokens given out are those of the open connections.
fn assert_settled(pools: &PoolSet<Fake>, world: &World) {
    assert_eq!(pools.shared.budget.pending(), (0, 0, 0));
    let stats = pools.stats();
    assert_eq!(stats.in_use, 0);
    assert_eq!(stats.open, world.open());
    assert_eq!(stats.open, pools.shared.budget.out());
    let closed = stats.evicted + stats.reaped + stats.discarded;
    assert_eq!(stats.opened, stats.open as u64 + closed);
}
