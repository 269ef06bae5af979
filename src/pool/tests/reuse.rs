//! Which connections are used again, and which are closed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::pool::tests::fake::Plan;

#[test]
fn nothing_is_opened_before_the_first_checkout() {
    let world = World::new();
    let pools = PoolSet::new(config(4, 2));
    let slots = pools.slots(Fake::new(&world));
    assert_eq!(slots.manager().connects(), 0);
    assert_eq!(
        pools.stats(),
        PoolStats {
            max_connections: 4,
            ..PoolStats::default()
        }
    );
    drop(slots.checkout().unwrap());
    assert_eq!(slots.manager().connects(), 1);
}

#[test]
fn the_last_connection_to_come_back_is_the_first_to_go_out() {
    let world = World::new();
    let pools = PoolSet::new(config(4, 3));
    let slots = pools.slots(Fake::new(&world));
    let [a, b, c] = [(); 3].map(|()| slots.checkout().unwrap());
    let ids = [&a, &b, &c].map(|checkout| checkout.conn().id);
    drop(b);
    drop(a);
    drop(c);
    assert_eq!((slots.idle(), slots.in_use()), (3, 0));
    let again = [(); 3].map(|()| slots.checkout().unwrap());
    assert_eq!(
        again.each_ref().map(|checkout| checkout.conn().id),
        [ids[2], ids[0], ids[1]]
    );
    assert_eq!(slots.manager().connects(), 3);
    drop(again);
    assert_settled(&pools, &world);
}

#[test]
fn a_database_has_its_cap_and_may_have_a_cap_of_its_own() {
    let world = World::new();
    let pools = PoolSet::new(timeout(config(10, 2), Duration::from_millis(20)));
    let (usual, large) = (
        pools.slots(Fake::new(&world)),
        pools.slots_with(Fake::new(&world), 3),
    );
    let large = large.unwrap();
    assert_eq!((usual.max_connections(), large.max_connections()), (2, 3));
    for (slots, cap) in [(&usual, 2), (&large, 3)] {
        let held: Vec<TestCheckout> = (0..cap).map(|_| slots.checkout().unwrap()).collect();
        let error = slots.checkout().unwrap_err();
        let TestError::Busy {
            waited,
            in_use,
            max,
        } = error
        else {
            panic!("{error:?}")
        };
        assert!(waited >= Duration::from_millis(20), "{waited:?}");
        assert_eq!((in_use, max), (cap, cap));
        assert!(error.is_retryable());
        drop(held);
    }
    let stats = pools.stats();
    assert_eq!(
        (stats.waited, stats.rejected, stats.databases_open),
        (2, 2, 2)
    );
    assert_settled(&pools, &world);
    assert!(matches!(
        pools.slots_with(Fake::new(&world), 0),
        Err(PoolConfigError::Count {
            given: 0,
            min: 1,
            max: 1_024,
            ..
        })
    ));
}

#[test]
fn a_tainted_connection_is_closed() {
    let world = World::new();
    let pools = PoolSet::new(config(4, 2));
    let slots = pools.slots(Fake::new(&world));
    let mut checkout = slots.checkout().unwrap();
    checkout.taint();
    drop(checkout);
    assert_eq!(
        (slots.idle(), world.open(), pools.stats().discarded),
        (0, 0, 1)
    );
    assert_settled(&pools, &world);
}

#[test]
fn a_broken_connection_is_closed() {
    let world = World::new();
    let pools = PoolSet::new(config(4, 2));
    let slots = pools.slots(Fake::new(&world));
    slots.checkout().unwrap().conn_mut().broken = true;
    assert_eq!(
        (slots.idle(), world.open(), pools.stats().discarded),
        (0, 0, 1)
    );
    assert_settled(&pools, &world);
}

#[test]
fn a_connection_used_by_a_panicking_thread_is_closed() {
    let world = World::new();
    let pools = PoolSet::new(config(4, 2));
    let slots = pools.slots(Fake::new(&world));
    let result = catch_unwind(AssertUnwindSafe(|| {
        let _checkout = slots.checkout().unwrap();
        panic!("while a connection is out");
    }));
    assert!(result.is_err());
    assert_eq!(
        (slots.idle(), world.open(), pools.stats().discarded),
        (0, 0, 1)
    );
    assert_settled(&pools, &world);
}

#[test]
fn a_manager_that_panics_at_check_in_costs_the_connection_only() {
    let world = World::new();
    let pools = PoolSet::new(config(4, 2));
    let slots = pools.slots(Fake::new(&world));
    let checkout = slots.checkout().unwrap();
    slots
        .manager()
        .broken_panics
        .store(true, std::sync::atomic::Ordering::SeqCst);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(checkout))).is_err());
    assert_eq!((slots.idle(), slots.in_use(), world.open()), (0, 0, 0));
    assert_eq!(pools.shared.budget.out(), 0);
}

#[test]
fn a_panicking_close_gives_place_and_token_back() {
    let world = World::new();
    let pools = PoolSet::new(config(4, 2));
    let slots = pools.slots(Fake::new(&world));
    let mut checkout = slots.checkout().unwrap();
    checkout.conn_mut().on_close = Some(Box::new(|| panic!("while closing")));
    checkout.taint();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(checkout))).is_err());
    assert_eq!((slots.in_use(), pools.shared.budget.out()), (0, 0));
    assert_eq!(pools.stats().databases_open, 0);
}

/// Diesel's SQLite connection panics when it cannot be closed.
#[test]
fn a_panicking_close_of_a_neighbour_leaves_no_waiter_behind() {
    let world = World::new();
    let pools = PoolSet::new(config(1, 1));
    let (a, b) = (
        pools.slots(Fake::new(&world)),
        pools.slots(Fake::new(&world)),
    );
    a.checkout().unwrap().conn_mut().on_close = Some(Box::new(|| panic!("while closing")));
    assert!(catch_unwind(AssertUnwindSafe(|| b.checkout())).is_err());
    assert_eq!((a.idle(), b.waiting(), b.in_use()), (0, 0, 0));
    assert_eq!(pools.shared.budget.pending(), (0, 0, 0));
    assert_eq!(pools.shared.budget.out(), 0);
    drop(b.checkout().unwrap());
}

#[test]
fn place_and_token_are_held_until_the_connection_is_closed() {
    let world = World::new();
    let pools = PoolSet::new(idle_timeout(config(1, 1), Duration::from_millis(1)));
    let slots = Arc::new(pools.slots(Fake::new(&world)));
    let other = pools.slots(Fake::new(&world));
    let seen = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let watched = || {
        let mut checkout = slots.checkout().unwrap();
        let (seen, slots, pools) = (Arc::clone(&seen), Arc::clone(&slots), pools.clone());
        // It also shows that no lock is held while a connection is closed: this would lock it
        // again.
        checkout.conn_mut().on_close = Some(Box::new(move || {
            let stats = pools.stats();
            seen.lock()
                .push((slots.in_use(), stats.open, pools.shared.budget.out()));
        }));
        checkout
    };
    watched().taint();
    drop(watched());
    drop(other.checkout().unwrap());
    other.reopen();
    drop(watched());
    pass(Duration::from_millis(1));
    pools.reap_idle();
    drop(watched());
    slots.reopen();
    drop(watched());
    slots.close(Closed::Maintenance);
    assert_eq!(*seen.lock(), [(1, 1, 1); 5]);
    assert_settled(&pools, &world);
}

#[test]
fn a_failed_connect_is_passed_on_at_once_and_gives_everything_back() {
    let world = World::new();
    let pools = PoolSet::new(config(1, 1));
    let slots = pools.slots(Fake::new(&world));
    slots.manager().plan(Plan::Fail(FakeError::Refused));
    let error = slots.checkout().unwrap_err();
    assert_eq!(
        error,
        TestError::Connect {
            source: FakeError::Refused
        }
    );
    assert_eq!(
        error.to_string(),
        "cannot open a connection to the database"
    );
    assert!(!error.is_retryable());
    assert_eq!(slots.manager().connects(), 1);
    assert_settled(&pools, &world);
    assert_eq!(pools.stats().databases_open, 0);
    drop(slots.checkout().unwrap());
    assert_settled(&pools, &world);
}

#[test]
fn a_panicking_connect_gives_everything_back() {
    let world = World::new();
    let pools = PoolSet::new(config(1, 1));
    let slots = pools.slots(Fake::new(&world));
    slots.manager().plan(Plan::Panic);
    assert!(catch_unwind(AssertUnwindSafe(|| slots.checkout())).is_err());
    assert_settled(&pools, &world);
    drop(slots.checkout().unwrap());
    assert_settled(&pools, &world);
}

#[test]
fn a_leaked_checkout_costs_its_place_and_nothing_else() {
    let world = World::new();
    let pools = PoolSet::new(timeout(config(2, 2), Duration::from_millis(5)));
    let (a, b) = (
        pools.slots(Fake::new(&world)),
        pools.slots(Fake::new(&world)),
    );
    std::mem::forget(a.checkout().unwrap());
    for slots in [&a, &b, &a] {
        drop(slots.checkout().unwrap());
    }
    let held = a.checkout().unwrap();
    let error = a.checkout().unwrap_err();
    assert!(
        matches!(
            error,
            TestError::Busy {
                in_use: 2,
                max: 2,
                ..
            }
        ),
        "{error:?}"
    );
    drop(held);
    assert_eq!(pools.shared.budget.pending(), (0, 0, 0));
    assert_eq!((pools.shared.budget.out(), a.in_use(), a.idle()), (2, 1, 1));
}

#[test]
fn dropping_the_slots_closes_what_is_idle_and_later_what_is_in_use() {
    let world = World::new();
    let pools = PoolSet::new(config(4, 2));
    let slots = pools.slots(Fake::new(&world));
    let (idle, used) = (slots.checkout().unwrap(), slots.checkout().unwrap());
    drop(idle);
    drop(slots);
    assert_eq!((world.open(), pools.shared.budget.out()), (1, 1));
    drop(used);
    assert_settled(&pools, &world);
    let stats = pools.stats();
    assert_eq!(
        (stats.open, stats.databases_open, stats.discarded),
        (0, 0, 2)
    );
}

#[test]
fn databases_that_are_gone_are_not_kept() {
    let world = World::new();
    let pools = PoolSet::new(config(4, 2));
    for _ in 0..3 {
        let slots = pools.slots(Fake::new(&world));
        let used = slots.checkout().unwrap();
        drop(slots.checkout().unwrap());
        drop(slots);
        drop(used);
    }
    // One for the world, none for a manager: the managers are gone with their databases.
    assert_eq!(Arc::strong_count(&world), 1);
    assert_eq!(Arc::strong_count(&pools.shared), 1);
}

#[test]
fn guards_and_handles_may_change_threads() {
    fn send<T: Send>() {}
    fn sync<T: Sync>() {}
    send::<TestCheckout>();
    send::<Slots<Fake>>();
    sync::<Slots<Fake>>();
    send::<PoolSet<Fake>>();
    sync::<PoolSet<Fake>>();

    let world = World::new();
    let pools = PoolSet::new(config(1, 1));
    let slots = pools.slots(Fake::new(&world));
    let checkout = slots.checkout().unwrap();
    thread::spawn(move || drop(checkout)).join().unwrap();
    assert_eq!(slots.idle(), 1);
}

#[test]
fn debug_shows_numbers_and_no_connection() {
    let world = World::new();
    let pools = PoolSet::new(config(2, 1));
    let slots = pools.slots(Fake::new(&world));
    let checkout = slots.checkout().unwrap();
    assert_eq!(
        format!("{slots:?}"),
        "Slots { in_use: 1, idle: 0, waiting: 0, max_connections: 1, .. }"
    );
    assert_eq!(format!("{checkout:?}"), "Checkout { tainted: false, .. }");
    assert!(format!("{pools:?}").contains("open: 1, in_use: 1"));
}
