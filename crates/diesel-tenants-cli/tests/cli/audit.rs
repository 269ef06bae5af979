//! The audit log on the command line, and in whose name a command acts.
use std::fs;

use serde_json::Value;

use crate::program::{Place, Ran};

fn entries(place: &Place, arguments: &[&str]) -> Vec<Value> {
    let all = ["audit", "list"].iter().chain(arguments);
    let (document, code) = place.json(all);
    assert_eq!(code, 0, "{document}");
    document["entries"].as_array().expect("a list").clone()
}

fn actions(entries: &[Value]) -> Vec<&str> {
    let actions = entries.iter().map(|entry| entry["action"].as_str());
    actions.map(|action| action.expect("a word")).collect()
}

#[test]
fn a_command_acts_in_somebodys_name() {
    let place = Place::new();
    place.create("TH001");
    let created = entries(&place, &["--tenant", "TH001"]);
    assert_eq!(actions(&created), ["create.begin", "create.commit"]);
    for entry in &created {
        let actor = entry["actor"].as_str().expect("an actor");
        assert!(actor.starts_with("uid:"), "{entry}");
        assert_eq!(entry["actor_kind"], "user");
        assert_eq!(entry["role"], "operator");
        assert_eq!(entry["reason"], Value::Null);
    }

    let named = ["--as", "user:41", "--because", "ticket 1293, unpaid"];
    place.run(["suspend", "TH001"].iter().chain(&named)).done();
    Ran::of(
        place
            .command()
            .args(["resume", "TH001"])
            .env("TENANTS_AS", "cron:nightly"),
    )
    .done();
    place.run(["init", "--as", "user:7"]).done();
    let suspended = entries(&place, &["--actor", "user:41"]);
    assert_eq!(actions(&suspended), ["tenant.suspend"]);
    assert_eq!(suspended[0]["reason"], "ticket 1293, unpaid");
    assert_eq!(suspended[0]["detail"]["to"], "suspended");
    let resumed = entries(&place, &["--action", "tenant.resume"]);
    assert_eq!(resumed[0]["actor"], "cron:nightly");

    let table = place.run(["audit", "list", "--actor", "user:41"]);
    assert!(table.done().contains("ticket 1293, unpaid"), "{table:?}");
    for wrong in [["--as", ""], ["--as", "a\nb"], ["--because", "short"]] {
        let refused = place.run(["list"].iter().chain(&wrong));
        assert_eq!(refused.code, 2, "{refused:?}");
    }
}

#[test]
fn entries_are_found_and_paged_through() {
    let place = Place::new();
    place.create("TH001");
    place.create("TH002");
    let all = entries(&place, &[]);
    assert_eq!(actions(&all).len(), 4);
    let (newest, _) = place.json(["audit", "list", "--limit", "1"]);
    assert_eq!(newest["entries"][0], all[3]);
    assert_eq!(newest["more"], true);
    let (page, _) = place.json(["audit", "list", "--after", "1", "--limit", "2"]);
    assert_eq!(page["entries"].as_array().expect("a list")[..], all[1..3]);
    assert_eq!(page["more"], true);
    let (rest, _) = place.json(["audit", "list", "--after", "3"]);
    assert_eq!(rest["entries"][0], all[3]);
    assert_eq!(rest["more"], false);
    assert_eq!(entries(&place, &["--since", "1h"]).len(), 4);
    assert_eq!(entries(&place, &["--until", "1h"]).len(), 0);
    assert_eq!(entries(&place, &["--since", "2020-02-29"]).len(), 4);
    assert_eq!(
        entries(&place, &["--until", "2020-02-29T00:00:00Z"]).len(),
        0
    );
    assert_eq!(entries(&place, &["--tenant", "th_001"]).len(), 0);
    assert_eq!(place.run(["audit", "list", "--since", "yesterday"]).code, 2);
    let none = place.run(["audit", "list", "--action", "no.such"]);
    assert_eq!(none.done(), "no entry fits\n");
}

#[test]
fn a_log_that_was_tampered_with_is_told_from_one_that_was_not() {
    use diesel::connection::SimpleConnection;

    let place = Place::new();
    place.create("TH001");
    let head = place.run(["audit", "head"]);
    fs::write(place.path().join("head"), head.done()).expect("it can be written");
    place.run(["suspend", "TH001"]).done();
    let sound = place.run(["audit", "verify", "--against", "head"]);
    assert_eq!(
        sound.done(),
        "the audit log is in order, from entry 1 to 3\n"
    );

    // Somebody rewrites the chain from the second entry on: it is in order, and not what was written down.
    let rewritten = format!("2:{}", "0".repeat(64));
    fs::write(place.path().join("other"), rewritten).expect("it can be written");
    let (disowned, code) = place.json(["audit", "verify", "--against", "other"]);
    assert_eq!((code, &disowned["intact"]), (3, &Value::Bool(false)));

    let tenancy = place.library().open().expect("the library opens");
    let mut shared = tenancy.shared().expect("the shared database opens");
    let edit = "DROP TRIGGER __tenants_audit_no_update;
                UPDATE __tenants_audit SET actor = 'somebody' || char(27) || '[31m' WHERE seq = 2";
    shared
        .unrouted("to tamper with it", |raw| {
            raw.connection().batch_execute(edit)
        })
        .expect("the SQL runs");
    drop((shared, tenancy));
    let altered = place.run(["audit", "verify"]);
    assert!(
        altered
            .ended(3)
            .starts_with("audit entry 2 was changed or moved"),
        "{altered:?}"
    );
    // What was put in is shown, and not obeyed by the terminal.
    let listed = place.run(["audit", "list"]);
    assert!(listed.done().contains("somebody\\u{1b}[31m"), "{listed:?}");

    assert_eq!(
        place.run(["audit", "verify", "--against", "nowhere"]).code,
        6
    );
    fs::write(place.path().join("no-head"), "not a head").expect("it can be written");
    assert_eq!(
        place.run(["audit", "verify", "--against", "no-head"]).code,
        2
    );
}

#[test]
fn entries_are_exported_once_into_a_new_file() {
    let place = Place::new();
    place.create("TH001");
    let (exported, code) = place.json(["audit", "export", "--to", "log.ndjson"]);
    // That it is exported is entered first.
    assert_eq!((code, &exported["entries"]), (0, &Value::from(3)));
    let text = fs::read_to_string(place.path().join("log.ndjson")).expect("it is there");
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let lines: Vec<Value> = lines.collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2]["action"], "audit.export");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(place.path().join("log.ndjson")).expect("it is there");
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    }
    place
        .run(["audit", "export", "--to", "log.ndjson"])
        .refused(4);
    let piped = place.run(["audit", "export", "--tenant", "TH001"]);
    assert_eq!(piped.done().lines().count(), 2, "{piped:?}");
    assert_eq!(place.run(["audit", "export", "--json"]).code, 2);
}

#[test]
fn entries_are_pruned_on_purpose_and_after_six_years() {
    let place = Place::new();
    place.create("TH001");
    place.run(["audit", "prune"]).refused(4);
    let young = place.run([
        "audit",
        "prune",
        "--older-than",
        "30d",
        "--yes-i-mean",
        "audit",
    ]);
    assert!(young.refused(2).contains("2192d"), "{young:?}");
    let old = place.run(["audit", "prune", "--yes-i-mean", "audit"]);
    assert_eq!(old.done(), "no entry is that old\n");
    assert_eq!(entries(&place, &[]).len(), 2);
}
