//! Each thing that can be wrong with a schema, provoked once: exactly it is found.
use std::collections::BTreeSet;

use diesel_tenants::verify::Health;

use super::{fleet, lines, rewrite, run, verify};

/// Damage, and the lines of what is found.
fn cases() -> Vec<(String, Vec<&'static str>)> {
    let visits = |from: &str, to: &str| rewrite("visits", from, to);
    let case = |sql: &str| sql.to_owned();
    vec![
        (case("DROP TABLE archive"), vec!["X"]),
        (case("CREATE TABLE notes (x)"), vec!["X"]),
        (case("CREATE TABLE users (x)"), vec!["X"]),
        (rewrite("rooms", "STRICT, ", ""), vec!["X"]),
        (case("ALTER TABLE visits DROP COLUMN nurse"), vec!["X"]),
        (case("ALTER TABLE visits DROP COLUMN paid"), vec!["X"]),
        (
            case(
                "ALTER TABLE visits ADD COLUMN extra TEXT CHECK (extra <> '') REFERENCES patients (id)",
            ),
            vec!["X"],
        ),
        (visits("nurse BLOB", "nurse TEXT"), vec!["X"]),
        (
            visits("nurse BLOB", "nurse BLOB NOT NULL DEFAULT 0"),
            vec!["X"],
        ),
        (visits("cost INTEGER NOT NULL", "cost INTEGER"), vec!["X"]),
        (visits("nurse BLOB", "nurse BLOB DEFAULT x'00'"), vec!["X"]),
        (visits("DEFAULT 'none'", "DEFAULT 'None'"), vec!["X"]),
        (visits("cost * 2", "cost * 3"), vec!["X"]),
        (visits("COLLATE NOCASE", ""), vec!["X"]),
        (
            rewrite(
                "archive",
                "id INTEGER PRIMARY KEY NOT NULL",
                "id INTEGER NOT NULL",
            ),
            vec!["X"],
        ),
        (visits("cost >= 0", "cost >= 1"), vec!["X"]),
        (visits("CHECK (length(reason) > 0)", ""), vec!["X"]),
        (
            visits("nurse BLOB", "nurse BLOB CHECK (nurse <> x'')"),
            vec!["X"],
        ),
        (
            case(
                "CREATE TABLE v2 (a UNIQUE); DROP TABLE v2; ALTER TABLE archive RENAME TO o; CREATE TABLE archive (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL UNIQUE, ward TEXT NOT NULL); DROP TABLE o",
            ),
            vec!["X"],
        ),
        (visits("ON DELETE CASCADE", ""), vec!["X"]),
        (
            visits("REFERENCES patients (id) ON DELETE CASCADE", ""),
            vec!["X"],
        ),
        (
            visits("nurse BLOB", "nurse BLOB REFERENCES patients (id)"),
            vec!["X"],
        ),
        (
            visits("nurse BLOB", "nurse BLOB REFERENCES staff (id)"),
            vec!["X"],
        ),
        (case("DROP INDEX visits_payer"), vec!["X"]),
        (case("CREATE INDEX more ON visits (cost)"), vec!["X"]),
        (
            case(
                "DROP INDEX visits_patient_id; CREATE INDEX visits_patient_id ON visits (patient_id, cost)",
            ),
            vec!["X"],
        ),
        (
            case(
                "DROP INDEX visits_label; CREATE UNIQUE INDEX visits_label ON visits (lower(label)) WHERE label <> 'x'",
            ),
            vec!["X"],
        ),
        (case("DROP TRIGGER visits_audit"), vec!["X"]),
        (
            case("CREATE TRIGGER more AFTER DELETE ON visits BEGIN DELETE FROM rooms; END"),
            vec!["X"],
        ),
        (
            case(
                "DROP TRIGGER visits_audit; CREATE TRIGGER visits_audit AFTER DELETE ON visits BEGIN INSERT INTO rooms VALUES (OLD.id, 9); END",
            ),
            vec!["X"],
        ),
        (case("DROP VIEW busy"), vec!["X"]),
        (case("CREATE VIEW more AS SELECT 1"), vec!["X"]),
        (
            case("DROP VIEW busy; CREATE VIEW busy AS SELECT 1"),
            vec!["X"],
        ),
        (case("DELETE FROM patients WHERE id = 1"), vec!["X"]),
        (
            case("DELETE FROM __tenants_migrations WHERE version = '20260103000000'"),
            vec!["X"],
        ),
        (
            case(
                "ALTER TABLE visits DROP COLUMN paid; DROP INDEX visits_payer; ALTER TABLE visits DROP COLUMN payer",
            ),
            vec!["X"],
        ),
    ]
}

#[test]
fn each_thing_that_is_wrong_is_found_and_nothing_else() {
    let mut kinds = BTreeSet::new();
    let mut wrong = Vec::new();
    for (sql, expected) in cases() {
        let fleet = fleet();
        run(&fleet.tenancy, &sql);
        let found = verify(&fleet);
        kinds.extend(found.reasons.iter().map(|reason| reason.kind()));
        if lines(&found) != expected || found.status != Health::Incomplete {
            wrong.push((sql, lines(&found)));
        }
    }
    println!("{kinds:?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
