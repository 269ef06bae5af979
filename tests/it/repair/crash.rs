//! A repair that is killed or fails at any point is made whole or not at all.
use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel_tenants::prelude::*;
use diesel_tenants::repair::RepairOptions;
use diesel_tenants::verify::{Finding, VerifyOptions};

use crate::actors::{say, told};
use crate::app::{builder, names};
use crate::crashes::{self, Operation};
use crate::verify::rewrite;
use crate::world;

fn id() -> TenantId {
    "TH001".parse().unwrap()
}

/// Takes away an index and a table, and loosens a column that others refer to beside: one of each kind of step.
fn damaged(root: &Path) {
    crashes::with_rows(root);
    let tenancy = builder(root).open().unwrap();
    damage(&tenancy);
}

fn damage(tenancy: &Tenancy) {
    let loosen = rewrite("patients", "ward TEXT NOT NULL", "ward TEXT");
    let sql = format!("DROP INDEX visits_patient_id; DROP TABLE archive; {loosen}");
    let mut ctx = tenancy.tenant(&id()).unwrap();
    ctx.unrouted("damage", |raw| raw.connection().batch_execute(&sql))
        .unwrap();
}

const OPERATION: Operation = Operation {
    part: "repair",
    before: damaged,
    outcome: |tenancy| {
        assert_eq!(world::rows(tenancy), ["one", "two", "three"]);
        let found = tenancy.verify(&id(), &VerifyOptions::default()).unwrap();
        if found.is_ready() {
            assert!(found.reasons.is_empty(), "{found}");
            return true;
        }
        let mut kinds: Vec<String> = found.reasons.iter().map(Finding::kind).collect();
        kinds.sort();
        kinds.dedup();
        assert_eq!(
            kinds,
            [
                "migration_without_effect",
                "missing_index",
                "missing_table",
                "nullability"
            ],
            "{found}"
        );
        // Nothing is in the way of doing it again.
        let plan = tenancy
            .plan_repair(&id(), &RepairOptions::default().without_backup())
            .unwrap();
        assert!(tenancy.repair(&id(), &plan).unwrap().after.is_ready());
        false
    },
};

pub(crate) fn play(part: &str, root: &Path) -> bool {
    match part {
        "repair" => {
            let tenancy = builder(root).open().unwrap();
            let plan = tenancy
                .plan_repair(&id(), &RepairOptions::default())
                .unwrap();
            tenancy.repair(&id(), &plan).unwrap();
            say("repaired");
        }
        "repair twice" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            told();
            let options = RepairOptions::default();
            let first = tenancy
                .plan_repair(&id(), &options)
                .and_then(|plan| tenancy.repair(&id(), &plan));
            say(match &first {
                Ok(_) => "repaired".to_owned(),
                Err(error) => format!("{error:?}"),
            });
            told();
            let plan = tenancy.plan_repair(&id(), &options).unwrap();
            assert!(tenancy.repair(&id(), &plan).unwrap().after.is_ready());
            assert_eq!(
                names(&mut tenancy.tenant(&id()).unwrap()),
                ["one", "two", "three"]
            );
            say("done");
        }
        _ => return false,
    }
    true
}

#[cfg(feature = "failpoints")]
#[test]
fn repair_at_every_step() {
    crashes::failpoints::every_step(&OPERATION, 12);
}

#[test]
fn killed_at_any_system_call() {
    if crashes::strace_works() {
        let kills = crashes::kill_at_system_calls(&OPERATION);
        assert!(kills >= 10, "{kills}: the sweep did not get far");
    }
}

#[test]
fn failing_at_any_system_call() {
    if crashes::strace_works() {
        let failures = crashes::fail_at_system_calls("repair twice", &OPERATION);
        assert!(failures >= 3, "{failures}: the sweep did not get far");
    }
}

#[test]
fn the_power_may_fail_at_any_moment() {
    if crashes::strace_works() {
        let failures = crate::power::fail_power(&OPERATION);
        assert!(failures >= 4, "{failures}: the sweep did not get far");
    }
}
