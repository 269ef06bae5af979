//! What is asked for in a way that was once misunderstood.
use crate::program::Place;

/// Twice the same tenant in one command was two backups, and those of a tenant that was purged were listed for nobody who
/// named it.
#[test]
fn a_tenant_is_backed_up_once_and_its_backups_are_found_after_it() {
    let place = Place::new();
    place.create("TH001");
    let (document, _) = place.json(["backup", "TH001", "th001", "TH001", "--pin"]);
    assert_eq!(document["backups"].as_array().map(Vec::len), Some(1));
    let verified = place.json(["verify", "TH001", "th001"]).0;
    assert_eq!(
        verified["tenants"].as_array().map(Vec::len),
        Some(1),
        "{verified}"
    );

    for verb in ["suspend", "archive"] {
        place.run([verb, "TH001"]).done();
    }
    let yes = ["--yes-i-mean", "TH001"];
    place
        .run(["delete", "TH001", "--retain-days", "0"].iter().chain(&yes))
        .done();
    // In the words of the command line.
    let pinned = place.run(["purge", "TH001", "--with-backups"].iter().chain(&yes));
    assert_eq!(
        pinned.refused(4),
        "error: 1 backup of tenant `TH001` is pinned; unpin it, or purge without `--with-backups`\n"
    );
    place.run(["purge", "TH001"].iter().chain(&yes)).done();
    let (document, code) = place.json(["backups", "th001"]);
    assert_eq!(
        (document["backups"].as_array().map(Vec::len), code),
        (Some(1), 0)
    );
    assert!(
        place
            .run(["backups", "TH002"])
            .refused(6)
            .contains("`TH002` is not known")
    );
}

#[test]
fn what_is_given_is_refused_for_what_it_is() {
    use std::process::Command;

    use crate::program::Ran;

    let place = Place::new();
    place.create("TH001");
    std::fs::create_dir(place.path().join("empty")).expect("a directory");
    let import = ["import", "TH002", "empty", "--name", "Second Hospital"];
    let refused = place.run(import);
    assert_eq!(
        refused.refused(6),
        "error: empty has no `manifest.json`; give the directory that an export has made\n"
    );
    for size in ["18446744073709551616", "99999999999GiB"] {
        let refused = place.run(["quota", "TH001", "--set", size]);
        assert!(
            refused
                .refused(2)
                .contains("more bytes than can be counted"),
            "{refused:?}"
        );
    }
    let refused = place.run(["quota", "TH001", "--set", "ten"]);
    assert!(
        refused.refused(2).contains("not a number of bytes"),
        "{refused:?}"
    );

    // Opening a pipe waits for whoever writes to it.
    let pipe = place.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo runs").success());
    let mut inspect = Command::new("timeout");
    let program = place.command();
    inspect
        .args(["20"])
        .arg(program.get_program())
        .args(["inspect", "old.sqlite3", "--mapping", "pipe"])
        .current_dir(place.path())
        .env("TENANTS_DATA", "data");
    let refused = Ran::of(&mut inspect);
    assert!(
        refused.refused(2).contains("it is no regular file"),
        "{refused:?}"
    );
}

/// A backup that was taken while the clock was a year ahead was the latest for a year.
#[test]
fn a_backup_of_a_time_to_come_is_not_taken_for_the_latest() {
    use diesel::connection::SimpleConnection;
    use diesel_tenants::{BackupFilter, Tenancy};

    let place = Place::new();
    place.create("TH001");
    place.run(["backup", "TH001"]).done();
    let tenancy: Tenancy = place.library().open().expect("the library opens");
    let mut shared = tenancy.shared().expect("the shared database opens");
    let moved = shared.unrouted("to set the clock", |raw| {
        let later = "UPDATE __tenants_backups SET taken_at = taken_at + 365 * 86400000";
        raw.connection().batch_execute(later)
    });
    moved.expect("the SQL runs");
    drop((shared, tenancy));
    place.run(["backup", "TH001"]).done();
    let latest = ["restore", "TH001", "latest", "--yes-i-mean", "TH001"];
    let refused = place.run(latest);
    assert!(
        refused.refused(4).contains("which is still to come"),
        "{refused:?}"
    );
    let tenancy: Tenancy = place.library().open().expect("the library opens");
    let of = BackupFilter::tenant(&"TH001".parse().expect("an id"));
    assert_eq!(tenancy.backups(&of).expect("they are listed").len(), 2);
}

/// A file that an operation had been making stayed for ever, and nothing said so.
#[test]
fn what_an_operation_that_is_no_more_has_left_is_named_and_removed() {
    let place = Place::new();
    place.create("TH001");
    place.run(["backup", "--all"]).done();
    let (shown, _) = place.json(["show", "TH001"]);
    let file = place.path().join(shown["path"].as_str().expect("a path"));
    let left = file.with_file_name(".new-g2.sqlite3");
    std::fs::write(&left, "x").expect("a file");
    let (found, code) = place.json(["doctor"]);
    assert_eq!(
        (&found["findings"][0]["kind"], code),
        (&"leftover".into(), 3),
        "{found}"
    );
    assert!(left.exists());
    let next = found["findings"][0]["next"].as_str().expect("a command");
    assert_eq!(next, "tenants doctor --fix");
    place.run(["doctor", "--fix"]).done();
    assert!(!left.exists() && file.exists());
}

/// The restore of the shared database, and what opening the library does, named the process alone.
#[test]
fn who_restores_the_shared_database_is_named_in_both() {
    use diesel::{Connection, RunQueryDsl};

    let place = Place::new();
    place.create("TH001");
    let (document, _) = place.json(["backup", "--shared"]);
    let path = document["backups"][0]["path"]
        .as_str()
        .expect("a path")
        .to_owned();
    let restore = ["restore-shared", &path, "--yes-i-mean", "shared"];
    let named = ["--as", "user:41", "--because", "ticket 1293, lost"];
    let (restored, code) = place.json(restore.iter().chain(&named));
    assert_eq!(code, 0, "{restored}");
    let (log, _) = place.json(["audit", "list", "--action", "catalog.restore"]);
    let entry = &log["entries"][0];
    assert_eq!(
        (&entry["actor"], &entry["role"]),
        (&"user:41".into(), &"operator".into())
    );
    assert_eq!(entry["reason"], "ticket 1293, lost");
    let aside = place
        .path()
        .join(restored["aside"].as_str().expect("a path"));
    let mut conn =
        diesel::SqliteConnection::establish(aside.to_str().expect("a path")).expect("it opens");
    let by: String = diesel::select(diesel::dsl::sql::<diesel::sql_types::Text>(
        "(SELECT actor FROM __tenants_audit WHERE action = 'catalog.replace')",
    ))
    .get_result(&mut conn)
    .expect("an entry");
    assert_eq!(by, "user:41");
}
