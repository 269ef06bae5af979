//! Migrations that must not run are refused by name, before any tenant is touched or tenant by tenant.
use diesel_tenants::migrate::MigrationSetError;
use diesel_tenants::{Error, SetupError};

use super::*;

fn third(sql: &'static str) -> MigrationSet {
    MigrationSet::new([
        wards(),
        archive(),
        MigrationScript::new("20260103000000", "third", sql),
    ])
}

/// Opens the library with `set` on a fleet that is up to date, expects a refusal, and that no tenant was touched.
fn refused_at_once(set: MigrationSet) -> (MigrationSetError, String) {
    let fleet = fleet_with(|builder| builder);
    fleet.create("A1");
    let refused = builder(&fleet.root).tenant_migrations(set).open();
    let Err(Error::Setup(SetupError::Migrations(error))) = refused else {
        panic!("{refused:?}");
    };
    assert_migrated(&fleet.tenancy);
    let text = error.to_string();
    (error, text)
}

#[test]
fn statements_that_would_leave_the_transaction() {
    for (sql, named) in [
        (
            "CREATE TABLE half (id INTEGER);\nCOMMIT;",
            "COMMIT (line 2)",
        ),
        (
            "CREATE TABLE half (id INTEGER);\nROLLBACK;",
            "ROLLBACK (line 2)",
        ),
        ("CREATE TABLE half (id INTEGER);\nBEGIN;", "BEGIN (line 2)"),
        ("SELECT 1;\nATTACH 'other' AS other;", "ATTACH (line 2)"),
        (
            "SELECT 1;\nPRAGMA journal_mode = DELETE;",
            "PRAGMA journal_mode (line 2)",
        ),
    ] {
        let (error, text) = refused_at_once(third(sql));
        assert!(
            matches!(error, MigrationSetError::Forbidden(_)),
            "{error:?}"
        );
        assert!(
            text.starts_with("migration `20260103000000` (third) must not contain")
                && text.contains(named),
            "{text}"
        );
    }
    let (_, text) = refused_at_once(third("PRAGMA foreign_keys = OFF;"));
    assert!(text.contains("it has no effect in a transaction"), "{text}");
}

#[test]
fn sets_that_cannot_be_used() {
    let twice = third("SELECT 1;").and(MigrationSet::new([MigrationScript::new(
        "20260103000000",
        "of_another_crate",
        "SELECT 1;",
    )]));
    let (_, text) = refused_at_once(twice);
    assert!(
        text.contains("both have version `20260103000000`"),
        "{text}"
    );
    let (error, _) = refused_at_once(third("-- later\r\n"));
    assert!(
        matches!(error, MigrationSetError::Empty { .. }),
        "{error:?}"
    );
    let (error, _) = refused_at_once(third("\u{feff}SELECT 1;"));
    assert!(
        matches!(error, MigrationSetError::ByteOrderMark { .. }),
        "{error:?}"
    );

    let dir = crate::scratch::dir();
    let migration = dir.path().join("2026-01-03-000000_third");
    std::fs::create_dir(&migration).unwrap();
    std::fs::write(migration.join("up.sql"), b"SELECT '\xff';").unwrap();
    let source = diesel_migrations::FileBasedMigrations::from_path(dir.path()).unwrap();
    let (error, text) = refused_at_once(MigrationSet::from_source(source));
    assert!(
        matches!(error, MigrationSetError::NotSql { .. }),
        "{error:?}"
    );
    assert!(text.contains("(third)"), "{text}");
}

#[test]
fn other_line_ends_are_no_edit() {
    let fleet = old_fleet(&["A1"]);
    let new = new_program(&fleet);
    migrate(&new, &all_at_once());
    let windows = new_set(|sql| sql.replace('\n', "\r\n"));
    let windows = with_migrations(&fleet, windows);
    without_databases(&fleet.root, || {
        assert_eq!(migrate(&windows, &all_at_once()).totals.up_to_date, 1);
    });
}

fn new_set(edit: impl Fn(&str) -> String) -> MigrationSet {
    [wards(), archive()]
        .iter()
        .map(|script| {
            let sql = edit(script.sql());
            MigrationScript::new(script.version(), script.name(), sql)
        })
        .collect()
}

/// A script that fails on a new database too is found before any tenant is touched.
#[test]
fn a_script_that_makes_no_template_touches_nobody() {
    let fleet = old_fleet(&["A1"]);
    for (sql, said) in [
        (
            "ALTER TABLE patients RENAME COLUMN nam TO x;",
            "no such column",
        ),
        ("CREATE TABLE users (id INTEGER PRIMARY KEY);", "`users`"),
        (
            "CREATE TABLE beds (id INTEGER PRIMARY KEY, hospital_id INTEGER REFERENCES hospitals (id));",
            "`hospitals`",
        ),
    ] {
        let set = MigrationSet::new([wards(), MigrationScript::new(ARCHIVE, "second", sql)]);
        let new = with_migrations(&fleet, set);
        let (options, touched) = watched(all_at_once());
        let refused = new.migrate_fleet(&options, |_| {}).unwrap_err();
        assert!(matches!(refused, FleetError::Template(_)), "{refused:?}");
        let text = format!("{:?}", Error::from(refused));
        assert!(text.contains(said.trim_matches('`')), "{text}");
        assert!(touched.lock().is_empty());
        assert!(new.fleet_runs().unwrap().is_empty());
        assert!(fleet.tenancy.tenant(&id("A1")).is_ok());
    }
}

/// One tenant's ledger is not this program's: the plan names the tenant from the catalogue alone, the deep plan the
/// migration, and the run leaves the database as it was.
#[test]
fn a_ledger_that_is_not_this_programs() {
    let script = |version: &'static str, name: &'static str| {
        MigrationScript::new(version, name, format!("CREATE TABLE {name} (id INTEGER);"))
    };
    let edited = MigrationScript::new(
        ARCHIVE,
        "archive",
        "CREATE TABLE archive (id INTEGER, name TEXT);",
    );
    let both = || MigrationSet::new([wards(), archive()]);
    let cases = [
        (
            MigrationSet::new([wards(), edited]),
            FailureKind::MigrationChanged,
            "migration `20260102000000` (archive) was edited after it was applied",
        ),
        (
            both().and(MigrationSet::new([script("20260101500000", "late")])),
            FailureKind::MigrationOutOfOrder,
            "migration `20260101500000` is not applied but `20260102000000` is",
        ),
        (
            MigrationSet::new([wards(), script("20260103000000", "third")]),
            FailureKind::MigrationUnknown,
            "migration `20260102000000` is applied but this program does not have it",
        ),
        (
            MigrationSet::from(wards()),
            FailureKind::SchemaAhead,
            "the schema is at `20260102000000`, the newest this program knows is `20260101000000`",
        ),
    ];
    for (set, kind, said) in cases {
        let fleet = fleet_with(|builder| builder);
        fleet.create("A1");
        fleet.create("B1");
        let other = with_migrations(&fleet, set);
        let plan = without_databases(&fleet.root, || {
            other.plan_fleet(&MigrateFleet::default()).unwrap()
        });
        for tenant in &plan.tenants {
            assert!(
                matches!(&tenant.action, PlannedAction::Refuse { message, .. }
                    if message.starts_with("its ledger is not this program's") || kind == FailureKind::SchemaAhead),
                "{tenant:?}"
            );
        }
        let deep = other.plan_fleet(&MigrateFleet::default().deep()).unwrap();
        for tenant in &deep.tenants {
            assert!(
                matches!(&tenant.action, PlannedAction::Refuse { kind: found, message }
                    if *found == kind && message.contains(said)),
                "{tenant:?} instead of {kind:?}"
            );
        }
        // Both were known to be refused: none is a canary, and both are told.
        let report = migrate(&other, &MigrateFleet::default());
        assert_eq!((report.outcome, report.waves), (RunOutcome::Failed, 1));
        for tenant in ["A1", "B1"] {
            let failed = report.tenant(&id(tenant)).unwrap().error.clone().unwrap();
            assert_eq!(failed.kind, kind);
            assert!(failed.message.contains(said), "{failed:?}");
        }
        assert_migrated(&fleet.tenancy);
        world::check(&fleet.root);
    }
}

/// Somebody edits a ledger by hand, which the catalogue cannot know: a deep run looks.
#[test]
fn a_ledger_edited_by_hand_is_found_by_a_deep_run() {
    let fleet = fleet_with(|builder| builder);
    fleet.create("A1");
    meddle(
        &fleet,
        "A1",
        "UPDATE __tenants_migrations SET checksum = zeroblob(32) WHERE version = '20260101000000'",
    );
    assert_eq!(migrate(&fleet.tenancy, &all_at_once()).run, None);
    let report = migrate(&fleet.tenancy, &all_at_once().deep());
    let failed = report.tenants[0].error.as_ref().unwrap();
    assert_eq!(failed.kind, FailureKind::MigrationChanged);
    // From now on the catalogue knows.
    let plan = fleet.tenancy.plan_fleet(&MigrateFleet::default()).unwrap();
    assert!(
        matches!(plan.tenants[0].action, PlannedAction::Refuse { .. }),
        "{plan:?}"
    );
}
