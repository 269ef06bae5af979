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
