//! The whole fleet is migrated as one run: in waves, by several processes, past failing tenants, and to the end.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
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
mod stopped;

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
fn a_failing_tenant_is_named_with_the_databases_words_and_the_rest_goes_on() {
    let fleet = old_fleet(&["A1", "B1", "C1", "D1", "E1"]);
    let set = MigrationSet::new([
        wards(),
        archive(),
        MigrationScript::new(
            "20260103000000",
            "one_name",
            "CREATE UNIQUE INDEX patients_name ON patients (name); ALTER TABLE visits RENAME COLUMN reason TO why;",
        ),
    ]);
    poison(&fleet, "B1");
    for _ in 0..2 {
        admit(&mut fleet.tenancy.tenant(&id("C1")).unwrap(), "secret").unwrap();
    }
    meddle(
        &fleet,
        "D1",
        "ALTER TABLE visits RENAME COLUMN reason TO other",
    );
    let new = with_migrations(&fleet, set);
    let report = migrate(&new, &all_at_once());
    assert_eq!(report.outcome, RunOutcome::Failed);
    assert!(!report.is_success());
    assert_eq!((report.totals.done, report.totals.failed), (2, 3));
    let said: Vec<_> = report
        .failures()
        .map(|it| {
            let error = it.error.as_ref().unwrap();
            assert_eq!(error.kind, FailureKind::MigrationFailed);
            assert!(
                matches!(
                    **error.error.as_ref().unwrap(),
                    TenantError::Migrate(LifecycleError::Migrate { .. })
                ),
                "{error:?}"
            );
            (
                it.id.to_string(),
                it.applied.join(","),
                error.message.clone(),
            )
        })
        .collect();
    let expected = [
        (
            "B1",
            "",
            "tenant `B1` could not be migrated: migration `20260102000000` (archive) failed and was rolled back: \
             table archive already exists",
        ),
        (
            "C1",
            ARCHIVE,
            "tenant `C1` could not be migrated: migration `20260103000000` (one_name) failed and was rolled back: \
             UNIQUE constraint failed: patients.name",
        ),
        (
            "D1",
            ARCHIVE,
            "tenant `D1` could not be migrated: migration `20260103000000` (one_name) failed and was rolled back: \
             no such column: \"reason\"",
        ),
    ];
    let expected = expected.map(|(id, applied, text)| (id.into(), applied.into(), text.to_owned()));
    assert_eq!(said, expected);

    // The catalogue keeps it, for other processes too.
    let run = report.run.unwrap();
    let kept = new_program(&fleet).fleet_run(run).unwrap();
    assert_eq!(states(&kept), states(&report));
    let messages = |report: &FleetReport| -> Vec<_> {
        report
            .failures()
            .map(|it| it.error.as_ref().map(|e| (e.kind, e.message.clone())))
            .collect()
    };
    assert_eq!(messages(&kept), messages(&report));
    let text = serde_json::to_string(&kept).unwrap();
    assert!(!text.contains("secret"), "{text}");
    world::check_with(&fleet.root, |b| {
        b.tenant_migrations(MigrationSet::new([wards(), archive()]))
    });
}

#[test]
fn waves_go_one_after_the_other_and_begin_with_whom_they_should() {
    let ids = numbered(9);
    let fleet = old_fleet(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    let new = new_program(&fleet);
    let events = Arc::new(Mutex::new(Vec::new()));
    let begun = Arc::clone(&events);
    let options = MigrateFleet::default()
        .workers(4)
        .first([id("T0007"), id("T0003")])
        .waves([Wave::Count(2), Wave::Percent(34), Wave::Rest])
        .before_each(move |tenant| {
            begun.lock().push(tenant.id.to_string());
            Ok(())
        });
    let mut finished = Vec::new();
    let report = new
        .migrate_fleet(&options, |progress| {
            let tenant = progress.last.as_ref().expect("nobody else is at work");
            finished.push((progress.wave, tenant.id.to_string()));
        })
        .unwrap();
    assert!(report.is_success());
    assert_eq!(report.waves, 3);
    assert!(finished.is_sorted_by_key(|(wave, _)| *wave), "{finished:?}");
    let order = events.lock().clone();
    let mut first = order[..2].to_vec();
    first.sort();
    assert_eq!(first, ["T0003", "T0007"]);
    let mut second = order[2..6].to_vec();
    second.sort();
    assert_eq!(second, ["T0000", "T0001", "T0002", "T0004"]);
    let waves: Vec<_> = report.tenants.iter().map(|it| it.wave.unwrap()).collect();
    assert_eq!(waves, [1, 1, 2, 2, 2, 2, 3, 3, 3]);
}

#[test]
fn a_failing_canary_stops_the_run_and_the_rest_stays_as_it_was() {
    let fleet = old_fleet(&["A1", "B1", "C1", "D1"]);
    poison(&fleet, "A1");
    let new = new_program(&fleet);
    let (options, touched) = watched(MigrateFleet::default().stop_after(StopRule::Never));
    let report = migrate(&new, &options);
    assert_eq!(report.outcome, RunOutcome::Stopped);
    assert!(!report.is_success());
    assert_eq!(*touched.lock(), ["A1"]);
    assert_eq!((report.totals.failed, report.totals.left), (1, 3));
    assert_eq!(count(&report, TenantState::Pending), 3);
    for other in ["B1", "C1", "D1"] {
        assert!(
            fleet.tenancy.tenant(&id(other)).is_ok(),
            "{other} was touched"
        );
    }
    assert_eq!(new.fleet_runs().unwrap()[0].outcome, RunOutcome::Stopped);

    // Told otherwise, it goes on.
    let (options, touched) = watched(all_at_once().waves([Wave::Count(1)]).canaries_may_fail());
    let report = migrate(&new, &options);
    assert_eq!(report.outcome, RunOutcome::Failed);
    assert_eq!((touched.lock().len(), report.totals.done), (4, 3));

    // Once mended, only what is left is touched.
    meddle(&fleet, "A1", "DROP TABLE archive");
    let (options, touched) = watched(MigrateFleet::default());
    assert!(migrate(&new, &options).is_success());
    assert_eq!(*touched.lock(), ["A1"]);
    let outcomes: Vec<_> = new
        .fleet_runs()
        .unwrap()
        .iter()
        .map(|it| it.outcome)
        .collect();
    use RunOutcome::*;
    assert_eq!(outcomes, [Done, Failed, Stopped]);
    world::check(&fleet.root);
}

#[test]
fn the_stop_rule_ends_a_run_at_the_failure_too_many() {
    let ids = numbered(10);
    let fleet = old_fleet(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    for failing in ["T0002", "T0004", "T0006"] {
        poison(&fleet, failing);
    }
    let new = new_program(&fleet);
    // Named as the first, or those that have failed would come last from then on, and end nothing.
    let all = || ids.iter().map(|it| id(it));
    let one_by_one = || all_at_once().workers(1).first(all());
    for (rule, stops_after) in [
        (StopRule::Failures(0), 3),
        (StopRule::Failures(1), 3),
        (StopRule::Percent(30), 4),
        (StopRule::Never, 6),
    ] {
        let (options, touched) = watched(one_by_one().stop_after(rule));
        let report = migrate(&new, &options);
        let stopped = report.outcome == RunOutcome::Stopped;
        assert_eq!(stopped, rule != StopRule::Never, "{rule:?} {report:?}");
        // Those that were migrated are no part of the next run; those that failed come again.
        let touched = touched.lock();
        assert_eq!(touched.len(), stops_after, "{rule:?} {touched:?}");
        if stopped {
            let left = report.totals.left as usize;
            assert_eq!(count(&report, TenantState::Pending), left, "{rule:?}");
        }
    }
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
    let (reached, is_reached) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let hold = Mutex::new(Some((reached, may_go_on)));
    let options = all_at_once().workers(1).before_each(move |_| {
        if let Some((reached, may_go_on)) = hold.lock().take() {
            reached.send(()).unwrap();
            may_go_on.recv().unwrap();
        }
        Ok(())
    });
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

#[test]
fn a_tenant_that_is_locked_is_waited_for_no_longer_than_it_may_take() {
    let fleet = old_fleet(&["A1", "B1"]);
    let new = new_program(&fleet);
    let mut ctx = fleet.tenancy.tenant(&id("A1")).unwrap();
    ctx.transaction(|ctx| {
        admit(ctx, "in the middle")?;
        let started = Instant::now();
        let report = migrate(
            &new,
            &all_at_once().tenant_timeout(Duration::from_millis(150)),
        );
        assert!(
            started.elapsed() < Duration::from_secs(4),
            "{:?}",
            started.elapsed()
        );
        let failed = report.tenant(&id("A1")).unwrap();
        let error = failed.error.as_ref().unwrap();
        assert_eq!(error.kind, FailureKind::Locked, "{error:?}");
        assert!(failed.duration.unwrap() >= Duration::from_millis(100));
        assert_eq!(report.totals.done, 1);
        QueryResult::Ok(())
    })
    .unwrap();
    // Longer than the other one's transaction lasts: it waits and goes on.
    let (begun, has_begun) = mpsc::channel();
    std::thread::scope(|threads| {
        let holder = threads.spawn(|| {
            ctx.transaction(|ctx| {
                begun.send(()).unwrap();
                // Until the run has met the lock: it is in the catalogue's journal by then.
                let waiting = || open_operations(&new) > 0;
                while !waiting() {
                    std::thread::yield_now();
                }
                admit(ctx, "and more")
            })
            .unwrap();
        });
        has_begun.recv().unwrap();
        assert!(migrate(&new, &all_at_once()).is_success());
        holder.join().unwrap();
    });
    assert_eq!(
        names(&mut new.tenant(&id("A1")).unwrap()),
        ["in the middle", "and more"]
    );
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

/// What no timeout can interrupt is finished, and said.
#[test]
fn a_script_that_runs_too_long_is_finished_and_nothing_is_begun_after_it() {
    let fleet = old_fleet(&["A1"]);
    meddle(
        &fleet,
        "A1",
        "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 200)
         INSERT INTO patients (name, ward) SELECT x, 'A' FROM n",
    );
    let set = MigrationSet::new([
        wards(),
        MigrationScript::new(
            ARCHIVE,
            "slow",
            "CREATE TABLE slow AS SELECT sum(length(hex(a.name || b.name || c.name))) AS n FROM patients a, patients b, patients c;",
        ),
        MigrationScript::new("20260103000000", "next", "CREATE TABLE next (id INTEGER);"),
    ]);
    let new = with_migrations(&fleet, set);
    let options = all_at_once().tenant_timeout(Duration::from_millis(500));
    let report = migrate(&new, &options);
    let [tenant] = &report.tenants[..] else {
        panic!("{report:?}")
    };
    assert!(tenant.overran);
    assert_eq!(tenant.applied, [ARCHIVE]);
    let error = tenant.error.as_ref().unwrap();
    assert_eq!(error.kind, FailureKind::OutOfTime);
    assert!(
        error
            .message
            .contains("before migration `20260103000000` was begun"),
        "{error:?}"
    );
    let report = migrate(&new, &all_at_once());
    assert_eq!(report.tenants[0].applied, ["20260103000000"]);
    assert!(report.is_success() && !report.tenants[0].overran);
}

#[test]
fn the_plan_says_what_would_be_applied_where_and_changes_nothing() {
    let fleet = old_fleet(&["A1", "B1", "C1"]);
    fleet.tenancy.suspend(&id("C1")).unwrap();
    let new = new_program(&fleet);
    new.migrate_tenant(&id("A1")).unwrap();
    for deep in [false, true] {
        let options = match deep {
            false => MigrateFleet::default(),
            true => MigrateFleet::default().deep(),
        };
        let plan = match deep {
            false => without_databases(&fleet.root, || new.plan_fleet(&options).unwrap()),
            true => new.plan_fleet(&options).unwrap(),
        };
        let json = serde_json::to_value(&plan).unwrap();
        assert_eq!(
            json["tenants"],
            serde_json::json!([
                { "id": "B1", "status": "active", "version": WARDS, "action": "migrate",
                  "pending": [{ "version": ARCHIVE, "name": "archive" }] },
                { "id": "C1", "status": "suspended", "version": WARDS, "action": "migrate",
                  "pending": [{ "version": ARCHIVE, "name": "archive" }] },
                { "id": "A1", "status": "active", "version": ARCHIVE, "action": "up_to_date" },
            ])
        );
        assert_eq!(json["waves"], serde_json::json!([1, 1]));
        assert_eq!(plan.target_version.as_deref(), Some(ARCHIVE));
        assert_eq!(json["target_digest"].as_str().unwrap().len(), 64);
    }
    assert!(new.fleet_runs().unwrap().is_empty());
    assert!(fleet.tenancy.tenant(&id("B1")).is_ok(), "it was migrated");
}

/// What programs read.
#[test]
fn the_report_as_json() {
    let fleet = old_fleet(&["A1", "B1", "C1"]);
    poison(&fleet, "B1");
    let new = new_program(&fleet);
    new.migrate_tenant(&id("C1")).unwrap();
    let report = migrate(&new, &all_at_once().workers(1));
    let mut json = serde_json::to_value(&report).unwrap();
    let number = |value: &mut serde_json::Value| {
        assert!(value.take().as_u64().is_some());
    };
    number(&mut json["started_at"]);
    number(&mut json["finished_at"]);
    number(&mut json["tenants"][0]["duration_ms"]);
    number(&mut json["tenants"][1]["duration_ms"]);
    let run: uuid::Uuid = json["run"].take().as_str().unwrap().parse().unwrap();
    let digest = json["target_digest"].take();
    let same = |wave: serde_json::Value, id: &str, state: &str| {
        serde_json::json!({
            "id": id, "state": state, "wave": wave, "from": ARCHIVE, "to": ARCHIVE, "applied": [],
            "duration_ms": null, "overran": false, "drifted": false, "backup": null, "attempts": 0, "skipped_because": null, "error": null,
        })
    };
    let expected = serde_json::json!({
        "run": null, "outcome": "failed", "target_version": ARCHIVE, "target_digest": null,
        "resumed": false, "joined": false, "started_at": null, "finished_at": null, "waves": 1,
        "totals": { "up_to_date": 1, "done": 1, "failed": 1, "skipped": 0, "left": 0 },
        "tenants": [
            { "id": "A1", "state": "done", "wave": 1, "from": WARDS, "to": ARCHIVE, "applied": [ARCHIVE],
              "duration_ms": null, "overran": false, "drifted": false, "backup": null, "attempts": 1, "skipped_because": null, "error": null },
            { "id": "B1", "state": "failed", "wave": 1, "from": WARDS, "to": WARDS, "applied": [],
              "duration_ms": null, "overran": false, "drifted": false, "backup": null, "attempts": 1, "skipped_because": null,
              "error": { "kind": "migration_failed",
                         "message": "tenant `B1` could not be migrated: migration `20260102000000` (archive) failed and \
                                     was rolled back: table archive already exists" } },
            same(serde_json::Value::Null, "C1", "up_to_date"),
        ],
    });
    assert_eq!(json, expected);

    let listed = serde_json::to_value(new.fleet_runs().unwrap()).unwrap();
    assert_eq!(listed[0]["id"].as_str().unwrap(), run.to_string());
    assert_eq!(listed[0]["target_digest"], digest);
    assert_eq!(listed[0]["totals"]["failed"], 1);
    let unknown = new.fleet_run(uuid::Uuid::nil()).unwrap_err();
    assert!(
        matches!(unknown, FleetError::UnknownRun { .. }),
        "{unknown:?}"
    );
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
