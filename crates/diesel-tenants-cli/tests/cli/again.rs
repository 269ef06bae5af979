//! What is printed to be run next does what was asked for, on the same tenants and with the same care.
use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel_tenants::{MigrateFleet, NewTenant};

use crate::program::Place;

/// Three tenants that are behind.
fn behind() -> Place {
    let place = Place::new();
    let older = place
        .older_library()
        .open()
        .expect("the older program opens it");
    for id in ["OLD001", "OLD002", "OLD003"] {
        older
            .create(&id.parse().expect("an id"), NewTenant::named(id))
            .expect("it is created");
    }
    place
}

#[test]
fn a_run_is_begun_again_as_it_was() {
    let place = behind();
    let care = ["--backup", "--stop-after", "never", "--timeout", "90s"];
    let dry = place.run(
        ["migrate", "OLD002", "--check", "--dry-run"]
            .iter()
            .chain(&care),
    );
    let next =
        "next:\n  tenants migrate OLD002 --backup --check --stop-after never --timeout 1m30s\n";
    assert!(dry.ended(3).ends_with(next), "{dry:?}");

    let lost = place.run(["path", "OLD001"]).done().trim().to_owned();
    std::fs::remove_file(lost).expect("the database is there");
    let stopped = place.run(["migrate", "--all"].iter().chain(&care));
    let next = "next:\n  tenants migrate --all --backup --stop-after never --timeout 1m30s --except OLD001\n";
    assert!(stopped.ended(1).ends_with(next), "{stopped:?}");
    // As it is printed; the one that is lost keeps nobody from being migrated.
    let words = next.split_whitespace().skip(2);
    let ran = place.run(words);
    assert!(ran.done().contains("migrated 2 tenants"), "{ran:?}");
    assert!(ran.stdout.contains("2 backups taken before"), "{ran:?}");
}

#[test]
fn a_run_that_was_cut_short_is_gone_on_with_for_its_tenants_or_stopped() {
    let place = behind();
    let interrupt = |ids: &[&str]| {
        let tenancy = place.library().open().expect("the library opens");
        let ids = ids.iter().map(|id| id.parse().expect("an id"));
        let options = MigrateFleet::default().workers(1).only(ids);
        let options = options.backup_first(true).before_each(|tenant| {
            assert!(tenant.id.as_str() == "OLD001", "dies here");
            Ok(())
        });
        let died = catch_unwind(AssertUnwindSafe(|| tenancy.migrate_fleet(&options, |_| {})));
        assert!(died.is_err());
        let run = &tenancy.fleet_runs().expect("the runs")[0];
        run.id.to_string()
    };
    let run = interrupt(&["OLD001", "OLD002"]);
    let (doctor, _) = place.json(["doctor"]);
    let findings = doctor["findings"].as_array().expect("a list");
    let found = findings.iter().find(|found| found["kind"] == "run");
    let next = found.expect("it is told")["next"]
        .as_str()
        .expect("a command");
    assert_eq!(next, format!("tenants runs --resume {run} --backup"));
    let resumed = place.run(next.split_whitespace().skip(1));
    assert!(
        resumed.done().contains("2 backups taken before"),
        "{resumed:?}"
    );
    let (left, _) = place.json(["migrations"]);
    assert_eq!(
        left["behind"],
        serde_json::json!(["OLD003"]),
        "nobody else was touched"
    );

    let over = place.run(["runs", "--stop", &run]);
    assert!(
        over.refused(4).contains("is over already: it is done"),
        "{over:?}"
    );
    let run = interrupt(&["OLD003"]);
    let (stopped, code) = place.json(["runs", &run, "--stop"]);
    assert_eq!((stopped["outcome"].as_str(), code), (Some("stopped"), 0));
    let report = place.run(["runs", &run]);
    let next = "next:\n  tenants migrate --all --dry-run\n";
    assert!(report.ended(1).ends_with(next), "{report:?}");
    assert_eq!(place.run(["runs", "--resume"]).code, 2);
    assert_eq!(place.run(["runs", &run, "--backup"]).code, 2);
}
