//! The whole fleet is migrated as one run: in waves, by several processes, past failing tenants, and to the end.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel_tenants::LifecycleError;
use diesel_tenants::fleet::{
    FailureKind, FleetError, FleetReport, MigrateFleet, PlannedAction, RunOutcome, StopRule,
    TenantError, TenantState, Wave,
};
use diesel_tenants::prelude::*;
use parking_lot::Mutex;

use crate::actors::{Actor, say, told};
use crate::app::{Fleet, admit, archive, builder, fleet_with, names, wards};
use crate::world;

mod careful;
mod drifted;
mod faults;
mod killed;
mod known_bad;
mod many;
mod refused;
mod report;
mod stopped;
mod timeouts;
mod waves;

const WARDS: &str = "20260101000000";
const ARCHIVE: &str = "20260102000000";

/// A fleet whose tenants have the first migration, opened by the program that knew no other.
fn old_fleet(ids: &[&str]) -> Fleet {
    let fleet = fleet_with(|builder| builder.tenant_migrations(wards()));
    for id in ids {
        fleet.create(id);
    }
    fleet
}

/// The same directory, opened by the program that brings the second migration.
fn new_program(fleet: &Fleet) -> Tenancy {
    fleet.again()
}

fn with_migrations(fleet: &Fleet, set: impl Into<MigrationSet>) -> Tenancy {
    builder(&fleet.root).tenant_migrations(set).open().unwrap()
}

fn id(id: &str) -> TenantId {
    id.parse().unwrap()
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("T{number:04}")).collect()
}

/// All tenants at once, past every failure.
fn all_at_once() -> MigrateFleet {
    MigrateFleet::default()
        .waves([])
        .stop_after(StopRule::Never)
        .workers(2)
}

fn migrate(tenancy: &Tenancy, options: &MigrateFleet) -> FleetReport {
    tenancy.migrate_fleet(options, |_| {}).unwrap()
}

/// Does something to a tenant's database that no migration knows of.
fn meddle(fleet: &Fleet, tenant: &str, sql: &str) {
    let mut ctx = fleet.tenancy.tenant(&id(tenant)).unwrap();
    ctx.unrouted("test", |raw| raw.connection().batch_execute(sql))
        .unwrap();
}

/// Makes the second migration fail on this tenant.
fn poison(fleet: &Fleet, tenant: &str) {
    meddle(fleet, tenant, "CREATE TABLE archive (id INTEGER)");
}

fn states(report: &FleetReport) -> BTreeMap<String, TenantState> {
    let tenants = report.tenants.iter();
    tenants
        .map(|tenant| (tenant.id.to_string(), tenant.state))
        .collect()
}

fn count(report: &FleetReport, state: TenantState) -> usize {
    let tenants = report.tenants.iter();
    tenants.filter(|tenant| tenant.state == state).count()
}

/// Options that count the tenants that are touched, and the names of those that were, in order.
fn watched(options: MigrateFleet) -> (MigrateFleet, Arc<Mutex<Vec<String>>>) {
    let touched = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&touched);
    let options = options.before_each(move |tenant| {
        into.lock().push(tenant.id.to_string());
        Ok(())
    });
    (options, touched)
}

/// Options that hold this tenant once it is taken, which the receiver hears of, until the sender says to go on.
fn held(options: MigrateFleet, at: &str) -> (MigrateFleet, Receiver<()>, Sender<()>) {
    let (reached, is_reached) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let (at, hold) = (id(at), Mutex::new((reached, may_go_on)));
    let options = options.before_each(move |tenant| {
        if tenant.id == at {
            let (reached, may_go_on) = &*hold.lock();
            reached.send(()).unwrap();
            may_go_on.recv().unwrap();
        }
        Ok(())
    });
    (options, is_reached, go_on)
}

/// Runs `f` while the tenants' databases are not there: who opens one fails.
fn without_databases<T>(root: &Path, f: impl FnOnce() -> T) -> T {
    let (tenants, away) = (root.join("tenants"), root.join("away"));
    std::fs::rename(&tenants, &away).unwrap();
    let done = f();
    assert!(
        !tenants.exists(),
        "something was made where the databases were"
    );
    std::fs::rename(&away, &tenants).unwrap();
    done
}

/// Asserts that every tenant has both migrations, each once, by its own ledger.
fn assert_migrated(tenancy: &Tenancy) {
    let plan = tenancy.plan_fleet(&MigrateFleet::default().deep()).unwrap();
    for tenant in &plan.tenants {
        assert_eq!(tenant.action, PlannedAction::UpToDate, "{tenant:?}");
        assert_eq!(tenant.version.as_deref(), Some(ARCHIVE), "{tenant:?}");
    }
}

fn open_operations(tenancy: &Tenancy) -> i64 {
    use diesel::sql_types::BigInt;
    let mut shared = tenancy.shared().unwrap();
    shared
        .unrouted("test", |raw| {
            let open = "(SELECT count(*) FROM __tenants_operations WHERE finished_at IS NULL)";
            diesel::select(diesel::dsl::sql::<BigInt>(open)).get_result(raw)
        })
        .unwrap()
}

#[test]
fn every_tenant_gets_what_it_lacks_and_keeps_its_rows() {
    let fleet = old_fleet(&["A1", "B1", "C1"]);
    admit(&mut fleet.tenancy.tenant(&id("A1")).unwrap(), "kept").unwrap();
    fleet.tenancy.suspend(&id("B1")).unwrap();
    fleet.tenancy.suspend(&id("C1")).unwrap();
    fleet.tenancy.archive(&id("C1")).unwrap();

    let new = new_program(&fleet);
    new.create(&id("D1"), NewTenant::named("born later"))
        .unwrap();
    let mut seen = Vec::new();
    let report = new
        .migrate_fleet(&MigrateFleet::default(), |progress| {
            let last = progress.last.as_ref().map(|tenant| tenant.id.to_string());
            seen.extend(last);
            assert_eq!((progress.total(), progress.waves), (3, 3));
            assert_eq!(progress.totals.done as usize, seen.len());
            assert_eq!(progress.wave as usize, seen.len());
            assert!(progress.remaining().is_some());
        })
        .unwrap();
    assert_eq!(seen, ["A1", "B1", "C1"]);
    assert!(report.is_success() && !report.resumed && !report.joined);
    assert_eq!((report.totals.done, report.totals.up_to_date), (3, 1));
    let a1 = report.tenant(&id("a1")).unwrap();
    assert_eq!(a1.applied, [ARCHIVE]);
    assert_eq!(
        (a1.from.as_deref(), a1.to.as_deref()),
        (Some(WARDS), Some(ARCHIVE))
    );
    assert_eq!((a1.wave, a1.attempts, a1.overran), (Some(1), 1, false));
    assert_eq!(
        report.tenant(&id("D1")).unwrap().state,
        TenantState::UpToDate
    );

    // Each is as it was in every other respect.
    assert_eq!(names(&mut new.tenant(&id("A1")).unwrap()), ["kept"]);
    let statuses: Vec<_> = new.tenants().unwrap().iter().map(|it| it.status).collect();
    use Status::*;
    assert_eq!(statuses, [Active, Suspended, Archived, Active]);
    assert_migrated(&new);
    world::check(&fleet.root);
}

#[test]
fn a_run_with_nothing_to_do_opens_no_tenant_and_writes_nothing() {
    let fleet = old_fleet(&["A1", "B1", "C1"]);
    let new = new_program(&fleet);
    assert!(migrate(&new, &MigrateFleet::default()).is_success());
    // Another process, which has nothing cached, and this one.
    for tenancy in [new.clone(), new_program(&fleet)] {
        without_databases(&fleet.root, || {
            let plan = tenancy.plan_fleet(&MigrateFleet::default()).unwrap();
            assert!(plan.is_empty());
            let report = migrate(&tenancy, &MigrateFleet::default());
            assert!(report.is_success() && report.run.is_none());
            assert_eq!(count(&report, TenantState::UpToDate), 3);
        });
        assert_eq!(tenancy.fleet_runs().unwrap().len(), 1);
    }
    // That this would have been noticed: a deep run opens them all.
    without_databases(&fleet.root, || {
        let report = migrate(&new, &all_at_once().deep());
        assert_eq!(count(&report, TenantState::Failed), 3);
        for failed in report.failures() {
            assert_eq!(failed.error.as_ref().unwrap().kind, FailureKind::Missing);
        }
    });
    // Created and migrated one by one they are known as well.
    let other = old_fleet(&["A1"]);
    let new = new_program(&other);
    new.migrate_tenant(&id("A1")).unwrap();
    new.create(&id("B1"), NewTenant::named("x")).unwrap();
    new.compact(&id("B1")).unwrap();
    let report = without_databases(&other.root, || migrate(&new, &MigrateFleet::default()));
    assert_eq!(report.totals.up_to_date, 2);
}

/// A catalogue that an older build has written knows no ledger: it is looked at once.
#[test]
fn a_ledger_nobody_has_read_is_read_once_and_the_database_is_right() {
    let fleet = old_fleet(&["A1", "B1"]);
    let new = new_program(&fleet);
    migrate(&new, &all_at_once());
    let forget = "UPDATE __tenants_tenants SET ledger_digest = NULL;
                  UPDATE __tenants_tenants SET schema_version = '20260101000000', change_seq = change_seq + 100
                  WHERE tenant_id = 'B1';
                  UPDATE __tenants_catalog SET change_seq = change_seq + 100";
    let mut shared = new.shared().unwrap();
    shared
        .unrouted("test", |raw| raw.connection().batch_execute(forget))
        .unwrap();
    drop(shared);

    let new = new_program(&fleet);
    let plan = new.plan_fleet(&MigrateFleet::default()).unwrap();
    assert!(
        matches!(&plan.tenants[0].action, PlannedAction::Look { pending } if pending.is_empty()),
        "{plan:?}"
    );
    let (options, touched) = watched(all_at_once());
    let report = migrate(&new, &options);
    assert!(report.is_success());
    assert_eq!(touched.lock().len(), 2);
    for tenant in &report.tenants {
        assert_eq!(tenant.applied, [""; 0]);
        assert_eq!(tenant.to.as_deref(), Some(ARCHIVE));
    }
    assert_eq!(migrate(&new, &options).run, None);
    new.tenant(&id("B1")).unwrap();
}

#[test]
fn only_those_that_were_asked_for() {
    let fleet = old_fleet(&["A1", "B1", "C1", "D1"]);
    let new = new_program(&fleet);
    let (options, touched) = watched(all_at_once().only([id("a1"), id("C1")]));
    assert!(migrate(&new, &options).is_success());
    touched.lock().sort();
    assert_eq!(*touched.lock(), ["A1", "C1"]);
    let (options, touched) = watched(all_at_once().except([id("B1")]));
    let report = migrate(&new, &options);
    assert_eq!(*touched.lock(), ["D1"]);
    assert!(report.tenant(&id("B1")).is_none());
    let unknown = new.migrate_fleet(&all_at_once().only([id("Z9")]), |_| {});
    assert!(
        matches!(unknown, Err(FleetError::UnknownTenant { id: it }) if it == id("Z9")),
        "{unknown:?}"
    );
}

#[test]
fn who_is_being_made_moved_or_deleted_is_skipped_with_the_reason() {
    let fleet = old_fleet(&["A1", "B1", "C1", "D1"]);
    let set = |tenant: &str, status: &str| {
        let sql = format!(
            "UPDATE __tenants_catalog SET change_seq = change_seq + 1;
             UPDATE __tenants_tenants SET status = '{status}',
                change_seq = (SELECT change_seq FROM __tenants_catalog) WHERE tenant_id = '{tenant}'"
        );
        let mut shared = fleet.tenancy.shared().unwrap();
        shared
            .unrouted("test", |raw| raw.connection().batch_execute(&sql))
            .unwrap();
    };
    let new = new_program(&fleet);
    for (tenant, status) in [("B1", "failed"), ("C1", "deleting"), ("D1", "restoring")] {
        set(tenant, status);
    }
    let report = migrate(&new, &all_at_once());
    assert!(report.is_success(), "{report:?}");
    assert_eq!((report.totals.done, report.totals.skipped), (1, 3));
    let reasons: Vec<_> = report
        .tenants
        .iter()
        .filter_map(|it| it.skipped_because.as_deref())
        .collect();
    assert_eq!(
        reasons,
        [
            "the tenant is failed",
            "the tenant is deleting",
            "the tenant is restoring"
        ]
    );
    // Nothing else is to be done now, and they are skipped again.
    let again = migrate(&new, &all_at_once());
    assert_eq!((again.run, again.totals.skipped), (None, 3));
    for tenant in ["B1", "C1", "D1"] {
        set(tenant, "active");
    }
    assert_eq!(migrate(&new, &all_at_once()).totals.done, 3);
}

#[test]
fn what_has_to_be_done_before_is_done_or_the_tenant_stays_as_it_was() {
    let fleet = old_fleet(&["A1", "B1"]);
    let new = new_program(&fleet);
    let elsewhere = new.clone();
    let options = all_at_once().before_each(move |tenant| match tenant.id.as_str() {
        "A1" => Err("no room for a backup".into()),
        // It may do something that is an operation on the tenant by itself.
        _ => Ok(elsewhere.compact(&tenant.id).map(drop)?),
    });
    let report = migrate(&new, &options);
    let failed = report.tenant(&id("A1")).unwrap().error.clone().unwrap();
    assert_eq!(failed.kind, FailureKind::Before);
    assert_eq!(
        failed.message,
        "what was to be done before tenant `A1` is migrated failed: no room for a backup"
    );
    assert!(fleet.tenancy.tenant(&id("A1")).is_ok(), "it was migrated");
    assert_eq!(report.tenant(&id("B1")).unwrap().state, TenantState::Done);
    assert_eq!(new.tenants().unwrap()[1].generation, 2);
    // A panic in it is the caller's, and nobody waits for what it left.
    let options = all_at_once().before_each(|_| panic!("on purpose"));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        migrate(&new, &options);
    }));
    assert!(panicked.is_err());
    let report = migrate(&new, &all_at_once());
    assert!(report.is_success() && report.resumed, "{report:?}");
    world::check(&fleet.root);
}

#[test]
fn one_run_at_a_time_and_whoever_wants_the_same_joins() {
    let fleet = old_fleet(&["A1", "B1", "C1"]);
    let new = new_program(&fleet);
    let (options, is_reached, go_on) = held(all_at_once().workers(1), "A1");
    std::thread::scope(|threads| {
        let first = threads.spawn(|| migrate(&new, &options));
        is_reached.recv().unwrap();
        // Another one, from this process or another opening of the library.
        let other = new_program(&fleet);
        let running = &other.fleet_runs().unwrap()[0];
        assert_eq!(running.outcome, RunOutcome::Running);
        for tenancy in [&new, &other] {
            let refused = tenancy.migrate_fleet(&all_at_once().only([id("B1")]), |_| {});
            assert!(
                matches!(&refused, Err(FleetError::RunActive { id, .. }) if *id == running.id),
                "{refused:?}"
            );
            let refused = refused.unwrap_err();
            assert!(refused.is_retryable());
            let text = refused.to_string();
            assert!(
                text.contains(ARCHIVE) && text.contains("one run at a time"),
                "{text}"
            );
        }
        // Who has nothing to do is not in the way of anybody.
        let old = migrate(&fleet.tenancy, &all_at_once().only([id("A1")]));
        assert_eq!(old.run, None);
        // A tenant that was created meanwhile by an old program is taken along by the one that joins.
        fleet.create("D1");
        let (options, touched) = watched(all_at_once());
        let mut waited = false;
        let second = other
            .migrate_fleet(&options, |progress| {
                // It has done the others, and waits for the one that the first one holds.
                // One of its threads may wait while another has not done the last of them yet.
                if progress.last.is_none() && progress.totals.done == 3 && !waited {
                    waited = true;
                    go_on.send(()).unwrap();
                }
            })
            .unwrap();
        let first = first.join().unwrap();
        assert!(second.joined && !second.resumed && !first.joined);
        assert!(first.is_success() && second.is_success());
        assert_eq!(first.run, second.run);
        assert_eq!(states(&first), states(&second));
        assert_eq!(states(&first).len(), 4);
        assert_eq!(*touched.lock(), ["B1", "C1", "D1"]);
    });
    assert_migrated(&new);
}

/// The parts that other processes play in these tests.
pub(crate) fn play(part: &str, root: &Path) -> bool {
    match part {
        "migrate fleet" => {
            let tenancy = builder(root).open().unwrap();
            let report = migrate(&tenancy, &MigrateFleet::default().workers(1));
            say(format!("{}", report.outcome));
        }
        // Says whether it is done, and whether it took too long.
        "migrate fleet after a backup" => {
            let tenancy = builder(root).open().unwrap();
            let options = all_at_once().backup_first(true);
            let report = migrate(&tenancy, &options.tenant_timeout(careful::SHORT));
            say(format!("{} {}", report.outcome, report.tenants[0].overran));
        }
        "migrate fleet deep" => {
            let tenancy = builder(root).open().unwrap();
            migrate(&tenancy, &MigrateFleet::default().deep());
        }
        // Says each tenant that is finished.
        "migrate fleet aloud" => {
            let tenancy = builder(root).open().unwrap();
            let tell = |progress: &diesel_tenants::fleet::FleetProgress| {
                if let Some(tenant) = &progress.last {
                    say(tenant.id);
                }
            };
            let options = MigrateFleet::default().workers(2);
            tenancy.migrate_fleet(&options, tell).unwrap();
            say("over");
        }
        // Says how many tenants it has touched, and what became of the whole.
        "migrate fleet when told" => {
            let tenancy = builder(root).open().unwrap();
            let touched = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&touched);
            let options = MigrateFleet::default().workers(2).before_each(move |_| {
                counter.fetch_add(1, Ordering::Relaxed);
                Ok(())
            });
            say("ready");
            told();
            match tenancy.migrate_fleet(&options, |_| {}) {
                Ok(report) => {
                    assert_eq!(report.tenants.len(), 100);
                    say(format!(
                        "{} {}",
                        report.outcome,
                        touched.load(Ordering::Relaxed)
                    ));
                }
                Err(error) => say(format!("{error:?}")),
            }
        }
        "migrate fleet twice" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            told();
            match tenancy.migrate_fleet(&all_at_once().workers(1), |_| {}) {
                Ok(report) if report.is_success() => say("migrated"),
                Ok(report) => say(format!("{:?}", report.failures().collect::<Vec<_>>())),
                Err(error) => say(format!("{error:?}")),
            }
            told();
            // On this thread again: the failing calls are counted for each thread apart.
            let report = migrate(&tenancy, &all_at_once().workers(1));
            assert!(report.is_success(), "{report:?}");
            assert_eq!(migrate(&tenancy, &all_at_once()).run, None);
            say("done");
        }
        _ => return faults::play(part, root),
    }
    true
}
