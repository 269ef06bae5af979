//! A drifted database is put right with every row kept, or it is left as it was.
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_tenants::BackupFilter;
use diesel_tenants::repair::{RepairError, RepairOptions, RepairPlan};
use diesel_tenants::verify::{Finding, Health};
use diesel_tenants::{MigrationScript, MigrationSet};

use crate::app::{Fleet, fleet_again};
use crate::verify::findings::cases;
use crate::verify::{everything, fleet, id, rewrite, run, verify};

mod crash;
mod damage;

pub(crate) use crash::play;

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// The rows a query gives, each as one text.
fn rows(fleet: &Fleet, query: &str) -> Vec<String> {
    let mut ctx = fleet.tenancy.tenant(&id()).unwrap();
    let rows = ctx.unrouted("test", |raw| {
        diesel::sql_query(query).load::<Line>(raw.connection())
    });
    rows.unwrap().into_iter().map(|row| row.line).collect()
}

const VISITS: &str = "SELECT id || code || reason || cost || coalesce(label, '-') || patient_id AS line FROM visits ORDER BY id";

fn quick() -> RepairOptions {
    RepairOptions::default().without_backup()
}

fn plan(fleet: &Fleet) -> RepairPlan {
    fleet.tenancy.plan_repair(&id(), &quick()).unwrap()
}

/// What stays as it is in the cases of `verify`: what no migration makes, and rows.
const LEFT: [&str; 9] = [
    "unexpected_table",
    "wrong_scope",
    "unexpected_column",
    "unexpected_index",
    "unexpected_trigger",
    "unexpected_view",
    "foreign_key_rows",
    "rows_break_constraint",
    "dangling_reference",
];

/// A table that was built anew reads otherwise than the migrations wrote it, and is the same to a backup.
#[test]
fn what_was_repaired_is_backed_up_and_restored_like_anything_else() {
    let fleet = fleet();
    run(
        &fleet.tenancy,
        &rewrite("patients", "name TEXT NOT NULL", "name TEXT"),
    );
    assert!(!verify(&fleet).is_ready());
    fleet.tenancy.repair(&id(), &plan(&fleet)).unwrap();
    assert!(verify(&fleet).is_ready());
    let before = rows(&fleet, VISITS);
    let options = diesel_tenants::BackupOptions::new();
    let backup = fleet.tenancy.backup(&id(), &options).unwrap();
    let backup = diesel_tenants::BackupRef::from(&backup);
    fleet.tenancy.drill(&backup).unwrap();
    let confirmed = diesel_tenants::RestoreOptions::confirmed(id().as_str());
    fleet.tenancy.restore(&id(), &backup, &confirmed).unwrap();
    assert_eq!(rows(&fleet, VISITS), before);
    assert!(verify(&fleet).is_ready());
}

/// Each thing that can be wrong with a schema is mended, or left alone with a reason; the rows are the same.
#[test]
fn each_thing_that_is_wrong_is_mended_or_left() {
    for (sql, _) in cases() {
        let fleet = fleet();
        let before = rows(&fleet, VISITS);
        run(&fleet.tenancy, &sql);
        let found = verify(&fleet);
        let plan = plan(&fleet);
        let text = plan.to_string();
        let report = fleet.tenancy.repair(&id(), &plan);
        let report = report.unwrap_or_else(|error| panic!("{error:?}\n{sql}\n{text}"));
        let left: Vec<String> = report.after.reasons.iter().map(Finding::kind).collect();
        assert!(
            left.iter().all(|kind| LEFT.contains(&kind.as_str())),
            "{sql}\n{text}\n{report}"
        );
        assert_eq!(
            plan.is_complete(),
            report.after.is_ready(),
            "{sql}\n{text}\n{report}"
        );
        assert!(plan.needs.is_empty(), "{text}");
        assert_eq!(rows(&fleet, VISITS), before, "{sql}\n{text}");
        // What can be mended was.
        let stays = |finding: &Finding| LEFT.contains(&finding.kind().as_str());
        if !found.reasons.iter().any(stays) {
            assert!(report.after.is_ready(), "{sql}\n{text}\n{report}");
        }
        let again = self::plan(&fleet);
        assert!(
            again.is_empty(),
            "a second repair has nothing to do: {again}"
        );
        // The tenant is in use as before.
        run(
            &fleet.tenancy,
            "INSERT INTO visits (id, code, cost, patient_id, reason) VALUES (9, 'V9', 1, 2, 'x')",
        );
    }
}

/// The drift this library began with: recorded, never applied, and what the migration did to rows is done again.
#[test]
fn a_migration_that_was_recorded_and_not_applied_is_made_up_for() {
    let fleet = fleet();
    let before = rows(&fleet, VISITS);
    run(
        &fleet.tenancy,
        "DROP INDEX visits_payer; ALTER TABLE visits DROP COLUMN paid; ALTER TABLE visits DROP COLUMN payer",
    );
    let plan = fleet
        .tenancy
        .plan_repair(&id(), &RepairOptions::default())
        .unwrap();
    assert_eq!(
        plan.to_string(),
        "repairing tenant `A1` would be 4 steps, after a backup
  1. add column `visits`.`paid`; every row gets 0
       ALTER TABLE \"visits\" ADD COLUMN paid INTEGER NOT NULL DEFAULT 0;
  2. add column `visits`.`payer`; every row gets NULL
       ALTER TABLE \"visits\" ADD COLUMN payer TEXT;
  3. fill what is new as migration 20260102000000 (payment) does
       UPDATE visits SET paid = cost;
  4. make index `visits_payer` on `visits`
       CREATE INDEX visits_payer ON visits (payer);"
    );
    assert!(!verify(&fleet).is_ready(), "planning changes nothing");
    let report = fleet.tenancy.repair(&id(), &plan).unwrap();
    assert!(report.after.is_ready(), "{report}");
    assert_eq!(rows(&fleet, VISITS), before);
    assert_eq!(
        rows(&fleet, "SELECT paid AS line FROM visits ORDER BY id"),
        ["10", "20", "30"]
    );
    assert_eq!(report.rows["visits"], 3);
    let backups = fleet.tenancy.backups(&BackupFilter::tenant(&id())).unwrap();
    assert_eq!(backups, [report.backup.unwrap()]);
}

/// A value that nobody gave is not invented.
#[test]
fn a_column_that_must_not_be_null_is_filled_with_what_is_given() {
    let fleet = fleet();
    run(
        &fleet.tenancy,
        "DROP TABLE archive; CREATE TABLE archive (id INTEGER PRIMARY KEY NOT NULL, name TEXT);
         INSERT INTO archive VALUES (1, 'Ada'), (2, NULL)",
    );
    let refused = plan(&fleet);
    assert!(refused.is_empty() && !refused.is_complete(), "{refused}");
    let needs: Vec<_> = refused
        .needs
        .iter()
        .map(|n| (n.column.as_str(), n.rows))
        .collect();
    assert_eq!(needs, [("name", 1), ("ward", 2)]);
    assert!(
        refused.to_string().contains("cannot be invented"),
        "{refused}"
    );
    let options = quick()
        .fill("archive", "ward", "A")
        .fill("Archive", "NAME", "O'Neil");
    let plan = fleet.tenancy.plan_repair(&id(), &options).unwrap();
    let report = fleet.tenancy.repair(&id(), &plan).unwrap();
    assert!(report.after.is_ready(), "{report}");
    let archive = "SELECT id || name || ward AS line FROM archive ORDER BY id";
    assert_eq!(rows(&fleet, archive), ["1AdaA", "2O'NeilA"]);
}

/// What the rows do not allow, or what would change a value, is left with a reason and the rows untouched.
#[test]
fn what_the_rows_do_not_allow_is_left() {
    let visits = |from: &str, to: &str| rewrite("visits", from, to);
    let cases = [
        (
            format!("{}; UPDATE visits SET cost = -1 WHERE id = 3", visits("CHECK (cost >= 0)", "")),
            "1 rows break CHECK (cost >= 0)",
        ),
        (
            "CREATE TABLE o AS SELECT * FROM archive; DROP TABLE archive; CREATE TABLE archive (id INTEGER NOT NULL, name TEXT NOT NULL, ward TEXT NOT NULL); DROP TABLE o; INSERT INTO archive VALUES (1, 'a', 'b'), (1, 'c', 'd')".to_owned(),
            "1 values of (id) occur in more than one row",
        ),
        (
            "DROP INDEX visits_label; UPDATE visits SET label = 'same'".to_owned(),
            "1 values occur in more than one row",
        ),
        (
            format!("{}; UPDATE visits SET paid = '007' WHERE id = 2", visits("paid INTEGER", "paid TEXT")),
            "1 values of `paid` would be changed by the type INTEGER",
        ),
        (
            format!("{}; DELETE FROM patients WHERE id = 1", visits("REFERENCES patients (id) ON DELETE CASCADE", "")),
            "2 rows of (patient_id) lead to no row of `patients`",
        ),
    ];
    for (sql, why) in cases {
        let fleet = fleet();
        run(&fleet.tenancy, &sql);
        let before = rows(&fleet, VISITS);
        let plan = plan(&fleet);
        assert!(
            plan.left.iter().any(|left| left.why == why),
            "{why}\n{plan}"
        );
        assert!(!plan.is_complete());
        let report = fleet.tenancy.repair(&id(), &plan).unwrap();
        assert_eq!(report.after.status, Health::Incomplete, "{report}");
        assert_eq!(rows(&fleet, VISITS), before);
    }
}

/// What no migration makes is carried over, values and all, when its table is rebuilt.
#[test]
fn a_rebuild_keeps_what_it_does_not_know() {
    let fleet = fleet();
    run(
        &fleet.tenancy,
        &format!(
            "{}; ALTER TABLE visits ADD COLUMN extra TEXT DEFAULT 'kept'; UPDATE visits SET extra = 'x' || id WHERE id > 1;
             CREATE INDEX more ON visits (extra);
             CREATE TRIGGER most AFTER INSERT ON visits BEGIN UPDATE visits SET extra = 'new' WHERE id = NEW.id; END;",
            rewrite("visits", "cost >= 0", "cost > 0")
        ),
    );
    let plan = plan(&fleet);
    let left: Vec<String> = plan.left.iter().map(|left| left.finding.kind()).collect();
    assert_eq!(
        left,
        [
            "unexpected_column",
            "unexpected_index",
            "unexpected_trigger"
        ]
    );
    let report = fleet.tenancy.repair(&id(), &plan).unwrap();
    assert_eq!(report.after.reasons.len(), 3, "{report}");
    run(
        &fleet.tenancy,
        "INSERT INTO visits (id, code, cost, patient_id, reason) VALUES (9, 'V9', 0, 2, 'x')",
    );
    let extra = "SELECT extra AS line FROM visits ORDER BY id";
    assert_eq!(rows(&fleet, extra), ["kept", "x2", "x3", "new"]);
    assert!(!verify(&fleet).is_ready());
}

/// A number that was given and whose row is gone is not given again.
#[test]
fn a_rebuild_keeps_the_numbers_given() {
    let numbered = MigrationScript::new(
        "20260104000000",
        "tickets",
        "CREATE TABLE tickets (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, text TEXT NOT NULL CHECK (text <> ''))",
    );
    let set = everything().and(numbered);
    let mut fleet = fleet();
    fleet.tenancy = fleet_again(&fleet, set);
    fleet.tenancy.migrate_tenant(&id()).unwrap();
    run(
        &fleet.tenancy,
        &format!(
            "INSERT INTO tickets (text) VALUES ('a'), ('b'), ('c'); DELETE FROM tickets WHERE id > 1; {}",
            rewrite("tickets", "CHECK (text <> '')", "")
        ),
    );
    let report = fleet.tenancy.repair(&id(), &plan(&fleet)).unwrap();
    assert!(report.after.is_ready(), "{report}");
    run(&fleet.tenancy, "INSERT INTO tickets (text) VALUES ('d')");
    assert_eq!(
        rows(&fleet, "SELECT id || text AS line FROM tickets ORDER BY id"),
        ["1a", "4d"]
    );
}

#[test]
fn a_plan_fits_one_database_only() {
    let fleet = fleet();
    fleet.create("B1");
    run(&fleet.tenancy, "DROP TABLE archive");
    let plan = plan(&fleet);
    let other = fleet.tenancy.repair(&"B1".parse().unwrap(), &plan);
    assert!(
        matches!(other, Err(RepairError::OtherTenant { .. })),
        "{other:?}"
    );
    run(&fleet.tenancy, "CREATE INDEX meanwhile ON visits (cost)");
    let outdated = fleet.tenancy.repair(&id(), &plan).unwrap_err();
    assert!(
        matches!(outdated, RepairError::PlanOutdated { .. }),
        "{outdated:?}"
    );
    assert!(!verify(&fleet).is_ready(), "nothing was done");
    // The operation is over: the next one may begin.
    fleet.tenancy.repair(&id(), &self::plan(&fleet)).unwrap();
    // Of the next generation all that a plan looks at may be the same, and the rows are others.
    run(&fleet.tenancy, "DROP INDEX visits_payer");
    let plan = self::plan(&fleet);
    fleet.tenancy.compact(&id()).unwrap();
    let outdated = fleet.tenancy.repair(&id(), &plan).unwrap_err();
    assert!(
        matches!(outdated, RepairError::PlanOutdated { .. }),
        "{outdated:?}"
    );
    let generation = fleet.tenancy.repair(&id(), &self::plan(&fleet));
    assert!(generation.is_ok(), "{generation:?}");
}

#[test]
fn a_step_that_fails_takes_all_back() {
    let fleet = fleet();
    run(
        &fleet.tenancy,
        "DROP INDEX visits_payer; ALTER TABLE visits DROP COLUMN paid; DROP TABLE archive;
         CREATE TRIGGER stop BEFORE UPDATE ON visits BEGIN SELECT RAISE(ABORT, 'not now'); END",
    );
    let before = verify(&fleet).reasons;
    let failed = fleet.tenancy.repair(&id(), &plan(&fleet)).unwrap_err();
    assert!(matches!(failed, RepairError::Step { .. }), "{failed:?}");
    assert_eq!(
        failed.to_string(),
        "repairing tenant `A1` failed at this step and was taken back whole: fill what is new as migration 20260102000000 (payment) does"
    );
    assert_eq!(verify(&fleet).reasons, before);
}

/// Steps that do something else than they say are found out before they are committed.
#[test]
fn what_a_step_does_to_rows_unasked_is_taken_back() {
    let fleet = fleet();
    run(
        &fleet.tenancy,
        "ALTER TABLE visits DROP COLUMN paid;
         CREATE TRIGGER eats AFTER UPDATE ON visits BEGIN DELETE FROM rooms; END",
    );
    let before = rows(&fleet, VISITS);
    let failed = fleet.tenancy.repair(&id(), &plan(&fleet)).unwrap_err();
    assert!(
        matches!(&failed, RepairError::Rows { table, before: 2, after: 0, .. } if table == "rooms"),
        "{failed:?}"
    );
    assert_eq!(rows(&fleet, VISITS), before);
    let orphans = "DROP TRIGGER eats; CREATE TRIGGER cuts AFTER UPDATE ON visits BEGIN UPDATE patients SET id = id + 100 WHERE id < 100; END";
    run(&fleet.tenancy, orphans);
    let failed = fleet.tenancy.repair(&id(), &plan(&fleet)).unwrap_err();
    assert!(
        matches!(&failed, RepairError::ForeignKeys { table, parent, .. } if table == "visits" && parent == "patients"),
        "{failed:?}"
    );
    assert_eq!(rows(&fleet, VISITS), before);
}

/// A plan that does not do what it says it would is found out.
#[test]
fn what_remains_after_all_steps_is_taken_back() {
    let fleet = fleet();
    run(&fleet.tenancy, "DROP TABLE archive; DROP VIEW busy");
    let mut half = plan(&fleet);
    half.steps.pop();
    let failed = fleet.tenancy.repair(&id(), &half).unwrap_err();
    assert!(matches!(failed, RepairError::Remains { .. }), "{failed:?}");
    let kinds: Vec<String> = verify(&fleet).reasons.iter().map(Finding::kind).collect();
    assert_eq!(kinds, ["missing_table", "missing_view"]);
}

/// A migration's change of rows that were there before is not made a second time.
#[test]
fn only_what_is_new_is_filled() {
    let script = MigrationScript::new(
        "20260104000000",
        "discount",
        "ALTER TABLE visits ADD COLUMN discount INTEGER NOT NULL DEFAULT 0;
         CREATE TABLE kinds (name TEXT PRIMARY KEY NOT NULL);
         INSERT INTO kinds VALUES ('first'), ('second');
         UPDATE visits SET discount = cost / 10;
         UPDATE visits SET cost = cost - discount;",
    );
    let mut fleet = fleet();
    fleet.tenancy = fleet_again(&fleet, everything().and(script));
    fleet.tenancy.migrate_tenant(&id()).unwrap();
    run(
        &fleet.tenancy,
        "ALTER TABLE visits DROP COLUMN discount; DROP TABLE kinds",
    );
    let before = rows(&fleet, VISITS);
    let plan = plan(&fleet);
    assert_eq!(
        plan.notes,
        [
            "migration 20260104000000 (discount) also changes rows that were there before (UPDATE visits SET …); that is not done again, look whether it is needed"
        ]
    );
    let report = fleet.tenancy.repair(&id(), &plan).unwrap();
    assert!(report.after.is_ready(), "{report}");
    assert_eq!(rows(&fleet, VISITS), before);
    assert_eq!(
        rows(&fleet, "SELECT discount AS line FROM visits ORDER BY id"),
        ["0", "1", "2"]
    );
    assert_eq!(
        rows(&fleet, "SELECT name AS line FROM kinds ORDER BY 1"),
        ["first", "second"]
    );
}

#[test]
fn what_was_done_and_not_recorded_is_recorded() {
    let fleet = fleet();
    run(&fleet.tenancy, "DROP TABLE __tenants_migrations");
    let report = fleet.tenancy.repair(&id(), &plan(&fleet)).unwrap();
    assert!(report.after.is_ready(), "{report}");
    assert!(fleet.tenancy.migrate_tenant(&id()).unwrap().is_empty());
}

#[test]
fn a_fence_that_nobody_needs_is_taken_out() {
    let fleet = fleet();
    run(&fleet.tenancy, "UPDATE __tenants_identity SET fenced = 1");
    let report = fleet.tenancy.repair(&id(), &plan(&fleet)).unwrap();
    assert!(report.after.is_ready(), "{report}");
    fleet.tenancy.suspend(&id()).unwrap();
    fleet.tenancy.resume(&id()).unwrap();
    run(&fleet.tenancy, "UPDATE visits SET cost = 1");
}

#[test]
fn what_cannot_be_repaired_is_to_be_restored() {
    type Harm = fn(&std::path::Path);
    let harms: [(Harm, Health); 2] = [
        (|file| std::fs::remove_file(file).unwrap(), Health::Missing),
        (
            |file| std::fs::write(file, [7; 8192]).unwrap(),
            Health::Corrupt,
        ),
    ];
    for (harm, wanted) in harms {
        let fleet = fleet();
        let handle = fleet.tenancy.handle(&id()).unwrap();
        fleet.tenancy.suspend(&id()).unwrap();
        harm(&fleet.file(&handle, 1));
        let refused = fleet.tenancy.plan_repair(&id(), &quick()).unwrap_err();
        assert!(
            refused.to_string().ends_with("restore it from a backup"),
            "{refused}"
        );
        assert!(matches!(refused, RepairError::NotRepairable { health, .. } if health == wanted));
    }
    let fleet = fleet();
    let older: MigrationSet = everything().iter().take(2).cloned().collect();
    let refused = fleet_again(&fleet, older)
        .plan_repair(&id(), &quick())
        .unwrap_err();
    assert!(matches!(refused, RepairError::Ahead { .. }), "{refused:?}");
}

/// A database that is behind is repaired to what it should be so far; what is pending is left to migrating.
#[test]
fn a_database_that_is_behind_is_repaired_as_far_as_it_is() {
    let mut fleet = fleet();
    run(&fleet.tenancy, "DROP TABLE archive");
    let more = MigrationScript::new("20260104000000", "more", "CREATE TABLE more (id INTEGER)");
    fleet.tenancy = fleet_again(&fleet, everything().and(more));
    let report = fleet.tenancy.repair(&id(), &plan(&fleet)).unwrap();
    assert!(
        matches!(&report.after.reasons[..], [Finding::Behind { .. }]),
        "{report}"
    );
    fleet.tenancy.migrate_tenant(&id()).unwrap();
    assert!(verify(&fleet).is_ready());
}

/// An open context of another thread goes on, before and after.
#[test]
fn open_contexts_go_on() {
    let fleet = fleet();
    run(&fleet.tenancy, "DROP TABLE archive");
    let mut open = fleet.tenancy.tenant(&id()).unwrap();
    crate::app::admit(&mut open, "before").unwrap();
    fleet.tenancy.repair(&id(), &plan(&fleet)).unwrap();
    crate::app::admit(&mut open, "after").unwrap();
    let names = crate::app::names(&mut open);
    assert_eq!(names, ["Ada", "Ben", "before", "after"]);
    // A list of tenants shows what is now.
    let kept = fleet.tenancy.health(&id()).unwrap().unwrap();
    assert_eq!(kept.status, Health::Ready);
}
