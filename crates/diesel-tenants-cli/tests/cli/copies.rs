//! Backups and what is made of them.
use crate::program::{Place, stable};

#[test]
fn a_backup_is_taken_listed_and_restored_and_the_restore_undone() {
    let place = Place::new();
    place.create("TH001");
    place.admit("TH001");
    let taken = place.run(["backup", "TH001"]);
    assert!(
        stable(taken.done()).starts_with(
            "BACKUP OF SIZE SCHEMA REASON PINNED TAKEN\nUUID TH001 SIZE 20260216101500 manual - AGO\nin data/backups/th001-"
        ),
        "{taken:?}"
    );
    place.admit("TH001");
    assert_eq!(place.patients("TH001"), 2);

    let refused = place.run(["restore", "TH001", "latest"]);
    assert_eq!(
        stable(refused.refused(4)),
        "error: this puts the manual backup that was taken AGO in place of the data of tenant `TH001`, and nobody has confirmed it; nothing was done\n\
         hint: add `--yes-i-mean TH001` if you do mean it\n"
    );
    assert_eq!(place.patients("TH001"), 2);

    let restored = place.run(["restore", "th001", "latest", "--yes-i-mean", "TH001"]);
    assert_eq!(
        stable(restored.done()),
        "restored TH001 from backup UUID\n database data/tenants/th001-XXXXXXXX/g2.sqlite3\n generation 2\n \
         kept generation 1\n backup of before UUID\nnext:\n tenants undo TH001\n"
    );
    assert_eq!(place.patients("TH001"), 1);
    assert_eq!(
        stable(place.run(["generations", "TH001"]).done()),
        "TH001 is on generation 2\nKEPT SIZE REPLACED BY WHEN\n 1 SIZE restore AGO\n"
    );

    let undone = place.run(["undo", "TH001", "--yes-i-mean", "TH001"]);
    assert_eq!(
        undone.done(),
        "TH001 has the data of generation 1 again, as generation 3; generation 2 is kept\n"
    );
    assert_eq!(place.patients("TH001"), 2);
    let undo_to = |n| place.run(["undo", "TH001", "--generation", n, "--yes-i-mean", "TH001"]);
    undo_to("2").done();
    assert_eq!(place.patients("TH001"), 1);
    undo_to("1").done();
    assert_eq!(place.patients("TH001"), 2);
    undo_to("7").refused(4);

    let (document, _) = place.json(["backups", "TH001"]);
    let reasons = document["backups"].as_array().expect("a list").iter();
    let reasons: Vec<&str> = reasons
        .map(|backup| backup["reason"].as_str().expect("a reason"))
        .collect();
    assert_eq!(reasons, ["before-restore", "manual"]);
}

/// The second `restore TH001 latest` took what the first had backed up on its way, and brought the bad data back.
#[test]
fn latest_is_the_same_backup_when_it_is_restored_twice() {
    let place = Place::new();
    place.create("TH001");
    place.admit("TH001");
    let yes = ["--yes-i-mean", "TH001"];
    place
        .run(["recreate", "TH001"].into_iter().chain(yes))
        .done();
    let restore = || place.run(["restore", "TH001", "latest"].into_iter().chain(yes));
    assert_eq!(
        restore().refused(6),
        "error: tenant `TH001` has no backup but those that operations took on their way\n\
         hint: `backups` lists them; name one by its id\n"
    );
    place.run(["backup", "TH001"]).done();
    place.admit("TH001");
    for _ in 0..2 {
        restore().done();
        assert_eq!(place.patients("TH001"), 0);
    }
    let named = place.json(["backups", "TH001"]).0["backups"][0].clone();
    assert_eq!(named["reason"], "before-restore");
    let refused = place.run(["restore", "TH001", named["id"].as_str().expect("an id")]);
    assert!(
        stable(refused.refused(4)).contains("puts the before-restore backup that was taken AGO in"),
        "{refused:?}"
    );
}

#[test]
fn the_documents_of_backups_and_restores() {
    let place = Place::new();
    place.create("TH001");
    let (taken, code) = place.json(["backup", "TH001", "--pin", "--reason", "scheduled"]);
    assert_eq!(code, 0);
    let backup = taken["backups"][0].clone();
    assert_eq!(
        (backup["pinned"].as_bool(), backup["reason"].as_str()),
        (Some(true), Some("scheduled"))
    );
    let id = backup["id"].as_str().expect("an id");
    assert_eq!(place.json(["backups"]).0["backups"][0], backup);
    assert_eq!(
        place.json(["backups", "--unpin", id]).0["backups"][0]["pinned"],
        false
    );
    assert_eq!(
        place.json(["backups", "--pin", id]).0["backups"][0]["pinned"],
        true
    );

    let path = backup["path"].as_str().expect("a path");
    let (restored, code) = place.json(["restore", "TH001", path, "--yes-i-mean", "TH001"]);
    assert_eq!((restored["generation"].as_u64(), code), (Some(2), 0));
    let (undone, code) = place.json(["undo", "TH001", "--yes-i-mean", "TH001"]);
    assert_eq!((undone["copy_of"].as_u64(), code), (Some(1), 0));
    let (kept, _) = place.json(["generations", "TH001"]);
    assert_eq!(kept["kept"][0]["generation"], 2);
    let discard = ["generations", "TH001", "--discard-older-than", "0s"];
    assert_eq!(place.json(discard).1, 4, "it wants the id confirmed");
    let (kept, code) = place.json(discard.into_iter().chain(["--yes-i-mean", "TH001"]));
    assert_eq!(
        (kept["discarded"].clone(), code),
        (serde_json::json!([2, 1]), 0)
    );

    let (cloned, code) = place.json(["clone", id, "TH002", "--name", "The Twin"]);
    assert_eq!((cloned["tenant"]["id"].as_str(), code), (Some("TH002"), 0));
}

#[test]
fn all_are_backed_up_and_one_that_fails_is_named() {
    let place = Place::new();
    for id in ["TH001", "TH002"] {
        place.create(id);
    }
    let lost = place.run(["path", "TH001"]).done().trim().to_owned();
    std::fs::remove_file(lost).expect("the database is there");
    let some = place.run(["backup", "--all"]);
    let text = stable(some.ended(1));
    assert!(text.contains("UUID (shared) SIZE"), "{text}");
    assert!(text.contains("UUID TH002 SIZE"), "{text}");
    assert!(
        text.contains("TH001 was not backed up: tenant `TH001` was not backed up"),
        "{text}"
    );
    let (document, code) = place.json(["backup", "--all"]);
    assert_eq!(
        (document["failed"][0]["tenant"].as_str(), code),
        (Some("TH001"), 1)
    );

    // Alone it is an error like any other.
    place.run(["backup", "TH001"]).refused(1);
    assert_eq!(place.run(["backup"]).code, 2);
    assert_eq!(place.run(["backup", "--all", "TH002"]).code, 2);
}

#[test]
fn a_backup_of_another_tenant_is_refused_and_made_a_new_tenant() {
    let place = Place::new();
    for id in ["TH001", "TH002"] {
        place.create(id);
    }
    place.admit("TH001");
    let backup = place.json(["backup", "TH001"]).0["backups"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let refused = place.run(["restore", "TH002", &backup, "--yes-i-mean", "TH002"]);
    assert!(
        refused
            .refused(4)
            .contains("the backup is that of tenant `TH001`"),
        "{refused:?}"
    );
    assert!(
        refused.stderr.contains("`clone` makes a new tenant of one"),
        "{refused:?}"
    );

    let cloned = place.run(["clone", &backup, "TWIN", "--name", "The Twin"]);
    assert!(
        stable(cloned.done())
            .starts_with("created TWIN (The Twin) from the backup, in data/tenants/twin-")
    );
    assert_eq!(place.patients("TWIN"), 1);
    place
        .run(["clone", &backup, "TWIN", "--name", "The Twin"])
        .refused(4);
    place
        .run(["clone", "latest", "TWIN2", "--name", "The Twin"])
        .refused(2);
}

#[test]
fn what_is_not_there_ends_with_6_and_what_is_damaged_with_1() {
    let place = Place::new();
    place.create("TH001");
    let nobodys = "01a2141e-e986-74b5-be83-cefb20e6ff7f";
    let restore = |backup: &str| place.run(["restore", "TH001", backup, "--yes-i-mean", "TH001"]);
    assert_eq!(
        restore("latest").refused(6),
        "error: tenant `TH001` has no backup\n"
    );
    assert_eq!(
        restore(nobodys).refused(6),
        format!("error: no backup {nobodys} is known\nhint: `backups` lists those there are\n")
    );
    restore("nowhere").refused(6);
    place.run(["backups", "--pin", nobodys]).refused(6);
    assert_eq!(
        place
            .run(["undo", "TH001", "--yes-i-mean", "TH001"])
            .refused(4),
        "error: no old generation of tenant `TH001` was kept: there is nothing to undo\n"
    );

    let (taken, _) = place.json(["backup", "TH001"]);
    damage(taken["backups"][0]["path"].as_str().expect("a path"));
    restore("latest").refused(1);
    assert!(
        place
            .run(["path", "TH001"])
            .done()
            .ends_with("/g1.sqlite3\n"),
        "it goes on with what it had"
    );
}

#[test]
fn a_set_has_everything_with_the_shared_database_last() {
    let place = Place::new();
    place.create("TH001");
    let (set, code) = place.json(["backup", "--all", "--workers", "1"]);
    assert_eq!(code, 0);
    let of: Vec<Option<&str>> = set["backups"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| it["tenant"].as_str())
        .collect();
    assert_eq!(of, [Some("TH001"), None]);
    let path = set["set_path"].as_str().expect("a path");
    assert!(std::path::Path::new(path).is_dir());
    // Which is none itself, whoever wants a backup.
    let member = |number: usize| set["backups"][number]["path"].as_str().expect("a path");
    let yes = ["--yes-i-mean", "TH001"];
    let refused = place.run(["restore", "TH001", path].into_iter().chain(yes));
    assert!(refused.refused(2).contains(member(0)), "{refused:?}");
    assert!(place.run(["drill", path]).refused(2).contains(member(1)));
    let shared = place.run(["restore-shared", path, "--yes-i-mean", "shared"]);
    assert!(shared.refused(2).contains(member(1)), "{shared:?}");
    let file = format!("{}/db.sqlite3", member(1));
    let shared = place.run(["restore-shared", &file, "--yes-i-mean", "shared"]);
    assert!(shared.refused(2).contains("is a file"), "{shared:?}");
    let text = stable(place.run(["backup", "--all"]).done());
    assert!(text.contains("\na set, in data/backups/"), "{text}");
}

#[test]
fn a_drill_restores_to_a_scratch_and_finds_what_cannot_be() {
    let place = Place::new();
    assert_eq!(place.run(["drill", "--all"]).done(), "no backups\n");
    place.create("TH001");
    place.admit("TH001");
    let (taken, _) = place.json(["backup", "TH001"]);
    let id = taken["backups"][0]["id"].as_str().expect("an id");
    let path = taken["backups"][0]["path"].as_str().expect("a path");
    let drilled = stable(place.run(["drill", id]).done());
    assert!(
        drilled.starts_with("RESTORABLE OF ROWS SIZE SCHEMA\nUUID TH001 "),
        "{drilled}"
    );
    let (document, code) = place.json(["drill", "--all"]);
    assert_eq!(
        (document["drills"][0]["tenant"].as_str(), code),
        (Some("TH001"), 0)
    );
    assert_eq!(place.run(["drill", path]).code, 0);
    assert!(
        place
            .run(["path", "TH001"])
            .done()
            .ends_with("/g1.sqlite3\n"),
        "the tenant is not touched"
    );

    damage(path);
    let found = place.run(["drill", id]);
    assert!(found.ended(3).contains("cannot be restored: "), "{found:?}");
    assert_eq!(place.json(["drill", "--all"]).1, 3);
    place
        .run(["drill", "01a2141e-e986-74b5-be83-cefb20e6ff7f"])
        .refused(6);
    place.run(["drill", "latest"]).refused(2);
}

/// Turns one bit of a backup's database over.
fn damage(backup: &str) {
    let entries = std::fs::read_dir(backup).expect("a directory");
    let mut paths = entries.map(|entry| entry.expect("an entry").path());
    let file = paths
        .find(|path| path.extension().is_some_and(|it| it == "sqlite3"))
        .expect("a database");
    let mut bytes = std::fs::read(&file).expect("it can be read");
    bytes[5000] ^= 1;
    std::fs::write(&file, bytes).expect("it can be written");
}

#[test]
fn prune_says_what_it_would_remove_and_keeps_the_newest_and_the_pinned() {
    let place = Place::new();
    place.create("TH001");
    place.run(["backup", "TH001", "--pin"]).done();
    for _ in 0..3 {
        place.run(["backup", "TH001"]).done();
    }
    let policy = [
        "--keep-last",
        "1",
        "--daily",
        "0",
        "--weekly",
        "0",
        "--monthly",
        "0",
    ];
    let prune = |more: &[&'static str]| {
        ["prune"]
            .into_iter()
            .chain(policy)
            .chain(more.iter().copied())
            .collect::<Vec<_>>()
    };
    let text = stable(place.run(prune(&["--dry-run"])).done());
    assert!(
        text.ends_with("2 backups (SIZE) would be removed, 2 kept; nothing was done\n"),
        "{text}"
    );
    assert_eq!(
        place.json(["backups"]).0["backups"]
            .as_array()
            .map(Vec::len),
        Some(4)
    );
    let (document, code) = place.json(prune(&[]));
    assert_eq!(
        (
            document["removed"].as_array().map(Vec::len),
            document["kept"].as_u64(),
            code
        ),
        (Some(2), Some(2), 0)
    );
    assert_eq!(
        stable(place.run(prune(&[])).done()),
        "0 backups (SIZE) removed, 2 kept\n"
    );

    // Where the newest is not there, the others are all there is.
    let path = place.json(["backups"]).0["backups"][0]["path"]
        .as_str()
        .expect("a path")
        .to_owned();
    std::fs::remove_dir_all(path).expect("it is there");
    let (document, code) = place.json(["prune", "--keep-last", "1"]);
    assert_eq!(
        (document["held"][0]["tenant"].as_str(), code),
        (Some("TH001"), 3)
    );
}

/// It said to restore an earlier backup, over a database that was whole and in use.
#[test]
fn a_database_that_is_locked_is_not_called_lost() {
    use diesel::Connection;
    use diesel::connection::SimpleConnection;

    let place = Place::new();
    place.create("TH001");
    let path = place.run(["path", "TH001"]).done().trim().to_owned();
    let path = place.path().join(path).display().to_string();
    let mut other = diesel::SqliteConnection::establish(&path).expect("it opens");
    other
        .batch_execute("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
        .expect("nobody else has it open");
    let refused = place.run(["backup", "TH001"]);
    assert_eq!(
        refused.refused(5),
        "error: tenant `TH001` was not backed up: its database is locked; try again\n  caused by: database is locked\n"
    );
    drop(other);
    place.run(["backup", "TH001"]).done();
}

/// It looked at the rows only, and said that there was nothing to do.
#[test]
fn doctor_looks_whether_the_newest_backups_are_there() {
    let place = Place::new();
    place.create("TH001");
    let (taken, _) = place.json(["backup", "--all"]);
    assert!(place.run(["doctor"]).done().contains("nothing to do"));
    let path = taken["backups"][0]["path"].as_str().expect("a path");
    std::fs::remove_dir_all(path).expect("it is there");
    let doctor = place.run(["doctor"]);
    let lost = "! the newest backup of TH001 is not in order: ";
    assert!(doctor.ended(3).starts_with(lost), "{doctor:?}");
    assert!(
        doctor.stdout.contains("\n    tenants backup TH001\n"),
        "{doctor:?}"
    );
}

/// Every nightly prune ended with 1 as long as the hold lasted, and the dry run promised what may not be.
#[test]
fn what_is_on_hold_is_kept_by_prune_and_by_its_dry_run() {
    let place = Place::new();
    place.create("TH001");
    for _ in 0..2 {
        place.run(["backup", "TH001"]).done();
    }
    let hold = ["hold", "TH001", "--reason", "case 12/2026"];
    place.run(hold).done();
    let policy = ["prune", "--keep-last", "1", "--daily", "0", "--weekly", "0"];
    let prune = |more: &[&'static str]| {
        let arguments = policy.into_iter().chain(["--monthly", "0"]);
        stable(place.run(arguments.chain(more.iter().copied())).done())
    };
    assert_eq!(
        prune(&["--dry-run"]),
        "0 backups (SIZE) would be removed, 2 kept; nothing was done\n"
    );
    assert_eq!(prune(&[]), "0 backups (SIZE) removed, 2 kept\n");
    place.run(["release", "TH001"]).done();
    assert!(prune(&[]).ends_with("1 backup (SIZE) removed, 1 kept\n"));
}

#[test]
fn a_shared_database_is_restored_and_newer_tenants_are_taken_back() {
    let place = Place::new();
    place.create("TH001");
    let (taken, _) = place.json(["backup", "--shared"]);
    let path = taken["backups"][0]["path"]
        .as_str()
        .expect("a path")
        .to_owned();
    place.create("NEW001");
    place.admit("NEW001");
    place.run(["hold", "TH001", "--reason", "case 12"]).done();
    let refused = place.run(["restore-shared", &path]);
    assert!(
        refused
            .refused(4)
            .ends_with("hint: add `--yes-i-mean shared` if you do mean it\n"),
        "{refused:?}"
    );
    place
        .run(["restore-shared", &path, "--yes-i-mean", "TH001"])
        .refused(4);

    let restored = place.run(["restore-shared", &path, "--yes-i-mean", "shared"]);
    assert!(
        restored.ended(3).contains("not known to it  NEW001"),
        "{restored:?}"
    );
    assert!(
        restored.stdout.contains("on hold again    TH001"),
        "{restored:?}"
    );
    assert_eq!(place.run(["list", "--ids"]).done(), "TH001\n");
    // It said to move the directory of a live hospital away.
    let doctor = place.run(["doctor"]);
    let of_new = "! the database of NEW001 is there, and this shared database does not know it; leave it where it is\n    tenants reclaim ";
    assert!(doctor.ended(3).contains(of_new), "{doctor:?}");
    assert!(!doctor.stdout.contains("move it"), "{doctor:?}");
    let verified = place.run(["verify", "--all"]);
    assert!(
        verified
            .ended(3)
            .contains("the database of tenant `NEW001`"),
        "{verified:?}"
    );
    let next = restored
        .stdout
        .lines()
        .find(|line| line.contains("reclaim"))
        .expect("how to go on");
    let uuid = next.split_whitespace().nth(2).expect("a uuid");
    assert_eq!(place.json(["reclaim", uuid, "--name", "New Hospital"]).1, 0);
    assert_eq!(place.patients("NEW001"), 1);
    place
        .run(["reclaim", uuid, "--name", "New Hospital"])
        .refused(4);
    let (document, code) = place.json(["restore-shared", &path, "--yes-i-mean", "shared"]);
    assert_eq!(
        (document["orphans"][0]["id"].as_str(), code),
        (Some("NEW001"), 3)
    );
    assert_eq!(document["held"], serde_json::json!(["TH001"]));
    let again = place.run(["reclaim", uuid, "--name", "New Hospital"]);
    assert!(
        stable(again.done())
            .starts_with("NEW001 (New Hospital) is there again, in data/tenants/new001-")
    );
}
