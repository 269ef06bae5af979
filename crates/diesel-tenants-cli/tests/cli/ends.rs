//! The end of a tenant, and what is kept of it.
use diesel::connection::SimpleConnection;

use crate::program::{Place, stable};

fn archived(place: &Place, id: &str) {
    place.create(id);
    for verb in ["suspend", "archive"] {
        place.run([verb, id]).done();
    }
}

#[test]
fn a_tenant_is_deleted_brought_back_held_and_purged() {
    let place = Place::new();
    archived(&place, "TH001");
    let yes = ["--yes-i-mean", "TH001"];
    let purge = || place.run(["purge", "TH001"].into_iter().chain(yes));

    let refused = purge();
    assert!(
        refused
            .refused(4)
            .starts_with("error: tenant `TH001` has no date from which on it may be purged"),
        "{refused:?}"
    );
    assert!(
        refused.stderr.ends_with("hint: `tenants delete TH001`\n"),
        "{refused:?}"
    );

    let deleted = place.run(["delete", "TH001"].into_iter().chain(yes));
    assert_eq!(
        stable(deleted.done()),
        "deleted TH001; its data is kept until TIME\nnext:\n tenants undelete TH001\n tenants purge TH001 --yes-i-mean TH001\n"
    );
    assert!(
        purge()
            .refused(4)
            .starts_with("error: tenant `TH001` is kept until ")
    );
    assert_eq!(
        place.run(["undelete", "TH001"]).done(),
        "TH001 is archived and kept\n"
    );
    assert_eq!(place.json(["undelete", "TH001"]).0["status"], "archived");

    let (document, code) = place.json(
        ["delete", "TH001", "--retain-days", "0"]
            .into_iter()
            .chain(yes),
    );
    assert_eq!((document["id"].as_str(), code), (Some("TH001"), 0));
    assert_eq!(
        place
            .run(["hold", "TH001", "--reason", "case 12/2026"])
            .done(),
        "TH001 is under a legal hold: case 12/2026\n"
    );
    assert_eq!(
        purge().refused(4),
        "error: tenant `TH001` is under a legal hold; nothing of it may be removed\n\
         hint: `tenants show TH001` says why, `tenants release TH001` lifts it\n"
    );
    assert!(stable(place.run(["show", "TH001"]).done()).contains(" legal hold case 12/2026\n"));
    assert_eq!(place.run(["due"]).done(), "no tenant may be purged now\n");
    assert_eq!(
        place.json(["release", "TH001"]).0["hold"],
        serde_json::Value::Null
    );
    assert_eq!(
        place.json(["hold", "TH001", "--reason", "x"]).0["hold"],
        "x"
    );
    assert_eq!(
        place.run(["release", "TH001"]).done(),
        "TH001 is under no legal hold\n"
    );
    assert_eq!(place.json(["due"]).0["tenants"][0]["id"], "TH001");
    assert!(
        place
            .run(["due"])
            .done()
            .ends_with("next:\n  tenants purge TH001 --yes-i-mean TH001\n")
    );

    assert_eq!(
        stable(purge().done()),
        "purged TH001\n uuid UUID\n generations 1\n size SIZE\n backups kept, until `backups --remove` or `prune --after-purge` removes them\n completed TIME\n"
    );
    place.run(["show", "TH001"]).refused(6);
    let again = place.run(["create", "TH001", "--name", "Another"]);
    assert_eq!(
        again.refused(4),
        "error: the id `TH001` belonged to a tenant that was deleted\n\
         hint: choose another id, or `--reuse-retired-id` for a new and empty tenant\n"
    );
    place
        .run(["create", "TH001", "--name", "Another", "--reuse-retired-id"])
        .done();
}

/// A date beyond the year 9999 was written down, and from then on every command that prints it panicked.
#[test]
fn a_retention_beyond_all_calendars_is_refused_and_one_that_was_written_down_is_printed() {
    let place = Place::new();
    archived(&place, "TH001");
    let delete = |days: &str| {
        let arguments = ["delete", "TH001", "--retain-days", days];
        place.run(arguments.into_iter().chain(["--yes-i-mean", "TH001"]))
    };
    assert_eq!(
        delete("4294967295").refused(2),
        "error: tenant `TH001` is kept for 36500 days, a hundred years, at the longest; give a shorter retention\n"
    );
    delete("36500").done();

    // By an earlier version.
    let tenancy = place.library().open().expect("the library opens");
    let mut shared = tenancy.shared().expect("the shared database opens");
    let date = "UPDATE __tenants_tenants SET delete_after = 9223372036854775807";
    shared
        .unrouted("an earlier version", |raw| {
            raw.connection().batch_execute(date)
        })
        .expect("the date is set");
    drop((shared, tenancy));
    for verb in [&["list"][..], &["show", "TH001"], &["doctor"]] {
        for json in [&[][..], &["--json"]] {
            let ran = place.run(verb.iter().chain(json));
            assert!(matches!(ran.code, 0 | 3), "{ran:?}");
        }
    }
    let shown = place.json(["show", "TH001"]).0;
    assert_eq!(shown["delete_after"], "9999-12-31T23:59:59.999Z");
}

#[test]
fn a_suggested_id_is_not_that_of_a_deleted_tenant() {
    let place = Place::new();
    archived(&place, "DMC001");
    let yes = ["--yes-i-mean", "DMC001"];
    place
        .run(
            ["delete", "DMC001", "--retain-days", "0"]
                .into_iter()
                .chain(yes),
        )
        .done();
    assert_eq!(
        place
            .json(["purge", "DMC001", "--with-backups"].into_iter().chain(yes))
            .1,
        0
    );
    let suggested = place.run(["create", "--name", "Downtown Medical Center"]);
    assert!(
        suggested.refused(2).contains("`DMC002` is free"),
        "{suggested:?}"
    );
}

/// Nothing is begun that could not be gone on with: it was under way in another process, for ever.
#[test]
fn a_purge_that_could_not_go_on_says_what_is_in_the_way_and_is_not_begun() {
    let place = Place::new();
    archived(&place, "TH001");
    let path = place.run(["path", "TH001"]).done().trim().to_owned();
    let in_the_way = place.path().join(path).with_file_name("old");
    std::fs::create_dir(&in_the_way).expect("it can be made");
    let yes = ["--yes-i-mean", "TH001"];
    let delete = ["delete", "TH001", "--retain-days", "0"];
    place.run(delete.into_iter().chain(yes)).done();
    let purge = || place.run(["purge", "TH001"].into_iter().chain(yes));
    let refused = purge();
    assert!(
        refused.refused(1).contains("\"old\" is a directory"),
        "{refused:?}"
    );
    let doctor = place.run(["doctor"]);
    assert!(!doctor.stdout.contains("cut short"), "{doctor:?}");
    std::fs::remove_dir(&in_the_way).expect("it is empty");

    // What comes in the way later is told of, too.
    let shared = |sql: &str| {
        let tenancy = place.library().open().expect("the library opens");
        let mut shared = tenancy.shared().expect("the shared database opens");
        let done = shared.unrouted("in the way", |raw| {
            diesel::connection::SimpleConnection::batch_execute(raw.connection(), sql)
        });
        done.expect("it is done");
    };
    shared(
        "CREATE TRIGGER in_the_way BEFORE UPDATE ON __tenants_tenants WHEN NEW.status = 'deleted' \
         BEGIN SELECT RAISE(ABORT, 'something is in the way'); END",
    );
    purge().refused(1);
    let doctor = place.run(["doctor"]);
    assert!(
        doctor.ended(3).contains("purge of TH001 was cut short: "),
        "{doctor:?}"
    );
    shared("DROP TRIGGER in_the_way");
    let doctor = place.run(["doctor"]);
    assert!(!doctor.stdout.contains("TH001"), "{doctor:?}");
}

/// The newest backup of a purged tenant was kept for ever: no command removed it.
#[test]
fn the_backups_of_a_purged_tenant_end_by_themselves_or_by_command() {
    let place = Place::new();
    archived(&place, "TH001");
    let yes = ["--yes-i-mean", "TH001"];
    let mut backups = Vec::new();
    for _ in 0..3 {
        let taken = place.json(["backup", "TH001"]).0;
        backups.push(
            taken["backups"][0]["id"]
                .as_str()
                .expect("an id")
                .to_owned(),
        );
    }
    let delete = ["delete", "TH001", "--retain-days", "0"];
    place.run(delete.into_iter().chain(yes)).done();
    place.run(["purge", "TH001"].into_iter().chain(yes)).done();

    let remove = ["backups", "--remove", &backups[1]];
    place.run(remove).refused(4);
    assert!(
        !place
            .run(remove.into_iter().chain(yes))
            .done()
            .contains(&backups[1])
    );
    place.run(remove.into_iter().chain(yes)).refused(6);
    place.run(["backups", "--pin", &backups[0]]).done();
    let early = place.json(["prune", "--after-purge", "1d"]).0;
    assert_eq!(early["removed"], serde_json::json!([]));
    // As if nobody had been there for a month.
    let tenancy = place.library().open().expect("the library opens");
    let month = "UPDATE __tenants_catalog SET clock_seen = clock_seen - 30 * 86400000";
    let mut shared = tenancy.shared().expect("the shared database opens");
    shared
        .unrouted("a month", |raw| raw.connection().batch_execute(month))
        .expect("the SQL runs");
    drop(shared);
    drop(tenancy);
    let prune = ["prune", "--after-purge", "0s"];
    let (held, code) = place.json(prune);
    assert_eq!((&held["removed"], code), (&serde_json::json!([]), 3));
    assert_eq!(held["held_by_clock"][0], backups[2].as_str());
    assert!(held["clock_jump"]["last_seen"].is_string(), "{held}");
    let said = stable(place.run(prune).ended(3));
    assert!(
        said.contains("kept, although old enough by the clock: UUID; the clock says TIME, the shared database last saw TIME"),
        "{said}"
    );
    let doctor = place.json(["doctor"]).0;
    let findings = doctor["findings"].as_array().expect("a list");
    let clock = findings.iter().find(|it| it["kind"] == "clock");
    let next = clock.expect("a finding")["next"].as_str();
    assert_eq!(
        next,
        Some("look at the clock; if it is right, `tenants doctor --i-checked-the-clock`")
    );
    let late = place
        .json(prune.into_iter().chain(["--i-checked-the-clock"]))
        .0;
    assert_eq!(late["removed"][0]["id"], backups[2].as_str());
    let doctor = place.json(["doctor"]).0;
    let findings = doctor["findings"].as_array().expect("a list");
    assert!(findings.iter().all(|it| it["kind"] != "clock"), "{doctor}");
    assert_eq!(late["kept"], 1, "the one that is pinned");
}

#[test]
fn a_final_backup_is_taken_where_it_is_asked_for_and_named() {
    let place = Place::new();
    archived(&place, "TH001");
    let yes = ["--yes-i-mean", "TH001"];
    let delete = ["delete", "TH001", "--retain-days", "0"];
    place.run(delete.into_iter().chain(yes)).done();
    place.run(["purge", "TH001", "--to", "x"]).refused(2);
    let nowhere = ["purge", "TH001", "--final-backup", "--to", "nowhere"];
    let refused = place.run(nowhere.into_iter().chain(yes));
    assert!(refused.refused(1).contains("nothing was removed"));
    let purge = ["purge", "TH001", "--with-backups", "--final-backup"];
    let purged = place.json(purge.into_iter().chain(yes)).0;
    let listed = place.json(["backups"]).0;
    assert_eq!(purged["final_backup"], listed["backups"][0]["id"]);
    assert_eq!(listed["backups"][0]["reason"], "final");
}

#[test]
fn what_was_put_back_of_a_purged_tenant_is_found_and_removed() {
    let place = Place::new();
    archived(&place, "TH001");
    let path = place.run(["path", "TH001"]).done().trim().to_owned();
    let copy = place.path().join("copy");
    std::fs::copy(&path, &copy).expect("nobody has it open");
    let yes = ["--yes-i-mean", "TH001"];
    place
        .run(
            ["delete", "TH001", "--retain-days", "0"]
                .into_iter()
                .chain(yes),
        )
        .done();
    let uuid = place.json(["purge", "TH001"].into_iter().chain(yes)).0["uuid"]
        .as_str()
        .expect("a uuid")
        .to_owned();
    let directory = std::path::Path::new(&path).parent().expect("a directory");
    std::fs::create_dir_all(directory).expect("it can be made");
    std::fs::copy(&copy, &path).expect("it can be put back");

    let (document, code) = place.json(["doctor"]);
    assert_eq!(code, 3);
    let undead = document["findings"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|finding| finding["kind"] == "undead");
    let next = undead.expect("it is found")["next"]
        .as_str()
        .expect("a command")
        .to_owned();
    assert_eq!(next, format!("tenants purge TH001 --uuid {uuid}"));
    place.run(["purge", "TH001", "--uuid", &uuid]).refused(4);
    place
        .run(["purge", "TH001", "--uuid", &uuid].into_iter().chain(yes))
        .done();
    assert!(!std::path::Path::new(&path).exists());
}

#[test]
fn a_tenant_is_recreated_with_its_id_typed_and_the_old_data_kept() {
    let place = Place::new();
    place.create("TH001");
    place.admit("TH001");
    let recreated = place.run(["recreate", "TH001", "--yes-i-mean", "TH001"]);
    assert_eq!(
        stable(recreated.done()),
        "recreated TH001: its database is new and empty\n database data/tenants/th001-XXXXXXXX/g2.sqlite3\n \
         generation 2\n kept generation 1\n backup UUID\nnext:\n tenants undo TH001\n"
    );
    assert_eq!(place.patients("TH001"), 0);
    let (document, code) = place.json([
        "recreate",
        "TH001",
        "--without-backup",
        "--yes-i-mean",
        "TH001",
    ]);
    assert_eq!(
        (
            document["backup"].as_str(),
            document["kept_generation"].as_u64(),
            code
        ),
        (None, Some(2), 0)
    );
    place.run(["undo", "TH001", "--yes-i-mean", "TH001"]).done();
}

#[test]
fn a_destructive_command_wants_the_id_exactly_and_never_all() {
    let place = Place::new();
    place.create("TH001");
    place.run(["backup", "TH001"]).done();
    let verbs: [&[&str]; 5] = [
        &["restore", "TH001", "latest"],
        &["undo", "TH001"],
        &["recreate", "TH001"],
        &["delete", "TH001"],
        &["purge", "TH001"],
    ];
    place
        .run(["recreate", "TH001", "--yes-i-mean", "TH001"])
        .done();
    let before = place.json(["show", "TH001"]).0;
    for verb in verbs {
        let (document, code) = place.json(verb);
        assert_eq!(
            (document["error"]["kind"].as_str(), code),
            (Some("refused"), 4),
            "{verb:?}"
        );
        for not_quite in ["th001", "TH002", "", "TH001 ", "all", "--all"] {
            let ran = place.run(
                verb.iter()
                    .copied()
                    .chain([format!("--yes-i-mean={not_quite}").as_str()]),
            );
            assert_eq!(
                ran.refused(4),
                "error: `--yes-i-mean` does not name tenant `TH001`; nothing was done\n\
                 hint: add `--yes-i-mean TH001` if you do mean it\n",
                "{verb:?}"
            );
        }
        let all = place.run([verb[0], "--all", "--yes-i-mean", "TH001"]);
        let message = format!("error: `{}` never takes --all: name one tenant\n", verb[0]);
        assert_eq!(all.refused(2), message);
        let all = place.run(
            verb.iter()
                .copied()
                .chain(["--all", "--yes-i-mean", "TH001"]),
        );
        assert_eq!(all.refused(2), message);
    }
    assert_eq!(place.json(["show", "TH001"]).0, before);
}
