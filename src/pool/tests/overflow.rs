//! What happens when the budget is full.

use super::*;

/// Takes a checkout on a thread of its own and waits until it is in the queue.
fn waiting<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    slots: &'scope Slots<Fake>,
) -> thread::ScopedJoinHandle<'scope, Result<TestCheckout, TestError>> {
    let before = slots.waiting();
    let handle = scope.spawn(|| slots.checkout());
    until(|| slots.waiting() > before);
    handle
}

#[test]
fn with_nothing_idle_evict_waits_and_is_served_by_what_comes_back() {
    let world = World::new();
    let pools = PoolSet::new(config(2, 2));
    let [a, b, c] = [(); 3].map(|()| pools.slots(Fake::new(&world)));
    let (used_a, used_b) = (a.checkout().unwrap(), b.checkout().unwrap());
    let id_b = used_b.conn().id;
    thread::scope(|scope| {
        let waiter = waiting(scope, &c);
        drop(used_b);
        let checkout = waiter.join().unwrap().unwrap();
        assert_eq!(world.closed(), [id_b]);
        assert_eq!((c.in_use(), b.in_use(), b.idle()), (1, 0, 0));
        drop(checkout);
    });
    // Nobody waits any more: what comes back now is kept.
    drop(used_a);
    assert_eq!((a.idle(), c.idle()), (1, 1));
    let stats = pools.stats();
    assert_eq!((stats.waited, stats.rejected, stats.evicted), (1, 0, 1));
    assert_eq!(world.most_open(), 2);
    assert_settled(&pools, &world);
}

#[test]
fn evict_never_takes_a_connection_in_use() {
    let world = World::new();
    let pools = PoolSet::new(timeout(config(2, 2), Duration::from_millis(20)));
    let [a, b, c] = [(); 3].map(|()| pools.slots(Fake::new(&world)));
    let used = (a.checkout().unwrap(), b.checkout().unwrap());
    let error = c.checkout().unwrap_err();
    let TestError::BudgetExhausted {
        open,
        in_use,
        max,
        waited,
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!((open, in_use, max), (2, 2, 2));
    assert!(waited >= Duration::from_millis(20), "{waited:?}");
    assert!(world.closed().is_empty());
    assert!(error.is_retryable());
    assert_eq!(pools.stats().rejected, 1);
    drop(used);
    assert_settled(&pools, &world);
}

#[test]
fn wait_leaves_the_warm_connections_of_others_alone() {
    let world = World::new();
    let config = timeout(config(2, 2), Duration::from_millis(20)).with_overflow(Overflow::Wait);
    let pools = PoolSet::new(config);
    let [a, b, c] = [(); 3].map(|()| pools.slots(Fake::new(&world)));
    warm(&a);
    let used = b.checkout().unwrap();
    let error = c.checkout().unwrap_err();
    assert!(
        matches!(
            error,
            TestError::BudgetExhausted {
                open: 2,
                in_use: 1,
                max: 2,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!((a.idle(), world.closed().len()), (1, 0));
    drop(used);
    assert_settled(&pools, &world);
}

#[test]
fn wait_closes_what_was_idle_for_long() {
    let world = World::new();
    let config = idle_timeout(config(2, 2), Duration::from_millis(1)).with_overflow(Overflow::Wait);
    let pools = PoolSet::new(config);
    let [a, b, c] = [(); 3].map(|()| pools.slots(Fake::new(&world)));
    let id = warm(&a);
    warm(&b);
    pass(Duration::from_millis(1));
    drop(c.checkout().unwrap());
    assert_eq!(world.closed(), [id]);
    assert_settled(&pools, &world);
}

#[test]
fn wait_closes_what_becomes_idle_for_long_while_it_waits() {
    let world = World::new();
    let config =
        idle_timeout(config(1, 1), Duration::from_millis(50)).with_overflow(Overflow::Wait);
    let pools = PoolSet::new(config);
    let (a, b) = (
        pools.slots(Fake::new(&world)),
        pools.slots(Fake::new(&world)),
    );
    let started = Coarse::now();
    let id = warm(&a);
    drop(b.checkout().unwrap());
    assert_eq!(world.closed(), [id]);
    let waited = Coarse::now().since(started);
    assert!(
        waited >= Duration::from_millis(50) && waited < LONG / 4,
        "{waited:?}"
    );
    assert_settled(&pools, &world);
}

#[test]
fn wait_is_served_by_what_comes_back() {
    let world = World::new();
    let pools = PoolSet::new(config(2, 2).with_overflow(Overflow::Wait));
    let [a, b, c] = [(); 3].map(|()| pools.slots(Fake::new(&world)));
    let id_a = warm(&a);
    let used = b.checkout().unwrap();
    let id_b = used.conn().id;
    thread::scope(|scope| {
        let waiter = waiting(scope, &c);
        drop(used);
        drop(waiter.join().unwrap().unwrap());
    });
    assert_eq!(world.closed(), [id_b]);
    assert_eq!(a.checkout().unwrap().conn().id, id_a);
    assert_settled(&pools, &world);
}

#[test]
fn reject_fails_at_once_with_numbers() {
    let world = World::new();
    let pools = PoolSet::new(config(2, 2).with_overflow(Overflow::Reject));
    let [a, b, c] = [(); 3].map(|()| pools.slots(Fake::new(&world)));
    warm(&a);
    let used = b.checkout().unwrap();
    let error = c.checkout().unwrap_err();
    let TestError::BudgetExhausted {
        open: 2,
        in_use: 1,
        max: 2,
        waited,
    } = error
    else {
        panic!("{error:?}")
    };
    assert!(waited < LONG / 2, "{waited:?}");
    assert_eq!((a.idle(), c.manager().connects()), (1, 0));
    assert_eq!(pools.stats().rejected, 1);
    drop(used);
    assert_settled(&pools, &world);
}

#[test]
fn reject_closes_what_was_idle_for_long() {
    let world = World::new();
    let config =
        idle_timeout(config(1, 1), Duration::from_millis(1)).with_overflow(Overflow::Reject);
    let pools = PoolSet::new(config);
    let (a, b) = (
        pools.slots(Fake::new(&world)),
        pools.slots(Fake::new(&world)),
    );
    warm(&a);
    pass(Duration::from_millis(1));
    drop(b.checkout().unwrap());
    assert_eq!(pools.stats().evicted, 1);
    assert_settled(&pools, &world);
}

#[test]
fn reject_waits_for_the_connections_of_its_own_database() {
    let world = World::new();
    let pools = PoolSet::new(config(2, 1).with_overflow(Overflow::Reject));
    let a = pools.slots(Fake::new(&world));
    let used = a.checkout().unwrap();
    let id = used.conn().id;
    thread::scope(|scope| {
        let waiter = waiting(scope, &a);
        drop(used);
        assert_eq!(waiter.join().unwrap().unwrap().conn().id, id);
    });
    assert_settled(&pools, &world);
}

/// What comes back while a connection is being closed for the only waiter is kept.
#[test]
fn one_waiter_costs_one_connection() {
    let world = World::new();
    let pools = PoolSet::new(timeout(config(3, 1), Duration::from_secs(4)));
    let [a, b, c, d] = [(); 4].map(|()| pools.slots(Fake::new(&world)));
    let mut used_a = a.checkout().unwrap();
    let (used_b, used_c) = (b.checkout().unwrap(), c.checkout().unwrap());
    let closing = used_a.conn_mut().block_close();
    let id_a = used_a.conn().id;
    thread::scope(|scope| {
        let waiter = waiting(scope, &d);
        let began = Instant::now();
        scope.spawn(move || drop(used_a));
        closing.wait_until_begun();
        drop(used_b);
        drop(used_c);
        // For as long as he has not waited for half of the timeout.
        until(|| began.elapsed() > Duration::from_millis(600));
        assert_eq!((b.idle(), c.idle()), (1, 1));
        closing.go_on();
        drop(waiter.join().unwrap().unwrap());
    });
    assert_eq!(world.closed(), [id_a]);
    assert_eq!(pools.stats().evicted, 1);
    assert_settled(&pools, &world);
}

/// A connection closed for a reason of its own is one that need not be closed for the waiter.
#[test]
fn what_is_closed_anyway_counts_for_the_waiter() {
    let world = World::new();
    let pools = PoolSet::new(config(2, 1));
    let [a, b, c] = [(); 3].map(|()| pools.slots(Fake::new(&world)));
    let (mut used_a, used_b) = (a.checkout().unwrap(), b.checkout().unwrap());
    let closing = used_a.conn_mut().block_close();
    used_a.taint();
    thread::scope(|scope| {
        let for_c = waiting(scope, &c);
        let for_a = waiting(scope, &a);
        scope.spawn(move || drop(used_a));
        closing.wait_until_begun();
        drop(used_b);
        assert_eq!(b.idle(), 1);
        closing.go_on();
        drop(for_c.join().unwrap().unwrap());
        drop(for_a.join().unwrap().unwrap());
    });
    assert_settled(&pools, &world);
}

/// A waiter is promised the connection that is being closed, and that takes for ever.
#[test]
fn a_close_that_hangs_is_not_relied_on_for_ever() {
    let world = World::new();
    let pools = PoolSet::new(timeout(config(2, 1), Duration::from_secs(2)));
    let [a, b, c] = [(); 3].map(|()| pools.slots(Fake::new(&world)));
    let mut used_a = a.checkout().unwrap();
    let used_b = b.checkout().unwrap();
    let id_b = used_b.conn().id;
    let hanging = used_a.conn_mut().block_close();
    thread::scope(|scope| {
        let waiter = waiting(scope, &c);
        scope.spawn(move || drop(used_a));
        hanging.wait_until_begun();
        drop(used_b);
        assert_eq!(b.idle(), 1);
        drop(waiter.join().unwrap().unwrap());
        assert_eq!(world.closed(), [id_b]);
        hanging.go_on();
    });
    assert_settled(&pools, &world);
}

/// A connection is closed for another database; meanwhile somebody waits for it here. Room is made
/// for him elsewhere.
#[test]
fn a_waiter_whose_connection_was_given_away_is_not_forgotten() {
    let world = World::new();
    let pools = PoolSet::new(config(2, 1));
    let [a, b, c] = [(); 3].map(|()| pools.slots(Fake::new(&world)));
    let mut used_a = a.checkout().unwrap();
    let used_b = b.checkout().unwrap();
    let closing = used_a.conn_mut().block_close();
    let started = Instant::now();
    thread::scope(|scope| {
        let for_c = waiting(scope, &c);
        scope.spawn(move || drop(used_a));
        closing.wait_until_begun();
        let for_a = waiting(scope, &a);
        drop(used_b);
        assert_eq!(b.idle(), 1);
        closing.go_on();
        let (got_c, got_a) = (
            for_c.join().unwrap().unwrap(),
            for_a.join().unwrap().unwrap(),
        );
        assert_eq!((b.idle(), a.in_use(), c.in_use()), (0, 1, 1));
        drop((got_a, got_c));
    });
    assert!(
        started.elapsed() < LONG / 4,
        "he was served because he insisted"
    );
    assert_eq!(world.most_open(), 2);
    assert_settled(&pools, &world);
}

/// A connection comes back at the very moment in which somebody looks for one: the look does not
/// pass by a database because it is locked.
#[test]
fn a_database_that_is_locked_for_a_moment_is_not_passed_by() {
    let world = World::new();
    let pools = PoolSet::new(config(1, 1));
    let (a, b) = (
        pools.slots(Fake::new(&world)),
        pools.slots(Fake::new(&world)),
    );
    warm(&a);
    let started = Instant::now();
    thread::scope(|scope| {
        let locked = a.database.hold();
        let waiter = waiting(scope, &b);
        // Time enough to pass by; if the machine is too slow for that, nothing is shown.
        pass(Duration::from_millis(20));
        drop(locked);
        drop(waiter.join().unwrap().unwrap());
    });
    assert!(
        started.elapsed() < LONG / 4,
        "he was served because he insisted"
    );
    assert_settled(&pools, &world);
}

/// Connections handed on within busy databases for ever would leave nothing to anyone else.
#[test]
fn databases_that_are_always_waited_for_do_not_starve_others() {
    let world = World::new();
    let pools = PoolSet::new(timeout(config(1, 1), Duration::from_secs(4)));
    let (busy, other) = (
        pools.slots(Fake::new(&world)),
        pools.slots(Fake::new(&world)),
    );
    let used = busy.checkout().unwrap();
    thread::scope(|scope| {
        let starving = waiting(scope, &other);
        let began = Instant::now();
        let first = waiting(scope, &busy);
        // Not half of the timeout yet: the connection stays with its database.
        drop(used);
        let used = first.join().unwrap().unwrap();
        assert_eq!(other.waiting(), 1);

        let second = waiting(scope, &busy);
        until(|| began.elapsed() > Duration::from_secs(2));
        drop(used);
        let got = starving.join().unwrap().unwrap();
        assert_eq!((busy.waiting(), busy.in_use(), other.in_use()), (1, 0, 1));
        drop(got);
        drop(second.join().unwrap().unwrap());
    });
    assert_settled(&pools, &world);
}

/// What is closed for a reason of its own goes to whoever has waited longest.
#[test]
fn a_discarded_connection_goes_to_the_first_in_line() {
    let world = World::new();
    let pools = PoolSet::new(config(1, 1));
    let (busy, other) = (
        pools.slots(Fake::new(&world)),
        pools.slots(Fake::new(&world)),
    );
    let mut used = busy.checkout().unwrap();
    thread::scope(|scope| {
        let first = waiting(scope, &other);
        let second = waiting(scope, &busy);
        used.taint();
        drop(used);
        let got = first.join().unwrap().unwrap();
        assert_eq!(busy.waiting(), 1);
        drop(got);
        drop(second.join().unwrap().unwrap());
    });
    assert_settled(&pools, &world);
}

/// The first in line may be overdue and wait for the very connection that comes back.
#[test]
fn whoever_is_overdue_takes_the_connection_of_his_own_database() {
    let world = World::new();
    let pools = PoolSet::new(timeout(config(2, 2), Duration::from_secs(2)));
    let (a, b) = (
        pools.slots(Fake::new(&world)),
        pools.slots(Fake::new(&world)),
    );
    let (used_a, used_b) = (a.checkout().unwrap(), b.checkout().unwrap());
    let id = used_a.conn().id;
    thread::scope(|scope| {
        let waiter = waiting(scope, &a);
        let began = Instant::now();
        until(|| began.elapsed() > Duration::from_secs(1));
        drop(used_a);
        assert_eq!(waiter.join().unwrap().unwrap().conn().id, id);
    });
    assert!(world.closed().is_empty());
    drop(used_b);
    assert_settled(&pools, &world);
}
