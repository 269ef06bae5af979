//! Which idle connections are closed for others, and which by reaping.

use super::*;
use crate::pool::tests::fake::Plan;

#[test]
fn the_least_recently_used_idle_connection_goes() {
    let world = World::new();
    let pools = PoolSet::new(config(4, 2));
    let [a, b, c, d, e] = [(); 5].map(|()| pools.slots(Fake::new(&world)));
    let (_id_a, id_b, id_c) = (warm(&a), warm(&b), warm(&c));
    let id_a = warm(&a);
    let _used = d.checkout().unwrap();

    // Budget full: b is the oldest, then c, then a.
    drop(e.checkout().unwrap());
    assert_eq!(world.closed(), [id_b]);
    let _e = e.checkout().unwrap();
    drop(b.checkout().unwrap());
    assert_eq!(world.closed(), [id_b, id_c]);
    let _b = b.checkout().unwrap();
    drop(c.checkout().unwrap());
    assert_eq!(world.closed(), [id_b, id_c, id_a]);
    let stats = pools.stats();
    assert_eq!((stats.evicted, stats.opened, stats.open), (3, 7, 4));
    assert_eq!(world.most_open(), 4);
}

#[test]
fn within_a_database_the_bottom_of_the_stack_goes() {
    let world = World::new();
    let pools = PoolSet::new(config(3, 3));
    let (a, b) = (
        pools.slots(Fake::new(&world)),
        pools.slots(Fake::new(&world)),
    );
    let [one, two, three] = [(); 3].map(|()| a.checkout().unwrap());
    let ids = [&two, &three, &one].map(|checkout| checkout.conn().id);
    for checkout in [two, three, one] {
        pass(Duration::ZERO);
        drop(checkout);
    }
    let _used = [(); 2].map(|()| b.checkout().unwrap());
    assert_eq!(world.closed(), ids[..2]);
    assert_eq!(a.checkout().unwrap().conn().id, ids[2]);
}

/// The order stays exact although the oldest connections of one look are remembered for later
/// evictions.
#[test]
fn what_was_used_since_the_last_look_is_not_taken_for_old() {
    let world = World::new();
    let pools = PoolSet::new(config(3, 1));
    let [a, b, c, d, e] = [(); 5].map(|()| pools.slots(Fake::new(&world)));
    let (id_a, _id_b, id_c) = (warm(&a), warm(&b), warm(&c));
    let _d = d.checkout().unwrap();
    assert_eq!(world.closed(), [id_a]);
    // By now b and c are remembered, b as the older one.
    warm(&b);
    let _e = e.checkout().unwrap();
    assert_eq!(world.closed(), [id_a, id_c]);
    assert_eq!(b.idle(), 1);
}

#[test]
fn many_evictions_in_a_row_keep_the_order() {
    const DATABASES: usize = 150;
    let world = World::new();
    let pools = PoolSet::new(config(DATABASES, 1));
    let old: Vec<Slots<Fake>> = (0..DATABASES)
        .map(|_| pools.slots(Fake::new(&world)))
        .collect();
    // Groups of ten with one stamp each: the clock is coarse, and a stamp of its own for each takes
    // long.
    let mut groups: Vec<Vec<u64>> = Vec::new();
    for group in old.chunks(10).rev() {
        let held: Vec<TestCheckout> = group
            .iter()
            .map(|slots| slots.checkout().unwrap())
            .collect();
        groups.push(held.iter().map(|checkout| checkout.conn().id).collect());
        pass(Duration::ZERO);
        drop(held);
    }
    let new: Vec<Slots<Fake>> = (0..DATABASES)
        .map(|_| pools.slots(Fake::new(&world)))
        .collect();
    let held: Vec<TestCheckout> = new.iter().map(|slots| slots.checkout().unwrap()).collect();
    for (closed, group) in world.closed().chunks(10).zip(groups) {
        let mut closed = closed.to_vec();
        closed.sort_unstable();
        assert_eq!(closed, group);
    }
    assert_eq!(world.closed().len(), DATABASES);
    drop(held);
    assert_settled(&pools, &world);
}

#[test]
fn reaping_closes_what_has_been_idle_for_long() {
    let world = World::new();
    let time = Duration::from_millis(30);
    let pools = PoolSet::new(idle_timeout(config(4, 2), time));
    let (a, b) = (
        pools.slots(Fake::new(&world)),
        pools.slots(Fake::new(&world)),
    );
    let (one, two) = (a.checkout().unwrap(), a.checkout().unwrap());
    let id = one.conn().id;
    let _used = b.checkout().unwrap();
    drop(one);
    pass(time);
    let started = Coarse::now();
    drop(two);
    let reaped = pools.reap_idle();
    // A machine that stood still for 30 ms here proves nothing.
    if Coarse::now().since(started) < time {
        assert_eq!((reaped, a.idle(), a.in_use()), (1, 1, 0));
        assert_eq!(world.closed(), [id]);
    }
    pass(time);
    pools.reap_idle();
    assert_eq!((a.idle(), b.in_use(), pools.stats().reaped), (0, 1, 2));
    assert_eq!(pools.reap_idle(), 0);
}

#[test]
fn a_lack_of_descriptors_closes_all_idle_neighbours_and_tries_once_more() {
    let world = World::new();
    let pools = PoolSet::new(config(10, 2).with_overflow(Overflow::Wait));
    let [a, b, c, d] = [(); 4].map(|()| pools.slots(Fake::new(&world)));
    let used = a.checkout().unwrap();
    drop((
        a.checkout().unwrap(),
        b.checkout().unwrap(),
        b.checkout().unwrap(),
        c.checkout().unwrap(),
    ));
    d.manager().plan(Plan::Fail(FakeError::TooManyFiles));
    let checkout = d.checkout().unwrap();
    assert_eq!(d.manager().connects(), 2);
    assert_eq!([&a, &b, &c].map(Slots::idle), [0, 0, 0]);
    assert_eq!((a.in_use(), pools.stats().evicted, world.open()), (1, 4, 2));
    drop((used, checkout));
    assert_settled(&pools, &world);
}

#[test]
fn a_lasting_lack_of_descriptors_is_reported() {
    let world = World::new();
    let pools = PoolSet::new(config(10, 2));
    let (a, b) = (
        pools.slots(Fake::new(&world)),
        pools.slots(Fake::new(&world)),
    );
    drop(a.checkout().unwrap());
    let fail = || b.manager().plan(Plan::Fail(FakeError::TooManyFiles));
    let error = TestError::Connect {
        source: FakeError::TooManyFiles,
    };
    assert!(error.is_retryable());

    // A neighbour is idle again by the second time, but that was it.
    let again = || drop(a.checkout().unwrap());
    fail();
    let second = b.manager().plan_block();
    fail();
    thread::scope(|scope| {
        let failing = scope.spawn(|| b.checkout().unwrap_err());
        second.wait_until_begun();
        again();
        second.go_on();
        assert_eq!(failing.join().unwrap(), error);
    });
    assert_eq!((b.manager().connects(), a.idle()), (2, 1));
    assert_settled(&pools, &world);

    // With nothing left to close, there is no reason to try again.
    a.reopen();
    fail();
    assert_eq!(b.checkout().unwrap_err(), error);
    assert_eq!(b.manager().connects(), 3);
    drop(b.checkout().unwrap());
    assert_settled(&pools, &world);
}

#[test]
fn other_failures_close_nothing() {
    let world = World::new();
    let pools = PoolSet::new(config(10, 2));
    let (a, b) = (
        pools.slots(Fake::new(&world)),
        pools.slots(Fake::new(&world)),
    );
    drop(a.checkout().unwrap());
    b.manager().plan(Plan::Fail(FakeError::Refused));
    assert!(b.checkout().is_err());
    assert_eq!((b.manager().connects(), a.idle()), (1, 1));
}

#[test]
fn a_lack_of_descriptors_spares_the_idle_of_its_own_database() {
    let world = World::new();
    let pools = PoolSet::new(config(10, 2));
    let (a, b) = (
        pools.slots(Fake::new(&world)),
        pools.slots(Fake::new(&world)),
    );
    let used = a.checkout().unwrap();
    drop(b.checkout().unwrap());
    let connect = a.manager().plan_block();
    a.manager().plan(Plan::Fail(FakeError::TooManyFiles));
    thread::scope(|scope| {
        let opening = scope.spawn(|| a.checkout().unwrap());
        connect.wait_until_begun();
        drop(used);
        connect.go_on();
        let opened = opening.join().unwrap();
        assert_eq!((a.idle(), a.in_use(), b.idle()), (1, 1, 0));
        drop(opened);
    });
    assert_settled(&pools, &world);
}

/// Another connection may be opened between the last one's close and the leaving of the list.
#[test]
fn a_database_does_not_leave_the_list_while_it_is_open() {
    let world = World::new();
    let pools = PoolSet::new(config(1, 1));
    let (a, b) = (
        pools.slots(Fake::new(&world)),
        pools.slots(Fake::new(&world)),
    );
    warm(&a);
    pools.shared.open_list.leave(&a.database);
    assert_eq!(pools.stats().databases_open, 1);
    drop(b.checkout().unwrap());
    assert_settled(&pools, &world);
}
