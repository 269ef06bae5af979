//! A tenant that is known to fail keeps nobody from being migrated, whatever its id.
use super::*;

fn order(tenancy: &Tenancy) -> Vec<String> {
    let plan = tenancy.plan_fleet(&MigrateFleet::default()).unwrap();
    plan.tenants.iter().map(|it| it.id.to_string()).collect()
}

fn failed(report: &FleetReport) -> Vec<String> {
    report.failures().map(|it| it.id.to_string()).collect()
}

/// It was the canary of every run, which ended with everybody else left.
#[test]
fn who_failed_last_time_is_no_canary_and_ends_no_run() {
    let fleet = old_fleet(&["A1", "B1", "C1", "D1"]);
    poison(&fleet, "A1");
    poison(&fleet, "B1");
    let new = new_program(&fleet);
    let as_it_is = MigrateFleet::default;
    for first in ["A1", "B1"] {
        let report = migrate(&new, &as_it_is());
        assert_eq!(report.outcome, RunOutcome::Stopped);
        assert_eq!(failed(&report), [first]);
    }
    assert_eq!(order(&new), ["C1", "D1", "A1", "B1"]);
    let report = migrate(&new, &as_it_is());
    assert_eq!(report.outcome, RunOutcome::Failed);
    assert_eq!((report.totals.done, report.totals.left), (2, 0));
    let waves: Vec<_> = report.tenants.iter().map(|it| it.wave.unwrap()).collect();
    assert_eq!((&waves[..], report.waves), (&[1, 2, 3, 3][..], 3));
    // Only they are left: none of them keeps the others from their turn.
    let report = migrate(&new, &as_it_is().stop_after(StopRule::Failures(0)));
    assert_eq!(report.outcome, RunOutcome::Failed);
    assert_eq!(failed(&report), ["A1", "B1"]);
    // Who asks for one to be the first has a canary.
    let report = migrate(&new, &as_it_is().first([id("B1")]));
    assert_eq!(failed(&report), ["B1"]);
    assert_eq!(report.outcome, RunOutcome::Stopped);
    meddle(&fleet, "B1", "DROP TABLE archive");
    let report = migrate(&new, &as_it_is());
    assert_eq!(
        (report.totals.done, failed(&report)),
        (1, vec!["A1".into()])
    );

    // To another target it may well get: it counts again, after all others.
    new.create(&id("E1"), NewTenant::named("x")).unwrap();
    let script = MigrationScript::new(
        "20260103000000",
        "third",
        "CREATE TABLE third (id INTEGER);",
    );
    let newer = with_migrations(&fleet, MigrationSet::new([wards(), archive(), script]));
    assert_eq!(order(&newer), ["B1", "C1", "D1", "E1", "A1"]);
    meddle(&fleet, "A1", "DROP TABLE archive");
    assert!(migrate(&newer, &as_it_is()).is_success());
    world::check_with(&fleet.root, |b| {
        b.tenant_migrations(MigrationSet::new([
            wards(),
            archive(),
            MigrationScript::new(
                "20260103000000",
                "third",
                "CREATE TABLE third (id INTEGER);",
            ),
        ]))
    });
}

/// The catalogue knows that its ledger is not this program's.
#[test]
fn who_would_be_refused_is_no_canary_of_the_first_run_already() {
    let fleet = old_fleet(&["A1", "B1", "C1"]);
    let edit = "UPDATE __tenants_migrations SET checksum = zeroblob(32)";
    meddle(&fleet, "A1", edit);
    let old = migrate(&fleet.tenancy, &all_at_once().only([id("A1")]).deep());
    assert_eq!(failed(&old), ["A1"]);
    let new = new_program(&fleet);
    let plan = new.plan_fleet(&MigrateFleet::default()).unwrap();
    assert_eq!(plan.waves, [1, 1, 1]);
    assert!(
        matches!(plan.tenants[2].action, PlannedAction::Refuse { .. }),
        "{plan:?}"
    );
    let report = migrate(&new, &MigrateFleet::default());
    assert_eq!(report.outcome, RunOutcome::Failed);
    assert_eq!(
        (report.totals.done, failed(&report)),
        (2, vec!["A1".into()])
    );
}

/// Lets another process join a run that is held at a tenant, and the run go on once that one has nothing left to do.
fn joined(
    fleet: &Fleet,
    (run, at): (MigrateFleet, &str),
    born_meanwhile: impl FnOnce(),
) -> FleetReport {
    let (new, other) = (new_program(fleet), new_program(fleet));
    let (run, is_reached, go_on) = held(run.workers(1), at);
    std::thread::scope(|threads| {
        let first = threads.spawn(|| migrate(&new, &run));
        is_reached.recv().unwrap();
        born_meanwhile();
        let report = other.migrate_fleet(&MigrateFleet::default().workers(1), |progress| {
            if progress.last.is_none() {
                go_on.send(()).unwrap();
            }
        });
        let (first, report) = (first.join().unwrap(), report.unwrap());
        assert!(report.joined && states(&first) == states(&report));
        report
    })
}

/// They were put among those that are known to fail, where no failure ends a run.
#[test]
fn who_joins_a_run_of_such_tenants_alone_counts() {
    let fleet = old_fleet(&["A1", "B1"]);
    poison(&fleet, "A1");
    poison(&fleet, "B1");
    let report = migrate(&new_program(&fleet), &all_at_once());
    assert_eq!(failed(&report), ["A1", "B1"]);

    let born_meanwhile = || {
        for tenant in ["D1", "E1", "F1", "G1"] {
            fleet.create(tenant);
        }
        poison(&fleet, "D1");
        poison(&fleet, "F1");
    };
    // One failure of those that count is gone on past: that of A1, which was before, is none.
    let rule = MigrateFleet::default().stop_after(StopRule::Failures(1));
    let report = joined(&fleet, (rule, "B1"), born_meanwhile);
    assert_eq!(report.outcome, RunOutcome::Stopped);
    let said = report.tenants.iter();
    let said: Vec<_> = said
        .map(|it| (it.id.to_string(), it.wave.unwrap(), it.state))
        .collect();
    use TenantState::*;
    let expected = [
        ("A1", 2, Failed),
        ("B1", 2, Failed),
        ("D1", 1, Failed),
        ("E1", 1, Done),
        ("F1", 1, Failed),
        ("G1", 1, Pending),
    ];
    assert_eq!(said, expected.map(|(id, wave, is)| (id.into(), wave, is)));
}

/// It was put among those whose failure counts.
#[test]
fn who_would_be_refused_and_joins_a_run_ends_it_not() {
    let fleet = old_fleet(&["A1", "B1"]);
    let third = MigrationScript::new(
        "20260103000000",
        "third",
        "CREATE TABLE third (id INTEGER);",
    );
    let newest = with_migrations(&fleet, MigrationSet::new([wards(), archive(), third]));
    let born_meanwhile = || {
        newest
            .create(&id("N1"), NewTenant::named("of a newer program"))
            .unwrap();
    };
    let rule = all_at_once().stop_after(StopRule::Failures(0));
    let report = joined(&fleet, (rule, "A1"), born_meanwhile);
    assert_eq!(failed(&report), ["N1"]);
    assert_eq!(report.outcome, RunOutcome::Failed);
    assert_eq!(report.tenant(&id("N1")).unwrap().wave, Some(2));
}
