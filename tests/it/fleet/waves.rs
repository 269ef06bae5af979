//! Waves go one after the other, and a run ends at the failure too many.
use super::*;

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
