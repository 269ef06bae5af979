//! A migration that rebuilds a table others refer to.
use super::*;

const REBUILD: &str =
    "CREATE TABLE new_wards (id INTEGER PRIMARY KEY, name TEXT NOT NULL, beds INTEGER NOT NULL);
    INSERT INTO new_wards SELECT id, name, beds FROM wards;
    DROP TABLE wards;
    ALTER TABLE new_wards RENAME TO wards;";

#[test]
fn rows_of_other_tables_survive_a_rebuild_with_foreign_keys_off() {
    for (off, patients_left) in [(true, 1), (false, 0)] {
        let mut conn = SqliteConnection::establish(":memory:").unwrap();
        migrate(&mut conn, &five()).unwrap();
        let mut rebuild = script("0006", REBUILD);
        if off {
            rebuild = rebuild.with_foreign_keys_off();
        }
        migrate(&mut conn, &with(&five(), rebuild)).unwrap();
        // With foreign keys on, dropping the old table deletes every ward, and with it every patient.
        let patients = count(&mut conn, "SELECT count(*) FROM patients");
        assert_eq!(patients, patients_left, "foreign keys off: {off}");
        assert_clean(&mut conn);
    }
}

#[test]
fn rows_left_without_parents_are_named_and_nothing_is_kept() {
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    migrate(&mut conn, &five()).unwrap();
    let before = contents(&mut conn);
    let orphans = "INSERT INTO patients VALUES (8, 88), (9, 99); DELETE FROM wards;";
    let set = with(&five(), script("0006", orphans).with_foreign_keys_off());

    let error = migrate(&mut conn, &set).unwrap_err();
    assert_eq!(
        error.to_string(),
        "migration `0006` was rolled back: 3 rows of `patients` would refer to rows that are not there"
    );
    assert!(
        matches!(&error, MigrateError::ForeignKeys { version, table, violations: 3 }
            if version == "0006" && table == "patients"),
        "{error:?}"
    );
    assert_eq!(contents(&mut conn), before);
    assert_clean(&mut conn);
}

#[test]
fn foreign_keys_are_on_again_after_a_failure() {
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    let set = with(
        &five(),
        script("0004", "INSERT INTO nowhere VALUES (1);").with_foreign_keys_off(),
    );
    assert!(matches!(
        migrate(&mut conn, &set),
        Err(MigrateError::Failed { .. })
    ));
    assert_applied(&mut conn, &five(), 3);
    assert_clean(&mut conn);
}
