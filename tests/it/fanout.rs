//! Going over all tenants: what is reported of each, and what it costs the pool.
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sqlite::Sqlite;
use diesel_tenants::error::VisitError;
use diesel_tenants::scope::TenantScope;
use diesel_tenants::{
    FanOut, FanOutReport, OpenError, PoolConfig, Reads, Route, VisitOutcome, prelude::*,
};

use crate::actors::{Actor, say};
use crate::app::{Fleet, admit, builder, fleet_with, patients};

fn id(id: &str) -> TenantId {
    id.parse().unwrap()
}

/// A fleet with a budget of `connections`, and `tenants` of them, T000 and on, each with one patient more than the one
/// before.
fn fleet_of(tenants: usize, connections: usize) -> Fleet {
    let pool = PoolConfig::default()
        .with_max_connections(connections)
        .unwrap();
    let fleet = fleet_with(|b| b.pool(pool).freshness(Duration::from_secs(3600)));
    for number in 0..tenants {
        let tenant = fleet.create(&format!("T{number:03}"));
        let rows: Vec<_> = (0..=number)
            .map(|_| (patients::name.eq("x"), patients::ward.eq("A")))
            .collect();
        let insert = diesel::insert_into(patients::table).values(rows);
        insert.execute(&mut tenant.enter().unwrap()).unwrap();
    }
    fleet
}

fn count(ctx: &mut ReadContext) -> QueryResult<i64> {
    patients::table.count().get_result(ctx)
}

fn ids<T>(report: &FanOutReport<T>) -> Vec<&str> {
    report.tenants.iter().map(|t| t.id.as_str()).collect()
}

#[test]
fn every_active_tenant_is_read_once() {
    let fleet = fleet_of(9, 8);
    fleet.tenancy.suspend(&id("T004")).unwrap();
    for workers in [1, 3, 1000] {
        let over = FanOut::new().parallelism(workers);
        let report = fleet.tenancy.for_each_tenant(over, count).unwrap();
        let numbers = [0, 1, 2, 3, 5, 6, 7, 8];
        assert_eq!(ids(&report), numbers.map(|n| format!("T{n:03}")));
        assert!(report.is_complete());
        let counts: Vec<_> = report.into_done().map(|(_, count)| count).collect();
        assert_eq!(counts, numbers.map(|n| n + 1));
    }
}

#[test]
fn tenants_are_selected_by_their_records_or_one_by_one() {
    let fleet = fleet_of(4, 8);
    fleet.tenancy.suspend(&id("T002")).unwrap();
    let tenancy = &fleet.tenancy;

    let odd = FanOut::new().filter(|tenant| tenant.id.as_str().ends_with(['1', '3']));
    assert_eq!(
        ids(&tenancy.for_each_tenant(odd, count).unwrap()),
        ["T001", "T003"]
    );

    // In the order in which they are named, each once, in whatever spelling.
    let named = ["T003", "t000", "T000", "T002", "T999"].map(id);
    let report = tenancy
        .for_each_tenant(FanOut::new().only(named), count)
        .unwrap();
    assert_eq!(ids(&report), ["T003", "t000", "T002", "T999"]);
    assert_eq!(report.done().map(|(_, n)| *n).collect::<Vec<_>>(), [4, 1]);
    let failed: Vec<_> = report
        .failed()
        .map(|(_, error)| error.to_string())
        .collect();
    assert_eq!(
        failed,
        [
            "tenant `T002` is suspended, contexts are opened on active tenants only",
            "tenant `T999` is not known; `Tenancy::create` makes a new one",
        ]
    );
    assert!(!report.is_complete());
}

/// One tenant's failure is its own, whatever it is.
#[test]
fn a_tenant_that_fails_or_panics_stops_nobody() {
    // Few connections, so that none is warm of the one that is lost.
    let fleet = fleet_of(7, 4);
    std::fs::remove_file(fleet.file(&fleet.tenancy.handle(&id("T001")).unwrap(), 1)).unwrap();
    let report = fleet.tenancy.for_each_tenant(FanOut::new(), |ctx| {
        match ctx.tenant_id().as_str() {
            "T002" => patients::table
                .find(99)
                .select(patients::id)
                .get_result::<i32>(ctx)?,
            "T003" => panic!("a patient called {}", "SECRET-NAME"),
            "T004" => std::panic::panic_any(PanicsWhenDropped),
            _ => 0,
        };
        count(ctx)
    });
    let report = report.unwrap();
    let outcome = |n: usize| &report.tenants[n].outcome;
    assert!(matches!(
        outcome(1),
        VisitOutcome::Failed(VisitError::Open(OpenError::Connect(_)))
    ));
    assert!(matches!(
        outcome(2),
        VisitOutcome::Failed(VisitError::Query {
            source: diesel::NotFound,
            ..
        })
    ));
    assert!(matches!(
        outcome(3),
        VisitOutcome::Failed(VisitError::Panicked { .. })
    ));
    assert!(matches!(
        outcome(4),
        VisitOutcome::Failed(VisitError::Panicked { .. })
    ));
    assert_eq!(
        report.done().map(|(_, n)| *n).collect::<Vec<_>>(),
        [1, 6, 7]
    );

    let told = format!("{report:?} {}", serde_json::to_string(&report).unwrap());
    assert!(!told.contains("SECRET-NAME"), "{told}");
    // What panicked is not used again, and nothing is left in use.
    assert_eq!(fleet.tenancy.stats().in_use, 0);
    let again = fleet.tenancy.for_each_tenant(FanOut::new(), count).unwrap();
    assert_eq!(again.failed().count(), 1);
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn a_report_can_be_read_by_programs() {
    let fleet = fleet_of(2, 8);
    let over = || FanOut::new().only([id("T000"), id("T001"), id("T009")]);
    let mut report = fleet.tenancy.for_each_tenant(over(), count).unwrap();
    report.took = Duration::from_millis(7);
    report
        .tenants
        .iter_mut()
        .for_each(|t| t.took = Duration::from_millis(3));
    report.tenants[1].outcome = VisitOutcome::NotReached;
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "tenants": [
                { "id": "T000", "outcome": "done", "detail": 1, "took_ms": 3 },
                { "id": "T001", "outcome": "not_reached", "took_ms": 3 },
                {
                    "id": "T009",
                    "outcome": "failed",
                    "detail": "tenant `T009` is not known; `Tenancy::create` makes a new one",
                    "took_ms": 3,
                },
            ],
            "took_ms": 7,
        })
    );
    let sum = fleet
        .tenancy
        .aggregate(over(), 0, count, |sum, _, n| *sum += n);
    let json = serde_json::to_value(sum.unwrap()).unwrap();
    assert_eq!((&json["value"], &json["failed"]), (&3.into(), &1.into()));
    assert_eq!(json["errors"][0]["id"], "T009");
}

#[test]
fn what_was_read_before_the_deadline_is_kept() {
    let fleet = fleet_of(5, 8);
    let none = FanOut::new().deadline(Duration::ZERO);
    let report = fleet.tenancy.for_each_tenant(none, count).unwrap();
    assert_eq!(report.not_reached().count(), 5);
    assert_eq!(fleet.tenancy.stats().in_use, 0);

    // The second tenant takes all the time there is: it is finished, and nobody comes after it.
    let within = Duration::from_millis(100);
    let over = || FanOut::new().parallelism(1).deadline(within);
    let started = Instant::now();
    let slow = |ctx: &mut ReadContext| {
        while ctx.tenant_id().as_str() == "T001" && started.elapsed() < within {
            std::thread::yield_now();
        }
        count(ctx)
    };
    let report = fleet.tenancy.for_each_tenant(over(), slow).unwrap();
    assert_eq!(report.done().map(|(_, n)| *n).collect::<Vec<_>>(), [1, 2]);
    let left: Vec<_> = report.not_reached().map(TenantId::as_str).collect();
    assert_eq!(left, ["T002", "T003", "T004"]);

    let started = Instant::now();
    let slow = |ctx: &mut ReadContext| {
        while started.elapsed() < within {
            std::thread::yield_now();
        }
        count(ctx)
    };
    let sum = fleet
        .tenancy
        .aggregate(over(), 0, slow, |sum, _, n| *sum += n)
        .unwrap();
    assert_eq!(
        (sum.value, sum.done, sum.failed, sum.not_reached),
        (1, 1, 0, 4)
    );
}

#[test]
fn one_snapshot_is_read() {
    let fleet = fleet_of(1, 8);
    let report = fleet.tenancy.for_each_tenant(FanOut::new(), |ctx| {
        let before = count(ctx)?;
        admit(&mut fleet.tenancy.tenant(&id("T000")).unwrap(), "meanwhile")?;
        Ok((before, count(ctx)?))
    });
    let seen: Vec<_> = report.unwrap().into_done().map(|(_, seen)| seen).collect();
    assert_eq!(seen, [(1, 1)]);
    assert_eq!(
        fleet
            .tenancy
            .tenant(&id("T000"))
            .unwrap()
            .read(count)
            .unwrap(),
        2
    );
}

/// A statement that lies about itself, written by hand: the only kind that gets past the types.
#[derive(QueryId)]
struct WritesInSecret;
impl Route for WritesInSecret {
    type Scope = TenantScope;
}
impl Tenant for WritesInSecret {}
impl Reads for WritesInSecret {}
impl QueryFragment<Sqlite> for WritesInSecret {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("DELETE FROM patients");
        Ok(())
    }
}
impl<C> diesel::query_dsl::RunQueryDsl<C> for WritesInSecret {}

#[test]
fn what_gets_past_the_types_is_refused_by_the_database() {
    let fleet = fleet_of(2, 8);
    let report = fleet
        .tenancy
        .for_each_tenant(FanOut::new(), |ctx| WritesInSecret.execute(ctx));
    assert_eq!(report.unwrap().failed().count(), 2);
    let mut ctx = fleet.tenancy.tenant(&id("T001")).unwrap();
    ctx.read(|ctx| WritesInSecret.execute(ctx)).unwrap_err();
    // Within a transaction that writes, too; and it may write again afterwards.
    ctx.transaction(|ctx| {
        ctx.read(|ctx| WritesInSecret.execute(ctx)).unwrap_err();
        assert_eq!(ctx.read(count)?, 2);
        admit(ctx, "after")
    })
    .unwrap();
    assert_eq!(ctx.read(count).unwrap(), 3);
    assert_eq!(WritesInSecret.execute(&mut ctx).unwrap(), 3);
}

/// A tenant that moves while it is read is worth another visit.
#[test]
fn a_tenant_that_gets_a_new_database_meanwhile_is_to_be_tried_again() {
    let fleet = fleet_of(1, 8);
    let report = fleet.tenancy.for_each_tenant(FanOut::new(), |ctx| {
        fleet.again().compact(&id("T000")).unwrap();
        // This process hears of it.
        fleet.tenancy.tenants().unwrap();
        count(ctx)
    });
    let report = report.unwrap();
    let (_, error) = report.failed().next().expect("the old database was read");
    assert!(error.is_retryable(), "{error:?}");
    let again = fleet.tenancy.for_each_tenant(FanOut::new(), count).unwrap();
    assert!(again.is_complete());
}

#[test]
fn one_connection_is_enough() {
    let fleet = fleet_of(5, 1);
    let caller = std::thread::current().id();
    let over = FanOut::new().parallelism(8);
    let report = fleet.tenancy.for_each_tenant(over, |ctx| {
        // More workers would only stand in line.
        assert_eq!(std::thread::current().id(), caller);
        count(ctx)
    });
    assert!(report.unwrap().is_complete());
    let stats = fleet.tenancy.stats();
    assert_eq!((stats.rejected, stats.in_use), (0, 0));
}

#[test]
fn no_more_tenants_are_open_at_a_time_than_there_are_workers() {
    let fleet = fleet_of(40, 16);
    let (open, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let over = FanOut::new().parallelism(3);
    let report = fleet.tenancy.for_each_tenant(over, |ctx| {
        most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        assert!(fleet.tenancy.stats().in_use <= 3);
        let counted = count(ctx);
        open.fetch_sub(1, Ordering::SeqCst);
        counted
    });
    assert!(report.unwrap().is_complete());
    assert!(most.into_inner() <= 3);
}

/// Without the closing of what it opened itself, a walk over more tenants than there are connections closes every
/// connection the application has.
#[test]
fn the_application_keeps_its_connections() {
    let fleet = fleet_of(60, 12);
    let hot: Vec<_> = (50..58)
        .map(|n| fleet.tenancy.handle(&id(&format!("T{n:03}"))).unwrap())
        .collect();
    let use_all = || hot.iter().for_each(|tenant| drop(tenant.enter().unwrap()));
    use_all();
    let before = fleet.tenancy.stats();
    let over = FanOut::new()
        .parallelism(2)
        .filter(|tenant| tenant.id.as_str() < "T050");
    assert!(
        fleet
            .tenancy
            .for_each_tenant(over, count)
            .unwrap()
            .is_complete()
    );
    let walked = fleet.tenancy.stats();
    assert!(
        walked.evicted - before.evicted <= 2,
        "{before:?} {walked:?}"
    );
    use_all();
    let after = fleet.tenancy.stats();
    assert!(after.opened - walked.opened <= 2, "{walked:?} {after:?}");
    // Where there is room, they stay open for the next one.
    let few = || FanOut::new().parallelism(1).only([id("T055"), id("T056")]);
    fleet.tenancy.for_each_tenant(few(), count).unwrap();
    let opened = fleet.tenancy.stats().opened;
    fleet.tenancy.for_each_tenant(few(), count).unwrap();
    assert_eq!(fleet.tenancy.stats().opened, opened);
}

/// What has been read and not been folded yet, and the most there ever was of it.
struct Loaded(Arc<(AtomicUsize, AtomicUsize)>);

impl Loaded {
    fn new(counter: &Arc<(AtomicUsize, AtomicUsize)>) -> Self {
        let now = counter.0.fetch_add(1, Ordering::SeqCst) + 1;
        counter.1.fetch_max(now, Ordering::SeqCst);
        Self(Arc::clone(counter))
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn an_aggregate_holds_few_tenants_at_a_time() {
    let fleet = fleet_of(60, 8);
    let loaded = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let mut left = 60;
    let over = FanOut::new().parallelism(2);
    // Each of two workers has one in hand, two wait in line, and one is folded.
    let most = 2 + 2 + 1;
    let read = |ctx: &mut ReadContext| Ok((count(ctx)?, Loaded::new(&loaded)));
    let sum = fleet.tenancy.aggregate(over, 0, read, |sum, _, (n, one)| {
        // As slow as it gets: until nobody can go on without us.
        while loaded.0.load(Ordering::SeqCst) < most.min(left) {
            std::thread::yield_now();
        }
        left -= 1;
        *sum += n;
        drop(one);
    });
    assert_eq!(sum.unwrap().value, (1..=60).sum::<i64>());
    assert_eq!(loaded.1.load(Ordering::SeqCst), most);
}

#[test]
fn a_panic_in_the_fold_reaches_the_caller() {
    let fleet = fleet_of(30, 8);
    let folded = catch_unwind(AssertUnwindSafe(|| {
        let over = FanOut::new().parallelism(4);
        fleet
            .tenancy
            .aggregate(over, (), count, |(), _, _| panic!("the application's"))
    }));
    let panic = folded.expect_err("it was swallowed");
    assert_eq!(panic.downcast_ref(), Some(&"the application's"));
    assert_eq!(fleet.tenancy.stats().in_use, 0);
}

#[test]
fn so_many_errors_are_kept_and_all_are_counted() {
    let fleet = fleet_of(3, 8);
    let over = FanOut::new().keep_errors(2);
    let sum = fleet
        .tenancy
        .aggregate(over, (), |_| Err::<(), _>(diesel::NotFound), |(), _, ()| {});
    let sum = sum.unwrap();
    assert_eq!((sum.done, sum.failed, sum.errors.len()), (0, 3, 2));
    assert!(!sum.is_complete());
}

// Many tenants, few connections and descriptors.

fn many() -> usize {
    match std::env::var("DIESEL_TENANTS_SWEEP").as_deref() {
        Ok("full") => 10_000,
        _ => 1_000,
    }
}
const BUDGET: usize = 8;
const DAMAGED: usize = 5;
const DESCRIPTORS: u64 = 128;

#[test]
fn many_tenants_are_summed_up_within_a_small_budget() {
    let directory = crate::scratch::dir();
    let mut actor = Actor::spawn("sum up", &directory.path().join("data"));
    let mut hear = || actor.hear().expect("it died");
    println!("{} tenants: {}", many(), hear());
    for round in ["with eight at a time", "with one at a time"] {
        // The sum of the numbers of all tenants but the damaged ones, which are the first.
        let sum: usize = (DAMAGED..many()).sum();
        assert_eq!(hear(), format!("{sum} of {}", many() - DAMAGED), "{round}");
        assert_eq!(
            hear(),
            "T00000 T00001 T00002 T00003 T00004 failed",
            "{round}"
        );
        let most: usize = hear().parse().unwrap();
        assert!(most <= BUDGET, "{round}: {most} connections");
        assert_eq!(hear(), "0 rejected", "{round}");
        println!("{round}: {}", hear());
    }
    assert!(actor.wait().success());
}

/// What the child of the test above does.
pub(crate) fn play(part: &str, root: &Path) -> bool {
    if part != "sum up" {
        return false;
    }
    let limit = rustix::process::Rlimit {
        current: Some(DESCRIPTORS),
        maximum: Some(DESCRIPTORS),
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let pool = PoolConfig::default().with_max_connections(BUDGET).unwrap();
    let tenancy = builder(root).pool(pool).open().unwrap();
    let started = Instant::now();
    for number in 0..many() {
        let new = NewTenant::named(number.to_string());
        tenancy.create(&id(&format!("T{number:05}")), new).unwrap();
    }
    let created = started.elapsed();
    for tenant in std::fs::read_dir(root.join("tenants")).unwrap() {
        let tenant = tenant.unwrap();
        if tenant.file_name().to_str().unwrap() < format!("t{DAMAGED:05}").as_str() {
            std::fs::write(tenant.path().join("g1.sqlite3"), [7; 8192]).unwrap();
        }
    }
    say(format!("created in {created:?}"));
    for workers in [BUDGET, 1] {
        let most = AtomicUsize::new(0);
        let read = |ctx: &mut ReadContext| {
            most.fetch_max(tenancy.stats().open, Ordering::SeqCst);
            count(ctx)
        };
        let over = FanOut::new().parallelism(workers);
        let sum = tenancy.aggregate(over, 0, read, |sum, tenant, patients| {
            assert_eq!(patients, 0);
            *sum += tenant.as_str()[1..].parse::<usize>().unwrap();
        });
        let sum = sum.unwrap();
        say(format!("{} of {}", sum.value, sum.done));
        let failed: BTreeSet<_> = sum.errors.iter().map(|(id, _)| id.as_str()).collect();
        say(format!("{} failed", Vec::from_iter(failed).join(" ")));
        say(most.into_inner());
        say(format!("{} rejected", tenancy.stats().rejected));
        say(format!("{:?}", sum.took));
    }
    true
}
