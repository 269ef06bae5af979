//! Closing, reopening and draining a database.

use super::*;

#[test]
fn a_closed_database_hands_out_nothing() {
    let world = World::new();
    let pools = PoolSet::new(config(4, 3));
    let a = pools.slots(Fake::new(&world));
    let (used, _idle) = (a.checkout().unwrap(), warm(&a));
    assert_eq!(a.closed(), None);
    a.close(Closed::Maintenance);

    // What was idle is closed at once, what was in use when it comes back.
    assert_eq!((a.idle(), a.in_use(), world.open()), (0, 1, 1));
    for why in [Closed::Maintenance, Closed::Retired, Closed::Shutdown] {
        a.close(why);
        assert_eq!(a.closed(), Some(why));
        let error = a.checkout().unwrap_err();
        assert_eq!(error, TestError::Closed { why });
        assert_eq!(error.is_retryable(), why == Closed::Maintenance);
    }
    drop(used);
    assert_eq!((a.idle(), a.in_use(), world.open()), (0, 0, 0));
    assert_eq!((a.manager().connects(), pools.stats().discarded), (2, 2));
    assert_settled(&pools, &world);
}

#[test]
fn closing_sends_the_waiters_away() {
    let world = World::new();
    let pools = PoolSet::new(config(2, 1));
    let [a, b, c] = [(); 3].map(|()| pools.slots(Fake::new(&world)));
    let used = (a.checkout().unwrap(), b.checkout().unwrap());
    thread::scope(|scope| {
        // One waits for a's connection, the other for the budget.
        for slots in [&a, &c] {
            let waiter = scope.spawn(|| slots.checkout().unwrap_err());
            until(|| slots.waiting() == 1);
            slots.close(Closed::Maintenance);
            assert_eq!(
                waiter.join().unwrap(),
                TestError::Closed {
                    why: Closed::Maintenance
                }
            );
        }
    });
    assert_eq!(pools.shared.budget.pending(), (0, 0, 0));
    drop(used);
    assert_eq!((a.idle(), b.idle()), (0, 1));
    assert_settled(&pools, &world);
}

#[test]
fn after_reopening_only_new_connections_are_used() {
    let world = World::new();
    let pools = PoolSet::new(config(4, 3));
    let a = pools.slots(Fake::new(&world));
    let old = a.checkout().unwrap();
    a.close(Closed::Maintenance);
    a.reopen();
    let new = a.checkout().unwrap();
    let (id_old, id_new) = (old.conn().id, new.conn().id);
    drop(new);
    drop(old);
    assert_eq!(world.closed(), [id_old]);
    assert_eq!((a.idle(), a.checkout().unwrap().conn().id), (1, id_new));

    // Without a close before it, reopening still ends the use of the connections opened so far.
    a.reopen();
    assert_eq!((a.idle(), world.open()), (0, 0));
    assert_settled(&pools, &world);
}

#[test]
fn an_old_connection_is_not_handed_to_a_waiter_after_reopening() {
    let world = World::new();
    let pools = PoolSet::new(config(1, 1));
    let a = pools.slots(Fake::new(&world));
    let old = a.checkout().unwrap();
    let id_old = old.conn().id;
    thread::scope(|scope| {
        a.reopen();
        let waiter = scope.spawn(|| a.checkout().unwrap());
        until(|| a.waiting() == 1);
        drop(old);
        assert_ne!(waiter.join().unwrap().conn().id, id_old);
    });
    assert_eq!(world.most_open(), 1);
    assert_settled(&pools, &world);
}

#[test]
fn a_connection_opened_while_the_gate_was_closed_is_not_used() {
    let world = World::new();
    let pools = PoolSet::new(config(1, 1));
    let a = pools.slots(Fake::new(&world));
    let connect = a.manager().plan_block();
    thread::scope(|scope| {
        let opening = scope.spawn(|| a.checkout());
        connect.wait_until_begun();
        a.close(Closed::Maintenance);
        connect.go_on();
        let error = opening.join().unwrap().unwrap_err();
        assert_eq!(
            error,
            TestError::Closed {
                why: Closed::Maintenance
            }
        );
    });
    assert_eq!((world.open(), a.manager().connects()), (0, 1));
    assert_settled(&pools, &world);

    // Closed and open again while connecting: connected once more, to what the database is now.
    a.reopen();
    let connect = a.manager().plan_block();
    thread::scope(|scope| {
        let opening = scope.spawn(|| a.checkout().unwrap());
        connect.wait_until_begun();
        a.close(Closed::Maintenance);
        a.reopen();
        connect.go_on();
        drop(opening.join().unwrap());
    });
    assert_eq!((a.idle(), a.manager().connects()), (1, 3));
    assert_settled(&pools, &world);
}

#[test]
fn draining_waits_for_the_last_connection_in_use() {
    let world = World::new();
    let pools = PoolSet::new(config(4, 3));
    let a = pools.slots(Fake::new(&world));
    a.drain(Duration::ZERO).unwrap();
    let (one, mut two) = (a.checkout().unwrap(), a.checkout().unwrap());
    let closing = two.conn_mut().block_close();
    a.close(Closed::Maintenance);
    thread::scope(|scope| {
        let drain = scope.spawn(|| {
            let result = a.drain(Duration::MAX);
            // Drained means closed: nothing is open any more.
            (result, world.open())
        });
        drop(one);
        scope.spawn(move || drop(two));
        closing.wait_until_begun();
        assert_eq!(a.in_use(), 1);
        assert!(!drain.is_finished());
        closing.go_on();
        assert_eq!(drain.join().unwrap(), (Ok(()), 0));
    });
    assert_settled(&pools, &world);
}

#[test]
fn draining_an_open_database_ends_when_a_connection_is_pooled() {
    let world = World::new();
    let pools = PoolSet::new(config(4, 3));
    let a = pools.slots(Fake::new(&world));
    // Many times, since nothing tells that a drain has come as far as waiting.
    for _ in 0..100 {
        let (used, started) = (a.checkout().unwrap(), Instant::now());
        let (about_to, begun) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            let drain = scope.spawn(|| {
                about_to.send(()).unwrap();
                a.drain(LONG)
            });
            begun.recv().unwrap();
            (0..20).for_each(|_| thread::yield_now());
            drop(used);
            drain.join().unwrap().unwrap();
        });
        assert!(
            started.elapsed() < LONG / 4,
            "found by chance when the time was over"
        );
        assert_eq!(a.idle(), 1);
    }
}

#[test]
fn a_closed_database_neither_evicts_nor_waits() {
    let world = World::new();
    let pools = PoolSet::new(config(1, 1));
    let (a, b) = (
        pools.slots(Fake::new(&world)),
        pools.slots(Fake::new(&world)),
    );
    warm(&a);
    b.close(Closed::Retired);
    assert_eq!(
        b.checkout().unwrap_err(),
        TestError::Closed {
            why: Closed::Retired
        }
    );
    assert_eq!((a.idle(), pools.stats().waited), (1, 0));
}

#[test]
fn draining_for_too_short_a_time_says_how_many_are_left() {
    let world = World::new();
    let pools = PoolSet::new(config(4, 3));
    let a = pools.slots(Fake::new(&world));
    let used = (a.checkout().unwrap(), a.checkout().unwrap());
    let time = Duration::from_millis(10);
    let error = a.drain(time).unwrap_err();
    assert_eq!(error.in_use, 2);
    assert!(error.waited >= time);
    assert!(
        error
            .to_string()
            .starts_with("2 connections still in use after 1"),
        "{error}"
    );
    drop(used);
    a.drain(Duration::ZERO).unwrap();
}
