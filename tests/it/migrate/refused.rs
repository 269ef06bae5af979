//! What is refused before anything runs.
use diesel_tenants::migrate::{MigrationSetError, Verdict, status};

use super::*;

/// Runs `set` on a database that has `applied`, expects a refusal, and that nothing at all has changed.
fn refused(applied: &MigrationSet, set: &MigrationSet) -> (Verdict, MigrateError) {
    let dir = tempfile::tempdir().unwrap();
    let mut conn = open(&dir.path().join("db"));
    migrate(&mut conn, applied).unwrap();
    let before = contents(&mut conn);
    let verdict = status(&mut conn, set).unwrap().verdict;
    let error = migrate(&mut conn, set).unwrap_err();
    assert_eq!(contents(&mut conn), before, "{error}");
    assert_clean(&mut conn);
    (verdict, error)
}

#[test]
fn statements_that_would_leave_the_transaction() {
    for (statement, name) in [
        ("COMMIT", "COMMIT"),
        ("ROLLBACK", "ROLLBACK"),
        ("BEGIN", "BEGIN"),
        ("ATTACH 'other' AS other", "ATTACH"),
        ("PRAGMA journal_mode = DELETE", "PRAGMA journal_mode"),
        ("PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys"),
    ] {
        let sql = format!("CREATE TABLE half (id INTEGER);\n{statement};");
        // It stands in the second of two: the first must not run either.
        let set = with(&five(), script("0006", "CREATE TABLE first (id INTEGER);"));
        let (_, error) = refused(&five(), &with(&set, script("0007", &sql)));
        let MigrateError::Forbidden(forbidden) = &error else {
            panic!("{error:?}");
        };
        assert_eq!(forbidden.statement.to_string(), name);
        assert_eq!(
            (forbidden.version.as_str(), forbidden.name.as_str()),
            ("0007", "step_0007")
        );
        assert_eq!(forbidden.line, 2);
        assert!(
            error.to_string().contains(&format!("{name} (line 2)")),
            "{error}"
        );
    }
}

#[test]
fn the_foreign_keys_pragma_that_has_no_effect() {
    let set = with(&five(), script("0006", "PRAGMA foreign_keys = OFF;"));
    let (_, error) = refused(&five(), &set);
    let text = error.to_string();
    assert!(text.contains("it has no effect in a transaction"), "{text}");
    assert!(text.contains("run_in_transaction = false"), "{text}");
}

#[test]
fn a_script_that_was_edited_after_it_was_applied() {
    let edited = with(&five(), script("0003", "SELECT 1;"));
    let (verdict, error) = refused(&five(), &with(&edited, script("0006", "SELECT 1;")));
    assert!(matches!(verdict, Verdict::Changed { version } if version == "0003"));
    assert!(
        matches!(&error, MigrateError::MigrationChanged { version, name }
            if version == "0003" && name == "step_0003"),
        "{error:?}"
    );
}

#[test]
fn a_script_with_other_line_ends_is_the_same() {
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    migrate(&mut conn, &five()).unwrap();
    let windows: MigrationSet = five()
        .iter()
        .map(|script| {
            let sql = script.sql().replace('\n', "\r\n");
            MigrationScript::new(script.version(), script.name(), sql)
        })
        .collect();
    assert_eq!(
        status(&mut conn, &windows).unwrap().verdict,
        Verdict::UpToDate
    );
    assert_eq!(migrate(&mut conn, &windows).unwrap(), [""; 0]);
}

#[test]
fn an_older_version_that_was_added_later() {
    let late = script("0003.5", "CREATE TABLE late (id INTEGER);");
    let set = with(&five(), script("0006", "SELECT 1;"));
    let (verdict, error) = refused(&five(), &with(&set, late));
    assert!(
        matches!(verdict, Verdict::OutOfOrder { version, newer_applied }
            if version == "0003.5" && newer_applied == "0005")
    );
    assert!(
        matches!(&error, MigrateError::MigrationOutOfOrder { version, after }
            if version == "0003.5" && after == "0005"),
        "{error:?}"
    );
}

#[test]
fn a_database_that_is_ahead_of_the_program() {
    let (verdict, error) = refused(&five(), &without(&five(), "0005"));
    assert!(matches!(verdict, Verdict::Ahead { newest } if newest == "0005"));
    assert!(
        matches!(&error, MigrateError::SchemaAhead { found, newest_known: Some(known) }
            if found == "0005" && known == "0004"),
        "{error:?}"
    );
    let (_, error) = refused(&five(), &MigrationSet::empty());
    assert!(
        matches!(
            error,
            MigrateError::SchemaAhead {
                newest_known: None,
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn an_applied_version_the_program_does_not_have() {
    let set = with(&without(&five(), "0005"), script("0006", "SELECT 1;"));
    let (verdict, error) = refused(&five(), &set);
    assert!(matches!(verdict, Verdict::Unknown { version } if version == "0005"));
    assert!(
        matches!(&error, MigrateError::MigrationUnknown { version } if version == "0005"),
        "{error:?}"
    );
}

#[test]
fn a_set_that_cannot_be_used() {
    let twice = five().and(MigrationSet::new([script("0003", "SELECT 1;")]));
    let (_, error) = refused(&five(), &twice);
    assert!(
        matches!(&error, MigrateError::Set(MigrationSetError::DuplicateVersion { version, .. })
            if version == "0003"),
        "{error:?}"
    );
    let empty = MigrationScript::new("0006", "later", "-- nothing yet\r\n");
    let (_, error) = refused(&five(), &with(&five(), empty));
    assert!(
        matches!(error, MigrateError::Set(MigrationSetError::Empty { .. })),
        "{error:?}"
    );
    let marked = MigrationScript::new("0006", "marked", "\u{feff}SELECT 1");
    let (_, error) = refused(&five(), &with(&five(), marked));
    assert!(
        matches!(
            error,
            MigrateError::Set(MigrationSetError::ByteOrderMark { .. })
        ),
        "{error:?}"
    );
}
