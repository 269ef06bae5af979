//! What `doctor` says of troubles that come late, or from elsewhere: one line for each.
use diesel::connection::SimpleConnection;

use crate::program::Place;

/// As a catalogue is that was through all of it.
const TROUBLES: &str = "
    UPDATE __tenants_tenants SET schema_version = '99990101000000' WHERE tenant_id = 'AHEAD1';
    UPDATE __tenants_tenants SET status = 'failed' WHERE tenant_id = 'FAILED1';
    INSERT INTO __tenants_workflows (id, name, tenant_id, instance, state, digest, started_at, changed_at)
    VALUES (randomblob(16), 'foreign', 'OLD1', zeroblob(16), 'running', zeroblob(32), 0, 0);
    INSERT INTO __tenants_runs (id, kind, target_digest, selection, waves, canaries_may_fail, instance, started_at,
                                up_to_date, total, done, failed, skipped)
    VALUES (randomblob(16), 'migrate', '', '', 1, 0, zeroblob(16), 0, 0, 1, 0, 0, 0);";

#[test]
fn doctor_has_a_line_for_each_trouble() {
    let place = Place::new();
    for id in ["AHEAD1", "FAILED1", "OLD1"] {
        place.create(id);
    }
    place.run(["backup", "--all"]).done();
    // More than any disk has room for once more, and none of it is written.
    let file = place.path().join(place.run(["path", "OLD1"]).done().trim());
    let file = std::fs::File::options().write(true).open(file);
    file.and_then(|file| file.set_len(1 << 42))
        .expect("a file with a hole");
    let tenancy = place.library().open().expect("the library opens");
    let mut shared = tenancy.shared().expect("the shared database opens");
    shared
        .unrouted("to break things", |raw| {
            raw.connection().batch_execute(TROUBLES)
        })
        .expect("the SQL runs");
    drop(shared);
    drop(tenancy);

    let (document, code) = place.json(["doctor", "--backup-age", "0d"]);
    let findings = document["findings"].as_array().expect("a list").iter();
    let mut said: Vec<(&str, &str)> = findings
        .map(|it| (it["kind"].as_str(), it["tenant"].as_str()))
        .map(|(kind, tenant)| (kind.expect("a kind"), tenant.unwrap_or("-")))
        .collect();
    said.sort_unstable();
    assert_eq!(
        said,
        [
            ("ahead", "AHEAD1"),
            ("backup-old", "-"),
            ("backup-old", "AHEAD1"),
            ("backup-old", "OLD1"),
            ("disk", "-"),
            ("failed", "FAILED1"),
            ("run", "-"),
            ("workflow", "OLD1"),
        ],
        "{document}"
    );
    assert_eq!(code, 3);
    // Nobody but the program that began it can say what became of it.
    let findings = document["findings"].as_array().expect("a list");
    let run = findings.iter().find(|it| it["kind"] == "workflow");
    let next = run.expect("it is there")["next"].as_str();
    assert!(
        next.is_some_and(|next| next.starts_with("run the program it belongs to")),
        "{document}"
    );
    // Where that is gone too, somebody gives the run up, and says why.
    let message = run.expect("it is there")["message"].as_str();
    let id = message.and_then(|message| message.rsplit_once('('));
    let id = id.expect("a run's id").1.trim_end_matches(')').to_owned();
    assert!(next.is_some_and(|next| next.contains(&format!("abandon {id}"))));
    let abandon = ["abandon", &id, "--reason", "its program is gone"];
    let unconfirmed = place.run(abandon);
    assert_eq!(unconfirmed.code, 4, "{unconfirmed:?}");
    assert!(
        unconfirmed.stderr.contains("--yes-i-mean OLD1"),
        "{unconfirmed:?}"
    );
    let confirmed = abandon.iter().chain(&["--yes-i-mean", "OLD1"]);
    let given_up = place.run(confirmed);
    assert_eq!(
        given_up.done(),
        "foreign of OLD1 is given up\nnothing that it has done is known\n"
    );
    let (again, code) = place.json(abandon);
    assert_eq!(
        (again["tenant_known"].as_bool(), code),
        (Some(true), 0),
        "{again}"
    );
    let (document, _) = place.json(["doctor"]);
    let findings = document["findings"].as_array().expect("a list");
    assert!(findings.iter().all(|it| it["kind"] != "workflow"));
    let unknown = place.run([
        "abandon",
        &id.replace(&id[..8], "00000000"),
        "--reason",
        "no such run",
    ]);
    assert_eq!(unknown.code, 6, "{unknown:?}");
}
