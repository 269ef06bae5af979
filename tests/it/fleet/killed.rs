//! Killed at every step, at system calls, and with single calls that fail: the run is gone on with, and each migration
//! is applied once.
use super::*;
use crate::crashes::{self, Operation};

const MIGRATE: Operation = Operation {
    part: "migrate fleet",
    before: three,
    outcome: gone_on_with,
};

fn three(root: &Path) {
    some(root, &["A1", "B1", "C1"]);
}

fn some(root: &Path, tenants: &[&str]) {
    let old = builder(root).tenant_migrations(wards()).open().unwrap();
    for tenant in tenants {
        let tenant = old.create(&id(tenant), NewTenant::named("x")).unwrap();
        admit(&mut tenant.enter().unwrap(), "kept").unwrap();
    }
}

/// Whether all were migrated when the process died; then goes on, and looks.
fn gone_on_with(tenancy: &Tenancy) -> bool {
    let behind =
        |record: &diesel_tenants::TenantRecord| record.schema_version.as_deref() != Some(ARCHIVE);
    let records = tenancy.tenants().unwrap();
    let before = records.iter().filter(|it| behind(it)).count();
    let unfinished = tenancy.fleet_runs().unwrap();
    let unfinished = unfinished.first().filter(|run| run.finished_at.is_none());

    let (options, touched) = watched(MigrateFleet::default());
    let report = migrate(tenancy, &options);
    assert!(report.is_success(), "{report:?}");
    assert_eq!(report.resumed, unfinished.is_some());
    if let Some(run) = unfinished {
        assert_eq!(report.run, Some(run.id));
        // A tenant whose end was not recorded is looked at again, and found to be migrated.
        let left = run.totals.left as usize;
        assert_eq!(touched.lock().len(), left);
        assert!((before..=before + 1).contains(&left), "{before} {left}");
    } else {
        assert_eq!(touched.lock().len(), before);
    }
    assert_migrated(tenancy);
    assert_eq!(migrate(tenancy, &options).run, None);
    for record in records {
        assert_eq!(names(&mut tenancy.tenant(&record.id).unwrap()), ["kept"]);
    }
    before == 0
}

#[cfg(feature = "failpoints")]
#[test]
fn at_every_step() {
    crashes::failpoints::every_step(&MIGRATE, 35);
}

/// The steps of a process that goes on where another one died over a tenant.
#[cfg(feature = "failpoints")]
#[test]
fn at_every_step_of_going_on() {
    const GO_ON: Operation = Operation {
        part: "migrate fleet",
        before: |root| {
            some(root, &["A1", "B1"]);
            interrupt(root, "migrate fleet", "migrate.committed:2");
        },
        outcome: gone_on_with,
    };
    // Joined, released, claimed, the tenant looked at, recorded, left.
    crashes::failpoints::every_step(&GO_ON, 8);
}

/// The steps of a process that takes the place of a run that was interrupted and asked for something else.
#[cfg(feature = "failpoints")]
#[test]
fn at_every_step_of_taking_its_place() {
    const TAKE: Operation = Operation {
        part: "migrate fleet",
        before: |root| {
            some(root, &["A1", "B1"]);
            interrupt(root, "migrate fleet deep", "fleet.claimed:1");
        },
        outcome: |tenancy| {
            let migrated = |it: &Arc<diesel_tenants::TenantRecord>| {
                it.schema_version.as_deref() == Some(ARCHIVE)
            };
            let before = tenancy.tenants().unwrap().iter().all(migrated);
            assert!(migrate(tenancy, &MigrateFleet::default()).is_success());
            assert_migrated(tenancy);
            let runs = tenancy.fleet_runs().unwrap();
            let first = runs.last().unwrap().outcome;
            assert_eq!(first, RunOutcome::Superseded);
            assert_eq!(runs[0].outcome, RunOutcome::Done);
            before
        },
    };
    crashes::failpoints::every_step(&TAKE, 20);
}

#[cfg(feature = "failpoints")]
fn interrupt(root: &Path, part: &str, point: &str) {
    let mut command = crate::actors::command(part, root);
    command.env("DIESEL_TENANTS_FAILPOINT", format!("{point}=kill"));
    assert!(crashes::run(command), "it came through");
}

#[test]
fn at_any_system_call() {
    if !crashes::strace_works() {
        return;
    }
    crashes::MIGRATE.expect(crashes::kill_at_system_calls(&MIGRATE));
}

#[test]
fn with_any_system_call_failing() {
    if !crashes::strace_works() {
        return;
    }
    let failures = crashes::fail_at_system_calls("migrate fleet twice", &MIGRATE);
    assert!(failures >= 5, "{failures}: the sweep did not get far");
}

#[test]
fn when_the_power_fails() {
    if !crashes::strace_works() {
        return;
    }
    let failures = crate::power::fail_power(&MIGRATE);
    assert!(failures >= 20, "{failures}: the sweep did not get far");
}
