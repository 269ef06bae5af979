//! Tenants that come from elsewhere, and go there.
use diesel::connection::{Connection, SimpleConnection};

use crate::program::{Place, stable};

#[test]
fn a_tenant_is_exported_and_imported_under_another_id() {
    let place = Place::new();
    place.create("TH001");
    place.admit("TH001");
    let exported = stable(place.run(["export", "TH001", "out"]).done());
    assert!(exported.starts_with("exported TH001: "), "{exported}");
    assert!(
        exported.ends_with("next:\n tenants import NEW_ID out --name \"New Name\"\n"),
        "{exported}"
    );
    let taken = place.run(["export", "TH001", "out"]);
    assert!(taken.refused(4).contains("out"), "{taken:?}");

    let imported = stable(
        place
            .run([
                "import", "TWIN", "out", "--name", "The Twin", "--plan", "test",
            ])
            .done(),
    );
    assert!(
        imported.starts_with("imported TWIN (The Twin), which was TH001: "),
        "{imported}"
    );
    assert_eq!(place.patients("TWIN"), 1);
    place
        .run(["import", "TWIN", "out", "--name", "The Twin"])
        .refused(4);
    place
        .run(["import", "OTHER", "nowhere", "--name", "Other"])
        .refused(6);

    let (document, code) = place.json(["export", "TH001", "out2", "--format", "sqlite"]);
    assert_eq!((document["id"].as_str(), code), (Some("TH001"), 0));
    let (document, code) = place.json(["import", "THIRD", "out2", "--name", "The Third"]);
    assert_eq!((document["was"].as_str(), code), (Some("TH001"), 0));

    let file = place.path().join("out/tables/patients.ndjson");
    let rows = std::fs::read_to_string(&file).expect("it is there");
    std::fs::write(&file, rows.replace("Ada", "Eve")).expect("it can be written");
    assert_eq!(
        place
            .run(["import", "FORGED", "out", "--name", "Forged"])
            .refused(4)
            .lines()
            .count(),
        1
    );
    place.run(["show", "FORGED"]).refused(6);
}

/// Whoever purges the tenant afterwards has lost them.
#[test]
fn rows_of_virtual_tables_that_are_not_exported_are_a_finding() {
    let place = Place::new();
    place.create("TH001");
    let path = place.run(["path", "TH001"]).done().trim().to_owned();
    let path = place.path().join(path).display().to_string();
    let mut conn = diesel::SqliteConnection::establish(&path).expect("it opens");
    conn.batch_execute(
        "CREATE VIEW ours AS SELECT 1; CREATE VIRTUAL TABLE found USING fts5 (word);
         CREATE VIRTUAL TABLE boxes USING rtree (id, low, high); INSERT INTO boxes VALUES (1, 0, 1);",
    )
    .expect("the SQL runs");
    drop(conn);
    let told = place.run(["export", "TH001", "out"]);
    let told = told.ended(3);
    let lost =
        "rows that are not in the export, and not in what is imported from it: those of boxes\n";
    assert!(told.contains(lost), "{told}");
    let remade = "left out, as migrations make them again: found, ours\n";
    assert!(told.contains(remade), "{told}");
    let (document, code) = place.json(["export", "TH001", "out2"]);
    assert_eq!(code, 3);
    assert_eq!(document["rows_left_out"], serde_json::json!(["boxes"]));
    assert_eq!(document["left_out"].as_array().expect("names").len(), 3);
}

/// A file of another program, with one table of interest and one of its own.
fn foreign(place: &Place) {
    let path = place.path().join("db.sqlite3");
    std::fs::File::create(&path).expect("a file");
    let mut conn =
        diesel::SqliteConnection::establish(path.to_str().expect("a path")).expect("it opens");
    conn.batch_execute(
        "CREATE TABLE patients_patient (id integer PRIMARY KEY, patient_number varchar(20) NOT NULL, first_name varchar(50) NOT NULL,
             last_name varchar(50) NOT NULL, date_of_birth date NOT NULL, gender varchar(1) NOT NULL, created_at datetime NOT NULL);
         INSERT INTO patients_patient VALUES (1, 'P-1', 'Ada', 'Example', '1990-01-01', 'F', '2025-01-01 10:00:00');
         CREATE TABLE django_migrations (id integer PRIMARY KEY, app text, name text);
         CREATE TABLE notes (id integer PRIMARY KEY, note text);
         INSERT INTO notes VALUES (1, 'x');",
    )
    .expect("the SQL runs");
}

const MAPPING: &str = r#"
format = 1

[[table]]
from = "patients_patient"
to = "patients"
[table.columns]
id = { from = "id", as = "key" }
number = "patient_number"
given_name = "first_name"
family_name = "last_name"
birth_date = "date_of_birth"
sex = { from = "gender", words = { F = "female", M = "male" } }
created_at = "created_at"
"#;

#[test]
fn another_programs_file_is_inspected_and_adopted() {
    let place = Place::new();
    foreign(&place);
    let before = std::fs::read(place.path().join("db.sqlite3")).expect("it is there");
    std::fs::write(place.path().join("mapping.toml"), MAPPING).expect("it can be written");
    let inspected = place.run(["inspect", "db.sqlite3", "--mapping", "mapping.toml"]);
    assert!(
        inspected
            .done()
            .contains("patients_patient -> patients: 1 of 1 rows"),
        "{inspected:?}"
    );
    let (document, code) = place.json(["inspect", "db.sqlite3", "--mapping", "mapping.toml"]);
    assert_eq!((document["adoptable"].as_bool(), code), (Some(true), 0));

    let adopt = |id: &'static str, more: &[&'static str]| {
        let arguments = [
            "adopt",
            id,
            "db.sqlite3",
            "--mapping",
            "mapping.toml",
            "--name",
            "Old Hospital",
        ];
        arguments
            .into_iter()
            .chain(more.iter().copied())
            .collect::<Vec<_>>()
    };
    let refused = place.run(adopt("OLD001", &["--nothing-left-over"]));
    assert!(
        refused
            .refused(4)
            .contains("caused by: `notes` has 1 rows that would be left behind"),
        "{refused:?}"
    );
    let adopted = stable(place.run(adopt("OLD001", &[])).done());
    assert!(
        adopted.starts_with("adopted OLD001 (Old Hospital), in data/tenants/old001-"),
        "{adopted}"
    );
    assert_eq!(place.patients("OLD001"), 1);
    assert_eq!(place.json(adopt("OLD002", &[])).1, 0);
    assert_eq!(
        std::fs::read(place.path().join("db.sqlite3")).expect("it is there"),
        before
    );
    place.run(adopt("OLD001", &[])).refused(4);
}

#[test]
fn what_speaks_against_a_file_or_a_mapping_is_said() {
    let place = Place::new();
    foreign(&place);
    let wrong = MAPPING.replace("\"first_name\"", "\"firstname\"");
    std::fs::write(place.path().join("mapping.toml"), wrong).expect("it can be written");
    let inspected = place.run(["inspect", "db.sqlite3", "--mapping", "mapping.toml"]);
    assert!(
        inspected.ended(3).contains("did you mean `first_name`?"),
        "{inspected:?}"
    );
    std::fs::write(place.path().join("mapping.toml"), "format = ").expect("it can be written");
    place
        .run(["inspect", "db.sqlite3", "--mapping", "mapping.toml"])
        .refused(2);
    place
        .run(["inspect", "db.sqlite3", "--mapping", "nowhere.toml"])
        .refused(2);
    std::fs::write(place.path().join("mapping.toml"), MAPPING).expect("it can be written");
    place
        .run(["inspect", "nowhere.sqlite3", "--mapping", "mapping.toml"])
        .refused(6);
    place
        .run(["inspect", "mapping.toml", "--mapping", "mapping.toml"])
        .refused(4);
}
