//! What is printed to be run next does what was asked for, on the same tenants and with the same care.
use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel_tenants::MigrateFleet;

use crate::program::Place;

/// Three tenants that are behind.
fn behind() -> Place {
    let place = Place::new();
    place.create_behind(&["OLD001", "OLD002", "OLD003"]);
    place
}

/// The same, of which the first has been changed by this.
fn behind_with(sql: &str) -> Place {
    use diesel::connection::SimpleConnection;

    let place = behind();
    let older = place.older_library().open().expect("the library opens");
    let first = older.tenant(&"OLD001".parse().expect("an id"));
    let changed = first
        .expect("it opens")
        .unrouted("to break things", |raw| raw.connection().batch_execute(sql));
    changed.expect("the SQL runs");
    place
}

#[test]
fn one_that_is_done_but_drifted_is_named() {
    let place = behind_with("CREATE TABLE own (id INTEGER)");
    let ran = place.run(["migrate", "OLD001", "OLD002"]);
    let told = "DONE, BUT DRIFTED  WHY\nOLD001             its schema is not the one that the migrations make\n\
                next:\n  tenants verify OLD001\n";
    assert!(ran.ended(3).ends_with(told), "{ran:?}");
    let (runs, _) = place.json(["runs"]);
    let run = runs["runs"][0]["id"].as_str().expect("an id");
    let (report, code) = place.json(["runs", run]);
    assert_eq!((&report["tenants"][0]["drifted"], code), (&true.into(), 3));
    assert_eq!(report["outcome"], "done");
    place.run(["migrate", "OLD003"]).done();
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
    // One of before a migration is none that `doctor` would be content with.
    let (doctor, _) = place.json(["doctor"]);
    let findings = doctor["findings"].as_array().expect("a list");
    let missing = findings
        .iter()
        .filter(|found| found["kind"] == "backup-missing");
    let missing: Vec<_> = missing.map(|found| found["tenant"].as_str()).collect();
    assert_eq!(
        missing,
        [None, Some("OLD001"), Some("OLD002"), Some("OLD003")]
    );
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
