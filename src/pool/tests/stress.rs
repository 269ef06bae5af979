//! Many threads at once; what must hold, holds at every moment.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;

struct Stress {
    config: PoolConfig,
    databases: usize,
    operations: u64,
    /// Per mille of the connects that fail.
    failing: usize,
    /// Whether checkouts may run into their timeout.
    impatient: bool,
    /// Whether databases are closed and reopened meanwhile.
    gates: bool,
}

const THREADS: u64 = 8;

/// Runs the operations; returns how many checkouts succeeded.
fn run(stress: Stress) -> u64 {
    let Stress {
        config,
        databases,
        operations,
        failing,
        impatient,
        gates,
    } = stress;
    let world = World::new();
    let (budget, cap) = (config.max_connections(), config.max_per_database());
    let pools = PoolSet::new(config);
    let slots: Vec<Slots<Fake>> = (0..databases)
        .map(|_| pools.slots(Fake::failing(&world, failing)))
        .collect();
    let (served, over) = (AtomicU64::new(0), AtomicBool::new(false));

    let work = |seed: u64| {
        let mut random = Random(seed);
        for _ in 0..operations / THREADS {
            // The smaller of two is chosen, so that some databases are busier than others.
            let (one, other) = (random.below(databases), random.below(databases));
            let mut checkout = match slots[one.min(other)].checkout() {
                Ok(checkout) => checkout,
                Err(TestError::Connect {
                    source: FakeError::Refused,
                }) if failing > 0 => continue,
                Err(TestError::Closed {
                    why: Closed::Maintenance,
                }) if gates => continue,
                Err(error) if impatient && error.is_retryable() => continue,
                Err(error) => panic!("{error}"),
            };
            served.fetch_add(1, Ordering::Relaxed);
            assert!(!checkout.conn().held, "one connection has two holders");
            checkout.conn_mut().held = true;
            match random.below(16) {
                0..4 => thread::yield_now(),
                4 => checkout.taint(),
                5 => checkout.conn_mut().broken = true,
                6 => drop(pools.stats()),
                7 => drop(pools.reap_idle()),
                _ => {}
            }
            checkout.conn_mut().held = false;
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (1..=THREADS)
            .map(|seed| scope.spawn(move || work(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))))
            .collect();
        if gates {
            scope.spawn(|| {
                let mut random = Random(0x5eed);
                while !over.load(Ordering::SeqCst) {
                    let slots = &slots[random.below(databases)];
                    slots.close(Closed::Maintenance);
                    slots.drain(LONG).unwrap();
                    assert_eq!((slots.idle(), slots.in_use()), (0, 0));
                    slots.reopen();
                    thread::yield_now();
                }
            });
        }
        let results: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        over.store(true, Ordering::SeqCst);
        results.into_iter().for_each(|result| result.unwrap());
    });

    assert!(
        world.most_open() <= budget,
        "{} of {budget}",
        world.most_open()
    );
    for slots in &slots {
        let most = slots.manager().most_open.load(Ordering::SeqCst);
        assert!(most <= cap, "{most} of {cap}");
        assert_eq!((slots.in_use(), slots.waiting()), (0, 0));
    }
    assert_settled(&pools, &world);
    drop(slots);
    assert_settled(&pools, &world);
    assert_eq!((world.open(), pools.stats().databases_open), (0, 0));
    served.into_inner()
}

/// A small generator of numbers that look random (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[test]
fn two_hundred_databases_share_sixteen_connections() {
    let served = run(Stress {
        config: config(16, 2),
        databases: 200,
        operations: 100_000,
        failing: 0,
        impatient: false,
        gates: false,
    });
    assert_eq!(served, 100_000);
}

#[test]
fn two_hundred_databases_whose_connects_fail_at_random() {
    let served = run(Stress {
        config: config(16, 2),
        databases: 200,
        operations: 100_000,
        failing: 150,
        impatient: false,
        gates: false,
    });
    assert!(served > 50_000, "{served}");
}

#[test]
fn more_threads_than_connections() {
    for (budget, cap, databases) in [(1, 1, 3), (3, 1, 5), (3, 2, 5), (4, 4, 2)] {
        let served = run(Stress {
            config: config(budget, cap),
            databases,
            operations: 16_000,
            failing: 100,
            impatient: false,
            gates: false,
        });
        assert!(served > 8_000, "{served}");
    }
}

#[test]
fn more_threads_than_connections_and_nobody_is_evicted() {
    let config = idle_timeout(config(3, 2), Duration::from_millis(1));
    let served = run(Stress {
        config: config.with_overflow(Overflow::Wait),
        databases: 5,
        operations: 4_000,
        failing: 0,
        impatient: false,
        gates: false,
    });
    assert_eq!(served, 4_000);
}

#[test]
fn timeouts_and_rejections_lose_nothing() {
    for overflow in [Overflow::Evict, Overflow::Wait, Overflow::Reject] {
        let config = timeout(config(2, 1), Duration::from_millis(1)).with_overflow(overflow);
        let served = run(Stress {
            config: idle_timeout(config, Duration::from_millis(1)),
            databases: 4,
            operations: 8_000,
            failing: 50,
            impatient: true,
            gates: false,
        });
        assert!(served > 0);
    }
}

#[test]
fn gates_that_close_and_open_lose_nothing() {
    let served = run(Stress {
        config: config(3, 2),
        databases: 6,
        operations: 16_000,
        failing: 50,
        impatient: false,
        gates: true,
    });
    assert!(served > 0);
}
