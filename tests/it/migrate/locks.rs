//! Another connection is in the way.
use super::*;

fn assert_locked(error: &MigrateError, text: &str) {
    assert!(error.is_retryable());
    let MigrateError::Locked { source, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(source.to_string(), text);
}

#[test]
fn a_writer_that_stays_is_a_typed_error_and_nothing_is_applied() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let (mut conn, mut other) = (open(&path), open(&path));
    run_pending(&mut conn, &five(), MigrateOptions::at_most(3)).unwrap();
    conn.batch_execute("PRAGMA busy_timeout = 0").unwrap();

    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    // The next one would run with foreign keys off.
    assert_locked(
        &migrate(&mut conn, &five()).unwrap_err(),
        "database is locked",
    );
    assert_applied(&mut conn, &five(), 3);

    other.batch_execute("ROLLBACK").unwrap();
    assert_clean(&mut conn);
    assert_eq!(migrate(&mut conn, &five()).unwrap(), ["0004", "0005"]);
}

#[test]
fn the_wait_is_the_connections_busy_timeout() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let (mut conn, mut other) = (open(&path), open(&path));
    conn.batch_execute("PRAGMA busy_timeout = 20").unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    match migrate(&mut conn, &five()) {
        Err(MigrateError::Locked { waited, .. }) => assert!(waited.as_millis() >= 20, "{waited:?}"),
        other => panic!("{other:?}"),
    }
}

/// Outside WAL mode a reader keeps the commit out, not the beginning.
#[test]
fn a_reader_in_the_way_of_the_commit_is_a_typed_error_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let (mut conn, mut reader) = (open(&path), open(&path));
    migrate(&mut conn, &five()).unwrap();
    drop(reader);
    conn.batch_execute("PRAGMA busy_timeout = 0; PRAGMA journal_mode = DELETE")
        .unwrap();
    reader = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    reader.batch_execute("BEGIN; SELECT * FROM log").unwrap();

    let set = with(&five(), script("0006", "CREATE TABLE beds (id INTEGER);"));
    assert_locked(&migrate(&mut conn, &set).unwrap_err(), "database is locked");
    assert_applied(&mut conn, &five(), 5);
    reader.batch_execute("ROLLBACK").unwrap();
    assert_clean(&mut conn);
    assert_eq!(migrate(&mut conn, &set).unwrap(), ["0006"]);
}

/// Connections that share a cache lock tables in it, with texts of their own.
#[test]
fn a_lock_in_a_shared_cache_is_a_typed_error_too() {
    let url = "file:migrate-shared-cache?mode=memory&cache=shared";
    let mut conn = SqliteConnection::establish(url).unwrap();
    let mut other = SqliteConnection::establish(url).unwrap();
    migrate(&mut conn, &five()).unwrap();
    let set = with(&five(), script("0006", "SELECT 1;"));
    for (work, text) in [
        ("DELETE FROM log", "database table is locked"),
        (
            "CREATE TABLE a (id INTEGER)",
            "database schema is locked: main",
        ),
    ] {
        other
            .batch_execute(&format!("BEGIN IMMEDIATE; {work}"))
            .unwrap();
        assert_locked(&migrate(&mut conn, &set).unwrap_err(), text);
        other.batch_execute("ROLLBACK").unwrap();
    }
    assert_eq!(migrate(&mut conn, &set).unwrap(), ["0006"]);
}
