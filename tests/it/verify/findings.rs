//! Each thing that can be wrong with a schema, provoked once: exactly it is found.
use std::collections::BTreeSet;

use diesel_tenants::verify::{Finding, Health};

use super::{fleet, lines, rewrite, run, verify};

/// Damage, and the lines of what is found.
pub(crate) fn cases() -> Vec<(String, Vec<&'static str>)> {
    let visits = |from: &str, to: &str| rewrite("visits", from, to);
    let case = |sql: &str| sql.to_owned();
    vec![
        (
            case("DROP TABLE archive"),
            vec![
                "table `archive` is missing; migration 20260103000000 (archive) makes it and is recorded as applied",
            ],
        ),
        (
            case("CREATE TABLE notes (x)"),
            vec!["table `notes` is in no migration"],
        ),
        (
            case("CREATE TABLE users (x)"),
            vec!["table `users` belongs to the other scope; move its rows and drop it"],
        ),
        (
            rewrite("rooms", "STRICT, ", ""),
            vec!["table `rooms` is WITHOUT ROWID, should be STRICT, WITHOUT ROWID"],
        ),
        (
            case("ALTER TABLE visits DROP COLUMN nurse"),
            vec![
                "column `visits`.`nurse` is missing; migration 20260101000000 (wards) makes it and is recorded as applied",
            ],
        ),
        (
            case("ALTER TABLE visits DROP COLUMN paid"),
            vec![
                "column `visits`.`paid` is missing; migration 20260102000000 (payment) makes it and is recorded as applied",
            ],
        ),
        (
            case(
                "ALTER TABLE visits ADD COLUMN extra TEXT CHECK (extra <> '') REFERENCES patients (id)",
            ),
            vec!["column `visits`.`extra` is in no migration"],
        ),
        (
            visits("nurse BLOB", "nurse TEXT"),
            vec!["column `visits`.`nurse` has TEXT, should have BLOB"],
        ),
        (
            visits("nurse BLOB", "nurse BLOB NOT NULL DEFAULT 0"),
            vec![
                "column `visits`.`nurse` is NOT NULL, should take NULL",
                "column `visits`.`nurse` has the default 0, should have none",
                "rows break a constraint of their own table: NULL value in visits.nurse",
            ],
        ),
        (
            visits("cost INTEGER NOT NULL", "cost INTEGER"),
            vec!["column `visits`.`cost` may be NULL, should be NOT NULL"],
        ),
        (
            visits("nurse BLOB", "nurse BLOB DEFAULT x'00'"),
            vec!["column `visits`.`nurse` has the default x'00', should have none"],
        ),
        (
            visits("DEFAULT 'none'", "DEFAULT 'None'"),
            vec!["column `visits`.`reason` has the default 'None', should have 'none'"],
        ),
        (
            visits("cost * 2", "cost * 3"),
            vec!["column `visits`.`twice` is generated as (cost * 3), should be as (cost * 2)"],
        ),
        (
            visits("COLLATE NOCASE", ""),
            vec!["column `visits`.`label` has the collation none, should have nocase"],
        ),
        (
            rewrite(
                "archive",
                "id INTEGER PRIMARY KEY NOT NULL",
                "id INTEGER NOT NULL",
            ),
            vec!["the primary key of `archive` is none, should be (id)"],
        ),
        (
            visits("cost >= 0", "cost >= 1"),
            vec![
                "`visits` lacks CHECK (cost >= 0)",
                "`visits` has CHECK (cost >= 1), which is in no migration",
            ],
        ),
        (
            visits("CHECK (length(reason) > 0)", ""),
            vec!["`visits` lacks CHECK (length(reason) > 0)"],
        ),
        (
            visits("nurse BLOB", "nurse BLOB CHECK (nurse <> x'')"),
            vec!["`visits` has CHECK (nurse <> x''), which is in no migration"],
        ),
        (
            case(
                "CREATE TABLE v2 (a UNIQUE); DROP TABLE v2; ALTER TABLE archive RENAME TO o; CREATE TABLE archive (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL UNIQUE, ward TEXT NOT NULL); DROP TABLE o",
            ),
            vec!["`archive` has UNIQUE (name), which is in no migration"],
        ),
        (
            visits("ON DELETE CASCADE", ""),
            vec![
                "the foreign key (patient_id) of `visits` leads to patients (id), should lead to patients (id) ON DELETE CASCADE",
            ],
        ),
        (
            visits("REFERENCES patients (id) ON DELETE CASCADE", ""),
            vec!["`visits` lacks the foreign key (patient_id) to patients (id) ON DELETE CASCADE"],
        ),
        (
            visits("nurse BLOB", "nurse BLOB REFERENCES patients (id)"),
            vec!["`visits` has a foreign key (nurse) to patients (id), which is in no migration"],
        ),
        (
            visits("nurse BLOB", "nurse BLOB REFERENCES staff (id)"),
            vec![
                "`visits` has a foreign key (nurse) to staff (id), which is in no migration",
                "`visits` has a foreign key to `staff`, which is not in this database: every insert into it fails",
            ],
        ),
        (
            case("DROP INDEX visits_payer"),
            vec![
                "index `visits_payer` on `visits` is missing; migration 20260103000000 (archive) makes it and is recorded as applied",
            ],
        ),
        (
            case("CREATE INDEX more ON visits (cost)"),
            vec!["index `more` on `visits` is in no migration"],
        ),
        (
            case(
                "DROP INDEX visits_patient_id; CREATE INDEX visits_patient_id ON visits (patient_id, cost)",
            ),
            vec![
                "index `visits_patient_id` on `visits` is (patient_id, cost), should be (patient_id, cost DESC)",
            ],
        ),
        (
            case(
                "DROP INDEX visits_label; CREATE UNIQUE INDEX visits_label ON visits (lower(label)) WHERE label <> 'x'",
            ),
            vec![
                "index `visits_label` on `visits` is UNIQUE (lower ( label )) WHERE label <> 'x', should be UNIQUE (lower ( label )) WHERE label <> ''",
            ],
        ),
        (
            case("DROP TRIGGER visits_audit"),
            vec![
                "trigger `visits_audit` on `visits` is missing; migration 20260101000000 (wards) makes it and is recorded as applied",
            ],
        ),
        (
            case("CREATE TRIGGER more AFTER DELETE ON visits BEGIN DELETE FROM rooms; END"),
            vec!["trigger `more` on `visits` is in no migration"],
        ),
        (
            case(
                "DROP TRIGGER visits_audit; CREATE TRIGGER visits_audit AFTER DELETE ON visits BEGIN INSERT INTO rooms VALUES (OLD.id, 9); END",
            ),
            vec!["trigger `visits_audit` on `visits` is not the migrations'"],
        ),
        (
            case("DROP VIEW busy"),
            vec![
                "view `busy` is missing; migration 20260101000000 (wards) makes it and is recorded as applied",
            ],
        ),
        (
            case("CREATE VIEW more AS SELECT 1"),
            vec!["view `more` is in no migration"],
        ),
        (
            case("DROP VIEW busy; CREATE VIEW busy AS SELECT 1"),
            vec!["view `busy` is not the migrations'"],
        ),
        (
            case("DELETE FROM patients WHERE id = 1"),
            vec![
                "`visits` has 2 rows whose foreign key leads to no row of `patients`; correct or remove them",
            ],
        ),
        (
            case("DELETE FROM __tenants_migrations WHERE version = '20260103000000'"),
            vec![
                "everything migration 20260103000000 (archive) makes is there, but it is not recorded; repair records it",
                "the catalogue says the newest migration is 20260103000000, the database says 20260102000000; repair corrects the catalogue",
            ],
        ),
        (
            case(
                "ALTER TABLE visits DROP COLUMN paid; DROP INDEX visits_payer; ALTER TABLE visits DROP COLUMN payer",
            ),
            vec![
                "migration 20260102000000 (payment) is recorded as applied, but 2 of the 2 things it makes are missing; plan a repair",
                "column `visits`.`paid` is missing; migration 20260102000000 (payment) makes it and is recorded as applied",
                "column `visits`.`payer` is missing; migration 20260102000000 (payment) makes it and is recorded as applied",
                "index `visits_payer` on `visits` is missing; migration 20260103000000 (archive) makes it and is recorded as applied",
            ],
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

/// Beside all else that goes with a table that was made anew by hand.
#[test]
fn a_unique_constraint_that_is_gone_is_found() {
    let fleet = fleet();
    run(
        &fleet.tenancy,
        "ALTER TABLE visits RENAME TO o; CREATE TABLE visits (id INTEGER PRIMARY KEY NOT NULL, code TEXT NOT NULL);
         DROP TABLE o",
    );
    let gone = Finding::MissingUnique {
        table: "visits".to_owned(),
        columns: vec!["code".to_owned()],
    };
    let found = verify(&fleet);
    assert!(found.reasons.contains(&gone), "{found}");
}
