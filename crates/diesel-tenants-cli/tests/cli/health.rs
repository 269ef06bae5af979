//! Whether databases are as they should be, and mending them.
use crate::program::Place;

/// An index that a migration makes is dropped by hand.
const DRIFT: &str = "DROP INDEX patients_phone_idx";

#[test]
fn verify_says_exactly_what_is_wrong() {
    let place = Place::new();
    for id in ["TH001", "TH002"] {
        place.create(id);
    }
    assert_eq!(
        place.run(["verify", "TH001", "TH002"]).done(),
        "TH001 is ready\nTH002 is ready\n"
    );
    assert_eq!(
        place.run(["verify", "--all"]).done(),
        "2 tenants: 2 ready\n"
    );

    place.sql("TH001", DRIFT);
    let found = place.run(["verify", "TH001"]);
    assert!(
        found.ended(3).starts_with("TH001 is incomplete\n  - "),
        "{found:?}"
    );
    assert!(found.stdout.contains("patients_phone_idx"), "{found:?}");
    assert!(
        found.stdout.ends_with("next:\n  tenants repair TH001\n"),
        "{found:?}"
    );

    let lost = place.run(["path", "TH002"]).done().trim().to_owned();
    std::fs::remove_file(lost).expect("the database is there");
    let all = place.run(["verify", "--all"]);
    assert!(
        all.ended(3)
            .contains("2 tenants: 1 incomplete, 1 missing\n"),
        "{all:?}"
    );
    let (document, code) = place.json(["verify", "--all", "--full", "--workers", "2"]);
    assert_eq!(code, 3);
    assert_eq!(document["shared"]["health"], "ready");
    assert_eq!(
        document["tenants"][0]["findings"][0]["kind"],
        "missing_index"
    );
    assert_eq!(document["tenants"][1]["health"], "missing");

    // What was found is remembered.
    assert_eq!(place.json(["show", "TH001"]).0["health"], "incomplete");
    let (doctor, _) = place.json(["doctor"]);
    let findings = doctor["findings"].as_array().expect("a list");
    assert!(
        findings
            .iter()
            .any(|it| it["kind"] == "not-ready" && it["tenant"] == "TH001"),
        "{doctor}"
    );
}

/// Each was sent to its backups, which are older than what it has.
#[cfg(unix)]
#[test]
fn who_has_lost_nothing_is_not_sent_to_the_backups() {
    use std::os::unix::fs::PermissionsExt;

    let place = Place::new();
    for id in ["TH001", "TH002"] {
        place.create(id);
    }
    let files = ["TH001", "TH002"].map(|id| place.run(["path", id]).done().trim().to_owned());
    let verified = |health: &str, next: &str| {
        let found = place.run(["verify", "TH001"]);
        let text = found.ended(3);
        assert!(
            text.starts_with(&format!("TH001 is {health}\n")),
            "{found:?}"
        );
        assert!(text.ends_with(&format!("next:\n{next}")), "{found:?}");
    };
    let mode = |mode| {
        std::fs::set_permissions(&files[0], PermissionsExt::from_mode(mode)).expect("its own file");
    };
    mode(0o644);
    verified(
        "unreachable",
        "  tenants path TH001\n  tenants verify TH001\n",
    );
    mode(0o600);
    let aside = place.path().join("aside");
    let exchange = || {
        for (from, to) in [
            (&files[0], &aside.display().to_string()),
            (&files[1], &files[0]),
        ] {
            std::fs::rename(from, to).expect("it is renamed");
        }
        std::fs::rename(&aside, &files[1]).expect("it is renamed");
    };
    exchange();
    verified("foreign", "  tenants path TH001\n  tenants verify TH001\n");
    exchange();
    // The shared database of yesterday: what it knows of is not there any more, and what is there is newer.
    let shared = place.data().join("shared.sqlite3");
    std::fs::copy(&shared, &aside).expect("it is copied");
    place.run(["compact", "TH001"]).done();
    std::fs::copy(&aside, &shared).expect("it is put back");
    let next = "  tenants backups --shared\n  tenants restore-shared BACKUP --yes-i-mean shared\n";
    verified("missing", next);
}

/// It asked for room for a copy of everything, wherever the copies are.
#[cfg(unix)]
#[test]
fn doctor_asks_for_room_where_the_backups_are() {
    let place = Place::new();
    for id in ["TH001", "TH002"] {
        place.create(id);
    }
    let shm = tempfile::tempdir_in("/dev/shm");
    let (elsewhere, is_another) = match &shm {
        Ok(directory) => (
            directory.path(),
            !on_one_disk(directory.path(), place.path()),
        ),
        Err(_) => (place.path(), false),
    };
    let to = elsewhere.to_str().expect("UTF-8");
    place.run(["backup", "--all", "--to", to]).done();
    let (document, _) = place.json(["doctor"]);
    let free = document["disk_free_bytes"].as_u64().expect("a number");
    for id in ["TH001", "TH002"] {
        let file = place.run(["path", id]).done().trim().to_owned();
        let file = std::fs::File::options()
            .write(true)
            .open(file)
            .expect("the database is there");
        // Nothing is written: it has holes.
        file.set_len(free / 3 * 2).expect("it can be made longer");
    }
    let disk = || {
        let (document, _) = place.json(["doctor"]);
        let found = document["findings"].as_array().expect("a list").clone();
        found.into_iter().any(|it| it["kind"] == "disk")
    };
    assert_eq!(disk(), !is_another);
    // The newest of the shared database is beside it from now on, and so may be those of the others.
    place.run(["backup", "--shared"]).done();
    assert!(disk());
}

#[cfg(unix)]
fn on_one_disk(one: &std::path::Path, other: &std::path::Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let of = |path: &std::path::Path| path.metadata().expect("it is there").dev();
    of(one) == of(other)
}

#[test]
fn repair_shows_its_plan_and_does_it_when_told() {
    let place = Place::new();
    place.create("TH001");
    place.admit("TH001");
    assert_eq!(
        place.run(["repair", "TH001"]).done(),
        "nothing to do on tenant `TH001`\n"
    );
    place.sql("TH001", DRIFT);

    let plan = place.run(["repair", "TH001"]);
    assert!(
        plan.ended(3)
            .contains("CREATE INDEX patients_phone_idx ON patients (phone)"),
        "{plan:?}"
    );
    assert!(
        plan.stdout
            .ends_with("next:\n  tenants repair TH001 --apply\n"),
        "{plan:?}"
    );
    let (document, code) = place.json(["repair", "TH001"]);
    assert_eq!((document["complete"].as_bool(), code), (Some(true), 3));
    assert_eq!(place.run(["verify", "TH001"]).code, 3, "nothing was done");

    let repaired = place.run(["repair", "TH001", "--apply"]);
    assert!(
        repaired
            .done()
            .starts_with("repaired TH001 in 1 step; all "),
        "{repaired:?}"
    );
    assert!(
        repaired.stdout.ends_with("TH001 is ready\n"),
        "{repaired:?}"
    );
    assert_eq!(place.patients("TH001"), 1);

    place.sql("TH001", DRIFT);
    let (document, code) = place.json(["repair", "TH001", "--apply"]);
    assert_eq!(
        (document["after"]["health"].as_str(), code),
        (Some("ready"), 0)
    );
    assert_eq!(document["rows"]["patients"], 1);
}

/// A number of four digits lost its zeros, and a slip in a column's name went unsaid.
#[test]
fn a_value_is_filled_in_as_it_is_written_and_only_where_there_is_a_column() {
    use diesel_tenants::RunQueryDsl;
    use diesel_tenants::models::schema::tenant::patients;

    let place = Place::new();
    place.create("TH001");
    place.admit("TH001");
    let fill = |value: &str| place.run(["repair", "TH001", "--fill", value]);
    assert!(
        fill("patients.nosuch=1")
            .refused(2)
            .contains("no column \"nosuch\""),
        "a column that is not there"
    );
    place.sql(
        "TH001",
        "DROP INDEX patients_name_idx; ALTER TABLE patients DROP COLUMN family_name",
    );
    let filled = ["--fill", "patients.family_name=0042", "--without-backup"];
    let plan = place.run(["repair", "TH001"].into_iter().chain(filled));
    let next =
        "next:\n  tenants repair TH001 --apply --fill patients.family_name=0042 --without-backup\n";
    assert!(plan.ended(3).ends_with(next), "{plan:?}");
    let apply = ["--fill", "patients.family_name=0042", "--apply"];
    place
        .run(["repair", "TH001"].into_iter().chain(apply))
        .done();
    let tenancy = place.library().open().expect("the library opens");
    let mut ctx = tenancy
        .tenant(&"TH001".parse().expect("an id"))
        .expect("the tenant opens");
    use diesel::QueryDsl;
    let name: String = patients::table
        .select(patients::family_name)
        .get_result(&mut ctx)
        .expect("there is one");
    assert_eq!(name, "0042");
}

#[test]
fn what_cannot_be_repaired_leads_to_the_backups() {
    let place = Place::new();
    place.create("TH001");
    let lost = place.run(["path", "TH001"]).done().trim().to_owned();
    std::fs::remove_file(lost).expect("the database is there");
    let refused = place.run(["repair", "TH001", "--apply"]);
    assert!(
        refused
            .refused(4)
            .contains("is missing and cannot be repaired"),
        "{refused:?}"
    );
    assert!(
        refused
            .stderr
            .ends_with("hint: `tenants backups TH001` lists what it can be restored from\n"),
        "{refused:?}"
    );
    for wrong in ["patients", "patients.name", ".name=1", "=1"] {
        assert_eq!(
            place.run(["repair", "TH001", "--fill", wrong]).code,
            2,
            "{wrong}"
        );
    }
}
