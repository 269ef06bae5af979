//! Who is served, by what, and in which order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;

use super::*;
use crate::pool::tests::fake::Plan;
use crate::pool::waiter::{Offer, Waiter};

#[test]
fn a_connection_that_comes_back_is_handed_to_a_waiter_of_its_database() {
    let world = World::new();
    let pools = PoolSet::new(config(2, 2));
    let (a, b) = (
        pools.slots(Fake::new(&world)),
        pools.slots(Fake::new(&world)),
    );
    let used = (a.checkout().unwrap(), b.checkout().unwrap());
    let id = used.0.conn().id;
    thread::scope(|scope| {
        // a has a place left but the budget is full: b's connection would do as well, a's own is
        // better.
        let waiter = scope.spawn(|| a.checkout().unwrap());
        until(|| a.waiting() == 1);
        drop(used.0);
        assert_eq!(waiter.join().unwrap().conn().id, id);
    });
    assert_eq!((a.manager().connects(), pools.stats().evicted), (1, 0));
    drop(used.1);
    assert_settled(&pools, &world);
}

/// Lets checkouts wait, one after the other, each bringing back what it got; gives the order
/// in which they got it.
fn order_of_service(
    pools: &PoolSet<Fake>,
    queues: &[&Slots<Fake>],
    used: TestCheckout,
) -> Vec<usize> {
    let (served, order) = channel();
    thread::scope(|scope| {
        for (turn, slots) in queues.iter().enumerate() {
            let (served, before) = (served.clone(), slots.waiting());
            scope.spawn(move || {
                let checkout = slots.checkout().unwrap();
                served.send(turn).unwrap();
                drop(checkout);
            });
            until(|| slots.waiting() > before);
        }
        drop(used);
    });
    assert_eq!(pools.stats().waited, queues.len() as u64);
    order.try_iter().collect()
}

#[test]
fn waiters_of_one_database_are_served_in_order() {
    let world = World::new();
    let pools = PoolSet::new(config(2, 1));
    let a = pools.slots(Fake::new(&world));
    let used = a.checkout().unwrap();
    let order = order_of_service(&pools, &[&a; 8], used);
    assert_eq!(order, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(a.manager().connects(), 1);
    assert_settled(&pools, &world);
}

#[test]
fn waiters_of_the_budget_are_served_in_order() {
    let world = World::new();
    let pools = PoolSet::new(config(1, 1));
    let [a, b, c, d] = [(); 4].map(|()| pools.slots(Fake::new(&world)));
    let used = a.checkout().unwrap();
    let order = order_of_service(&pools, &[&c, &b, &d], used);
    assert_eq!(order, [0, 1, 2]);
    assert_eq!(world.most_open(), 1);
    assert_settled(&pools, &world);
}

#[test]
fn one_database_with_several_waiters_keeps_its_turn_in_the_line() {
    let world = World::new();
    let pools = PoolSet::new(config(3, 3));
    let [a, b, c] = [(); 3].map(|()| pools.slots(Fake::new(&world)));
    let used = [(); 3].map(|()| a.checkout().unwrap());
    thread::scope(|scope| {
        let mut waiters = Vec::new();
        for slots in [&b, &c, &b] {
            let before = slots.waiting();
            waiters.push(scope.spawn(|| slots.checkout().unwrap()));
            until(|| slots.waiting() > before);
        }
        let held: Vec<TestCheckout> = used
            .into_iter()
            .zip(waiters)
            .map(|(used, waiter)| {
                drop(used);
                waiter.join().unwrap()
            })
            .collect();
        assert_eq!((a.in_use(), b.in_use(), c.in_use()), (0, 2, 1));
        drop(held);
    });
    assert_eq!((pools.stats().evicted, world.most_open()), (3, 3));
    assert_settled(&pools, &world);
}

#[test]
fn a_tainted_connection_leaves_its_place_to_a_waiter() {
    let world = World::new();
    let pools = PoolSet::new(config(1, 1));
    let a = pools.slots(Fake::new(&world));
    let mut used = a.checkout().unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| a.checkout().unwrap());
        until(|| a.waiting() == 1);
        used.taint();
        drop(used);
        drop(waiter.join().unwrap());
    });
    assert_eq!((a.manager().connects(), world.most_open()), (2, 1));
    assert_settled(&pools, &world);
}

#[test]
fn a_failed_connect_leaves_its_place_to_a_waiter_of_its_database() {
    for plan in [Plan::Fail(FakeError::Refused), Plan::Panic] {
        let world = World::new();
        let pools = PoolSet::new(config(1, 1));
        let a = pools.slots(Fake::new(&world));
        let connect = a.manager().plan_block();
        a.manager().plan(plan);
        thread::scope(|scope| {
            let failing = scope
                .spawn(|| catch_unwind(AssertUnwindSafe(|| a.checkout().is_err())).unwrap_or(true));
            connect.wait_until_begun();
            let waiter = scope.spawn(|| a.checkout().unwrap());
            until(|| a.waiting() == 1);
            connect.go_on();
            assert!(failing.join().unwrap());
            drop(waiter.join().unwrap());
        });
        assert_eq!(a.manager().connects(), 2);
        assert_settled(&pools, &world);
    }
}

#[test]
fn a_failed_connect_leaves_its_token_to_a_waiter_of_another_database() {
    for plan in [Plan::Fail(FakeError::Refused), Plan::Panic] {
        let world = World::new();
        let pools = PoolSet::new(config(1, 1));
        let (a, b) = (
            pools.slots(Fake::new(&world)),
            pools.slots(Fake::new(&world)),
        );
        let connect = a.manager().plan_block();
        a.manager().plan(plan);
        thread::scope(|scope| {
            let failing = scope
                .spawn(|| catch_unwind(AssertUnwindSafe(|| a.checkout().is_err())).unwrap_or(true));
            connect.wait_until_begun();
            let waiter = scope.spawn(|| b.checkout().unwrap());
            until(|| b.waiting() == 1);
            connect.go_on();
            assert!(failing.join().unwrap());
            drop(waiter.join().unwrap());
        });
        assert_settled(&pools, &world);
    }
}

#[test]
fn a_slow_connect_delays_neither_others_nor_its_own_database() {
    let world = World::new();
    let pools = PoolSet::new(config(3, 2));
    let (slow, other) = (
        pools.slots(Fake::new(&world)),
        pools.slots(Fake::new(&world)),
    );
    let warm = slow.checkout().unwrap();
    let connect = slow.manager().plan_block();
    thread::scope(|scope| {
        let opening = scope.spawn(|| slow.checkout().unwrap());
        connect.wait_until_begun();
        drop(other.checkout().unwrap());
        drop(warm);
        drop(slow.checkout().unwrap());
        assert_eq!((slow.in_use(), slow.idle()), (1, 1));
        assert_eq!((pools.stats().open, pools.reap_idle()), (3, 0));
        connect.go_on();
        drop(opening.join().unwrap());
    });
    assert_settled(&pools, &world);
}

#[test]
fn a_slow_close_delays_neither_others_nor_its_own_database() {
    let world = World::new();
    let pools = PoolSet::new(config(3, 2));
    let (slow, other) = (
        pools.slots(Fake::new(&world)),
        pools.slots(Fake::new(&world)),
    );
    let (mut used, warm) = (slow.checkout().unwrap(), slow.checkout().unwrap());
    let close = used.conn_mut().block_close();
    used.taint();
    thread::scope(|scope| {
        scope.spawn(move || drop(used));
        close.wait_until_begun();
        drop(other.checkout().unwrap());
        drop(warm);
        drop(slow.checkout().unwrap());
        assert_eq!((slow.in_use(), slow.idle()), (1, 1));
        close.go_on();
    });
    assert_settled(&pools, &world);
}

#[test]
fn whoever_gives_up_leaves_no_trace() {
    let world = World::new();
    let pools = PoolSet::new(timeout(config(1, 1), Duration::from_millis(2)));
    let (a, b) = (
        pools.slots(Fake::new(&world)),
        pools.slots(Fake::new(&world)),
    );
    let used = a.checkout().unwrap();
    thread::scope(|scope| {
        for slots in [&a, &b, &a, &b] {
            scope.spawn(|| assert!(slots.checkout().unwrap_err().is_retryable()));
        }
    });
    assert_eq!((a.waiting(), b.waiting()), (0, 0));
    assert_eq!(pools.shared.budget.pending(), (0, 0, 0));
    // Nobody waits any more, so the connection is kept.
    drop(used);
    assert_eq!((a.idle(), pools.stats().rejected), (1, 4));
    assert_settled(&pools, &world);
}

/// An offer may be made after the time has run out and before the waiter has left the queue.
#[test]
fn an_offer_made_at_the_last_moment_is_taken() {
    let world = World::new();
    let pools = PoolSet::new(config(1, 1));
    let a = pools.slots(Fake::new(&world));
    let waiter = Arc::new(Waiter::new(Instant::now()));
    waiter.offer(Offer::Closed(Closed::Shutdown));
    let served = a.database.leave(&waiter);
    assert!(matches!(served, Ok(Offer::Closed(Closed::Shutdown))));
    let usage = a.database.leave(&waiter).err().expect("it has been taken");
    assert_eq!((usage.open, usage.waiting), (0, 0));
}

/// Two tokens may be released to the same first in line, who can use one.
#[test]
fn a_token_is_not_granted_beyond_the_cap() {
    let world = World::new();
    let pools = PoolSet::new(config(4, 1));
    let a = pools.slots(Fake::new(&world));
    assert!(!a.database.grant(false), "nobody waits");
    let used = a.checkout().unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| a.checkout().unwrap());
        until(|| a.waiting() == 1);
        assert!(!a.database.grant(false), "no place is left");
        drop(used);
        drop(waiter.join().unwrap());
    });
    assert_settled(&pools, &world);
}

#[test]
fn errors_say_the_numbers() {
    let waited = Duration::from_secs(5);
    let busy = TestError::Busy {
        waited,
        in_use: 4,
        max: 4,
    };
    assert_eq!(
        busy.to_string(),
        "no connection came back within 5s (4 of 4 of this database in use); retry later, \
         shorten the work done on a connection, or raise `max_per_database`"
    );
    let exhausted = TestError::BudgetExhausted {
        open: 64,
        in_use: 60,
        max: 64,
        waited,
    };
    assert_eq!(
        exhausted.to_string(),
        "no connection became free within 5s (64 of 64 over all databases open, 60 in use); \
         retry later, or raise `max_connections`"
    );
}
