//! A run is stopped by whoever says so, and gone on with whatever it was begun for.
use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel_tenants::audit::AuditFilter;

use super::*;

/// Begins a run and dies over its second tenant.
fn interrupted(tenancy: &Tenancy, options: MigrateFleet) -> uuid::Uuid {
    let count = AtomicUsize::new(0);
    let options = options.workers(1).before_each(move |_| {
        assert!(count.fetch_add(1, Ordering::Relaxed) == 0, "dies here");
        Ok(())
    });
    let died = catch_unwind(AssertUnwindSafe(|| tenancy.migrate_fleet(&options, |_| {})));
    assert!(died.is_err());
    let run = &tenancy.fleet_runs().unwrap()[0];
    assert_eq!(run.outcome, RunOutcome::Interrupted);
    assert_eq!(run.totals.done, 1);
    run.id
}

#[test]
fn what_is_begun_is_finished_and_nothing_else_is_begun() {
    let fleet = old_fleet(&["A1", "B1", "C1"]);
    let new = new_program(&fleet);
    let other = new_program(&fleet);
    let (options, touched) = watched(all_at_once().workers(1));
    let report = new
        .migrate_fleet(&options, |progress| {
            // Said by another process, while the first one has more to do.
            if progress.finished_here == 1 {
                assert!(other.stop_fleet_run(progress.run).unwrap());
            }
        })
        .unwrap();
    assert_eq!(report.outcome, RunOutcome::Stopped);
    assert_eq!((report.totals.done, report.totals.left), (1, 2));
    assert_eq!(*touched.lock(), ["A1"]);
    let run = report.run.unwrap();
    assert!(!other.stop_fleet_run(run).unwrap(), "it is finished");
    let actions = other.audit_entries(&AuditFilter::all(), 100).unwrap();
    let actions: Vec<_> = actions.iter().map(|entry| entry.action.as_str()).collect();
    let stop = actions.iter().filter(|&&a| a == "migrate-fleet.stop");
    assert_eq!(stop.count(), 1, "{actions:?}");
    // What is left is left for the next call.
    let report = migrate(&new, &all_at_once());
    assert!(report.is_success() && report.run != Some(run));
    assert_migrated(&new);
    let unknown = new.stop_fleet_run(uuid::Uuid::nil());
    assert!(matches!(unknown, Err(FleetError::UnknownRun { .. })));
}

#[test]
fn a_run_nobody_works_on_is_finished_by_stopping_it() {
    let fleet = old_fleet(&["A1", "B1", "C1"]);
    let new = new_program(&fleet);
    let run = interrupted(&new, all_at_once());
    assert!(new.stop_fleet_run(run).unwrap());
    let report = new.fleet_run(run).unwrap();
    assert_eq!(report.outcome, RunOutcome::Stopped);
    assert!(report.finished_at.is_some());
    assert_eq!((report.totals.done, report.totals.left), (1, 2));
    let report = migrate(&new, &all_at_once());
    assert!(report.is_success() && !report.resumed, "{report:?}");
}

#[test]
fn a_run_for_chosen_tenants_is_gone_on_with_for_those() {
    let fleet = old_fleet(&["A1", "B1", "C1", "D1"]);
    let new = new_program(&fleet);
    let run = interrupted(&new, all_at_once().only([id("B1"), id("C1")]));
    // By a program that migrates to something else it is not.
    let refused = fleet
        .tenancy
        .resume_fleet_run(run, &all_at_once(), |_| {})
        .unwrap_err();
    assert!(matches!(refused, FleetError::OtherTarget { id, .. } if id == run));
    assert!(refused.to_string().contains(ARCHIVE), "{refused}");
    let (options, touched) = watched(all_at_once());
    let report = new.resume_fleet_run(run, &options, |_| {}).unwrap();
    assert!(report.is_success() && report.resumed && !report.joined);
    assert_eq!(report.run, Some(run));
    assert_eq!(*touched.lock(), ["C1"]);
    assert_eq!(states(&report).len(), 2);
    // Of one that is finished it is the report.
    let again = new.resume_fleet_run(run, &options, |_| {}).unwrap();
    assert!(again.is_success() && !again.resumed);
    assert_eq!(*touched.lock(), ["C1"]);
    let unknown = new.resume_fleet_run(uuid::Uuid::nil(), &options, |_| {});
    assert!(matches!(unknown, Err(FleetError::UnknownRun { .. })));
}
