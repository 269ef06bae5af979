//! Long runs: many threads over many tenants, many tenants with few descriptors, and a hot path without allocation.
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel_tenants::{PoolConfig, prelude::*};

use crate::actors::{Actor, say};
use crate::app::{admit, builder, fleet_with, names, patients};

// Isolation under load.

const THREADS: u64 = 8;
const TENANTS: usize = 200;
/// Visited half of the time, so that threads meet there; the other half of the visits goes to all alike.
const POPULAR: usize = 8;
/// Fewer than tenants, so that the popular ones stay open and most others are evicted before they are seen again.
const CONNECTIONS: usize = 48;
/// An operation is one statement: an `INSERT` of one row, committed by itself, or a `SELECT`.
const OPERATIONS: u64 = 200_000;
/// A visit is one context: a write and some reads, so that one operation in five writes.
const READS_PER_VISIT: u64 = 4;
const VISITS: u64 = OPERATIONS / (1 + READS_PER_VISIT);

struct Crowd {
    tenants: Vec<TenantHandle>,
    /// Rows acknowledged, tenant by tenant.
    written: Vec<AtomicU64>,
    canaries: AtomicU64,
    seen: AtomicU64,
    foreign: AtomicU64,
    missing: AtomicU64,
}

impl Crowd {
    /// One context, used as a request would.
    fn visit(&self, number: usize, random: &mut Random) {
        let mut ctx = self.tenants[number].enter().unwrap();
        let mine = format!("CANARY-{}-", self.tenants[number].id());
        let canary = self.canaries.fetch_add(1, Ordering::Relaxed);
        admit(&mut ctx, &format!("{mine}{canary}")).unwrap();
        // Others may have written more by now, and never less.
        let rows = 1 + self.written[number].fetch_add(1, Ordering::AcqRel);
        for read in 0..READS_PER_VISIT {
            let some = 1 + random.below(rows) as i32;
            let seen = match read {
                0 => {
                    let slice = patients::table.filter(patients::id.ge(some));
                    let slice = slice.order(patients::id).limit(5);
                    slice.select(patients::name).load::<String>(&mut ctx)
                }
                _ => {
                    let row = patients::table.find(some).select(patients::name);
                    row.load::<String>(&mut ctx)
                }
            };
            self.check(&seen.unwrap(), &mine);
        }
    }

    /// Counts the rows, those that are another tenant's, and those that are not there: there is one for every read.
    fn check(&self, rows: &[String], mine: &str) {
        let foreign = rows.iter().filter(|row| !row.starts_with(mine)).count();
        let missing = usize::from(rows.is_empty());
        self.seen.fetch_add(rows.len() as u64, Ordering::Relaxed);
        self.foreign.fetch_add(foreign as u64, Ordering::Relaxed);
        self.missing.fetch_add(missing as u64, Ordering::Relaxed);
    }
}

fn soak(connections_per_tenant: usize) {
    let pool = PoolConfig::default()
        .with_max_connections(CONNECTIONS)
        .and_then(|pool| pool.with_max_per_database(connections_per_tenant))
        .and_then(|pool| pool.with_checkout_timeout(Duration::from_secs(60)))
        .unwrap();
    let fleet = fleet_with(|library| library.pool(pool));
    let crowd = Crowd {
        tenants: (0..TENANTS)
            .map(|n| fleet.create(&format!("T{n}")))
            .collect(),
        written: (0..TENANTS).map(|_| AtomicU64::new(0)).collect(),
        canaries: AtomicU64::new(0),
        seen: AtomicU64::new(0),
        foreign: AtomicU64::new(0),
        missing: AtomicU64::new(0),
    };

    let started = Instant::now();
    std::thread::scope(|threads| {
        for thread in 0..THREADS {
            let crowd = &crowd;
            threads.spawn(move || {
                let mut random = Random(thread);
                for _ in 0..VISITS / THREADS {
                    let among = if random.below(2) == 0 {
                        POPULAR
                    } else {
                        TENANTS
                    };
                    crowd.visit(random.below(among as u64) as usize, &mut random);
                }
            });
        }
    });
    let (took, stats) = (started.elapsed(), fleet.tenancy.stats());
    let (seen, foreign) = (crowd.seen.into_inner(), crowd.foreign.into_inner());
    let missing = crowd.missing.into_inner();
    println!(
        "{OPERATIONS} operations on {TENANTS} tenants, {connections_per_tenant} connections each, {CONNECTIONS} in \
         all: {took:?}, {seen} rows seen, {foreign} foreign, {missing} missing, {} connections opened, {} evicted, {} waits",
        stats.opened, stats.evicted, stats.waited
    );
    assert_eq!((foreign, missing), (0, 0));
    assert!(stats.evicted > 5 * TENANTS as u64, "{stats:?}");
    assert!(
        stats.waited > 0,
        "no two threads wanted the same connection: {stats:?}"
    );
    assert_eq!(stats.rejected, 0);

    // Each tenant has the rows it was told it has, and no others.
    for (tenant, written) in crowd.tenants.iter().zip(crowd.written) {
        let names = names(&mut tenant.enter().unwrap());
        assert_eq!(names.len() as u64, written.into_inner(), "{tenant:?}");
        let mine = format!("CANARY-{}-", tenant.id());
        assert!(
            names.iter().all(|name| name.starts_with(&mine)),
            "{tenant:?}"
        );
    }
}

#[test]
fn no_row_is_seen_by_another_tenant_with_one_connection_each() {
    soak(1);
}

#[test]
fn no_row_is_seen_by_another_tenant_with_two_connections_each() {
    soak(2);
}

/// SplitMix64: the same numbers on every run, thread by thread.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

// Many tenants, few descriptors.

const MANY: usize = 2_000;
const DESCRIPTORS: u64 = 256;
/// Of the 64 that the pool keeps free at this limit, what the registry's own connections and the locks do not need.
const LEFT_ALONE: u64 = 32;

#[test]
fn two_thousand_tenants_need_no_more_than_256_descriptors() {
    let directory = crate::scratch::dir();
    let mut actor = Actor::spawn("many tenants", &directory.path().join("data"));
    let mut hear = || -> u64 { actor.hear().expect("it died").parse().unwrap() };
    let (created, visited) = (Duration::from_millis(hear()), Duration::from_millis(hear()));
    let (failures, most_open, evicted) = (hear(), hear(), hear());
    println!(
        "{MANY} tenants with {DESCRIPTORS} descriptors: created in {created:?}, visited in {visited:?}; at most \
         {most_open} descriptors open, {evicted} connections evicted"
    );
    assert_eq!(failures, 0);
    assert!(
        most_open <= DESCRIPTORS - LEFT_ALONE,
        "{most_open} of {DESCRIPTORS}: too few are left for the rest of a process"
    );
    // All but the last few had to make room.
    assert!(evicted >= (MANY as u64) - DESCRIPTORS, "{evicted}");
    assert!(actor.wait().success());
}

/// What the child of the test above does.
pub(crate) fn many_tenants(root: &Path) {
    let limit = rustix::process::Rlimit {
        current: Some(DESCRIPTORS),
        maximum: Some(DESCRIPTORS),
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let tenancy = builder(root).open().unwrap();
    let mut failures = 0;
    let mut most_open = 0;
    let mut look = || {
        // The one that is opened to look is not counted.
        let open = std::fs::read_dir("/proc/self/fd").unwrap().count() - 1;
        most_open = most_open.max(open);
    };

    let started = Instant::now();
    let mut tenants = Vec::new();
    for number in 0..MANY {
        let id = format!("T{number}").parse().unwrap();
        match tenancy.create(&id, NewTenant::named("one of many")) {
            Ok(tenant) => tenants.push(tenant),
            Err(_) => failures += 1,
        }
        look();
    }
    say(started.elapsed().as_millis());

    let started = Instant::now();
    for tenant in &tenants {
        let visited = tenant.enter().map(|mut ctx| {
            let name = format!("CANARY-{}", tenant.id());
            admit(&mut ctx, &name).is_ok_and(|_| names(&mut ctx) == [name])
        });
        look();
        failures += u64::from(!matches!(visited, Ok(true)));
    }
    say(started.elapsed().as_millis());
    say(failures);
    say(most_open);
    say(tenancy.stats().evicted);
}

// The hot path.

#[test]
fn entering_a_warm_tenant_allocates_nothing() {
    // The cache is not read anew meanwhile: that is done once per freshness bound, and allocates.
    let fleet = fleet_with(|library| library.freshness(Duration::from_secs(60 * 60)));
    let tenant = fleet.create("TH001");
    drop(tenant.enter().unwrap());
    let counted = allocation_counter::measure(|| {
        for _ in 0..1_000 {
            drop(tenant.enter().unwrap());
        }
    });
    assert_eq!(counted.count_total, 0, "{counted:?}");
    assert_eq!(fleet.tenancy.stats().opened, 1);
    // The counter counts.
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(counted.count_total, 1);
}
