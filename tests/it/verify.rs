//! What is wrong with a database is said, each thing once and by name; nothing is changed on the way.
use diesel::connection::SimpleConnection;
use diesel_tenants::prelude::*;
use diesel_tenants::verify::{Finding, Health, Verification, VerifyOptions};
use diesel_tenants::{MigrationScript, MigrationSet};

use crate::app::{self, Fleet};

mod files;
pub(crate) mod findings;
mod fleet;
mod hospital;
pub(crate) mod ledger;
mod normal;

/// Migrations that make one of everything.
pub(crate) fn everything() -> MigrationSet {
    MigrationSet::new([
        MigrationScript::new(
            "20260101000000",
            "wards",
            "CREATE TABLE patients (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL, ward TEXT NOT NULL);
             CREATE TABLE visits (
                 id INTEGER PRIMARY KEY NOT NULL,
                 code TEXT NOT NULL UNIQUE,
                 reason TEXT NOT NULL DEFAULT 'none' CHECK (length(reason) > 0),
                 cost INTEGER NOT NULL DEFAULT 0 CHECK (cost >= 0),
                 nurse BLOB,
                 label TEXT COLLATE NOCASE,
                 twice INTEGER GENERATED ALWAYS AS (cost * 2) VIRTUAL,
                 patient_id INTEGER NOT NULL REFERENCES patients (id) ON DELETE CASCADE,
                 CHECK (cost < 1000 OR reason <> 'none')
             );
             CREATE INDEX visits_patient_id ON visits (patient_id, cost DESC);
             CREATE UNIQUE INDEX visits_label ON visits (lower(label)) WHERE label <> '';
             CREATE TABLE rooms (number INTEGER NOT NULL, floor INTEGER NOT NULL, PRIMARY KEY (floor, number)) STRICT, WITHOUT ROWID;
             CREATE TRIGGER visits_audit AFTER DELETE ON visits BEGIN INSERT INTO rooms VALUES (OLD.id, 0); END;
             CREATE VIEW busy AS SELECT patient_id, count(*) AS visits FROM visits GROUP BY patient_id;",
        ),
        MigrationScript::new(
            "20260102000000",
            "payment",
            "ALTER TABLE visits ADD COLUMN paid INTEGER NOT NULL DEFAULT 0;
             ALTER TABLE visits ADD COLUMN payer TEXT;
             UPDATE visits SET paid = cost;",
        ),
        MigrationScript::new(
            "20260103000000",
            "archive",
            "CREATE TABLE archive (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL, ward TEXT NOT NULL);
             CREATE INDEX visits_payer ON visits (payer);",
        ),
    ])
}

/// A fleet of the tenant `A1`, with three visits.
pub(crate) fn fleet() -> Fleet {
    let fleet = app::fleet_with(|builder| builder.tenant_migrations(everything()));
    fleet.create("A1");
    fill(&fleet.tenancy);
    fleet
}

pub(crate) const ROWS: &str = "INSERT INTO patients VALUES (1, 'Ada', 'A'), (2, 'Ben', 'B');
     INSERT INTO visits (id, code, reason, cost, label, patient_id, paid)
     VALUES (1, 'V1', 'fever', 10, 'a', 1, 10), (2, 'V2', 'cough', 20, 'b', 1, 20), (3, 'V3', 'none', 30, NULL, 2, 0);
     INSERT INTO rooms VALUES (1, 1), (2, 1);";

fn fill(tenancy: &Tenancy) {
    run(tenancy, ROWS);
}

pub(crate) fn id() -> TenantId {
    "A1".parse().unwrap()
}

/// Does what an operator with a database shell does.
pub(crate) fn run(tenancy: &Tenancy, sql: &str) {
    let mut ctx = tenancy.tenant(&id()).unwrap();
    let sql = format!("PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON; {sql}");
    let done = ctx.unrouted("damage", |raw| raw.connection().batch_execute(&sql));
    done.unwrap_or_else(|error| panic!("{error}: {sql}"));
}

/// Rewrites the definition of a table in place, as nobody should.
pub(crate) fn rewrite(table: &str, from: &str, to: &str) -> String {
    let (from, to) = (from.replace('\'', "''"), to.replace('\'', "''"));
    format!(
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, '{from}', '{to}') WHERE name = '{table}' AND sql LIKE '%' || '{from}' || '%';
         PRAGMA writable_schema = RESET;"
    )
}

pub(crate) fn verify(fleet: &Fleet) -> Verification {
    fleet
        .tenancy
        .verify(&id(), &VerifyOptions::default())
        .unwrap()
}

pub(crate) fn lines(found: &Verification) -> Vec<String> {
    found.reasons.iter().map(Finding::to_string).collect()
}

#[test]
fn a_new_tenant_is_ready() {
    let fleet = fleet();
    let found = verify(&fleet);
    assert_eq!((found.status, found.reasons), (Health::Ready, vec![]));
    assert!(found.id == Some(id()) && found.generation == 1);
    let shared = fleet
        .tenancy
        .verify_shared(&VerifyOptions::default())
        .unwrap();
    assert!(shared.is_ready(), "{shared}");
}

/// A few cases in the ordinary run, many with `DIESEL_TENANTS_SWEEP=full`.
pub(crate) fn cases() -> proptest::test_runner::Config {
    let cases = match std::env::var("DIESEL_TENANTS_SWEEP").as_deref() {
        Ok("full") => 256,
        _ => 10,
    };
    proptest::test_runner::Config {
        cases,
        failure_persistence: None,
        ..Default::default()
    }
}
