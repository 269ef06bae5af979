//! Migrations are applied once, whole, in order, and only where they belong.
use std::path::Path;

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_tenants::migrate::{
    MigrateError, MigrateOptions, MigrationScript, MigrationSet, run_pending,
};

mod child;
mod foreign_keys;
mod locks;
mod processes;
mod refused;

/// Five migrations that each leave a line in `log`, where running one twice would show.
fn five() -> MigrationSet {
    MigrationSet::new([
        script("0001", "CREATE TABLE log (version TEXT NOT NULL);"),
        script(
            "0002",
            "CREATE TABLE wards (id INTEGER PRIMARY KEY, name TEXT NOT NULL, beds INTEGER NOT NULL DEFAULT 0);
             CREATE TABLE patients (id INTEGER PRIMARY KEY, ward_id INTEGER NOT NULL
                REFERENCES wards (id) ON DELETE CASCADE);
             INSERT INTO wards (id, name) VALUES (1, 'A');
             INSERT INTO patients VALUES (1, 1);",
        ),
        script(
            "0003",
            "CREATE TRIGGER admit AFTER INSERT ON patients BEGIN
                UPDATE wards SET beds = CASE WHEN beds > 0 THEN beds - 1 ELSE 0 END WHERE id = new.ward_id;
             END;",
        ),
        script(
            "0004",
            "CREATE TABLE new_wards (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, beds INTEGER NOT NULL);
             INSERT INTO new_wards SELECT id, name, beds FROM wards;
             DROP TRIGGER admit;
             DROP TABLE wards;
             ALTER TABLE new_wards RENAME TO wards;",
        )
        .with_foreign_keys_off(),
        script("0005", "CREATE INDEX patients_ward ON patients (ward_id);"),
    ])
}

/// A migration that does `sql` and leaves its line in `log`.
fn script(version: &str, sql: &str) -> MigrationScript {
    let sql = format!("{sql}\nINSERT INTO log VALUES ('{version}');");
    MigrationScript::new(version, format!("step_{version}"), sql)
}

/// The same set with another script for one version, or one more.
fn with(set: &MigrationSet, script: MigrationScript) -> MigrationSet {
    without(set, script.version()).and(MigrationSet::new([script]))
}

fn without(set: &MigrationSet, version: &str) -> MigrationSet {
    set.iter()
        .filter(|script| script.version() != version)
        .cloned()
        .collect()
}

/// A connection to a file in WAL mode that waits a minute for a lock: far longer than any test may last.
fn open(path: &Path) -> SqliteConnection {
    let path = path.to_str().expect("temporary paths are UTF-8");
    let mut conn = SqliteConnection::establish(path).expect("the file can be opened");
    conn.batch_execute(
        "PRAGMA busy_timeout = 60000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
         PRAGMA foreign_keys = ON",
    )
    .expect("the file is a database");
    conn
}

fn migrate(conn: &mut SqliteConnection, set: &MigrationSet) -> Result<Vec<String>, MigrateError> {
    let applied = run_pending(conn, set, MigrateOptions::default())?;
    Ok(applied.into_iter().map(|it| it.version).collect())
}

/// The first column of a query, as text.
fn column(conn: &mut SqliteConnection, sql: &str) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        value: String,
    }
    diesel::sql_query(format!("SELECT CAST(value AS TEXT) AS value FROM ({sql})"))
        .load::<Row>(conn)
        .expect("the query is right")
        .into_iter()
        .map(|row| row.value)
        .collect()
}

/// Everything in the database, for comparison.
fn contents(conn: &mut SqliteConnection) -> Vec<String> {
    let mut all = column(
        conn,
        "SELECT name || ' ' || coalesce(sql, '') AS value FROM sqlite_schema",
    );
    for name in column(
        conn,
        "SELECT name AS value FROM sqlite_schema WHERE type = 'table'",
    ) {
        all.push(format!("{name}:"));
        let columns =
            format!("SELECT 'quote(' || name || ')' AS value FROM pragma_table_info('{name}')");
        let row = column(conn, &columns).join(" || ',' || ");
        all.extend(column(conn, &format!("SELECT {row} AS value FROM {name}")));
    }
    all
}

/// Asserts that the migrations up to `count` are there, each once and whole, and nothing of the others.
fn assert_applied(conn: &mut SqliteConnection, set: &MigrationSet, count: usize) {
    let versions: Vec<_> = set
        .iter()
        .take(count)
        .map(|it| it.version().to_owned())
        .collect();
    let ledger = diesel_tenants::migrate::status(conn, set).expect("the ledger can be read");
    let ledger: Vec<_> = ledger.applied.into_iter().map(|row| row.version).collect();
    assert_eq!(ledger, versions);
    if count > 0 {
        assert_eq!(
            column(conn, "SELECT version AS value FROM log ORDER BY rowid"),
            versions
        );
    }
    // What the scripts make, beside the log: a database that was migrated without interruption.
    let mut whole = SqliteConnection::establish(":memory:").expect("in memory");
    run_pending(&mut whole, set, MigrateOptions::at_most(count)).expect("the set is right");
    let schema =
        "SELECT name || ' ' || coalesce(sql, '') AS value FROM sqlite_schema ORDER BY name";
    assert_eq!(column(conn, schema), column(&mut whole, schema));
    assert_eq!(
        column(
            conn,
            "SELECT integrity_check AS value FROM pragma_integrity_check"
        ),
        ["ok"]
    );
}

/// Asserts that the connection can be used by others: in no transaction, and with foreign keys on.
fn assert_clean(conn: &mut SqliteConnection) {
    let status = AnsiTransactionManager::transaction_manager_status_mut(conn);
    assert!(
        matches!(status.transaction_depth(), Ok(None)),
        "Diesel thinks it is in a transaction"
    );
    conn.batch_execute("BEGIN IMMEDIATE; ROLLBACK")
        .expect("SQLite is in no transaction");
    assert_eq!(
        column(
            conn,
            "SELECT foreign_keys AS value FROM pragma_foreign_keys"
        ),
        ["1"]
    );
}

#[test]
fn pending_migrations_are_applied_in_order_and_once() {
    let dir = crate::scratch::dir();
    let mut conn = open(&dir.path().join("db"));
    let before = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis();

    let applied = run_pending(&mut conn, &five(), MigrateOptions::at_most(2)).unwrap();
    assert_eq!(applied.len(), 2);
    assert_eq!(
        (applied[1].version.as_str(), applied[1].name.as_str()),
        ("0002", "step_0002")
    );
    assert_applied(&mut conn, &five(), 2);

    assert_eq!(
        migrate(&mut conn, &five()).unwrap(),
        ["0003", "0004", "0005"]
    );
    assert_applied(&mut conn, &five(), 5);
    assert_eq!(migrate(&mut conn, &five()).unwrap(), [""; 0]);
    assert_clean(&mut conn);

    let status = diesel_tenants::migrate::status(&mut conn, &five()).unwrap();
    for (row, script) in status.applied.iter().zip(&five()) {
        assert_eq!(
            (row.name.as_str(), &row.checksum[..]),
            (script.name(), &script.checksum()[..])
        );
        assert!(u128::try_from(row.applied_at).unwrap() >= before, "{row:?}");
    }
}

#[test]
fn embedded_migrations_are_applied() {
    const EMBEDDED: diesel_migrations::EmbeddedMigrations =
        diesel_migrations::embed_migrations!("tests/it/migrations");

    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    let applied = migrate(&mut conn, &EMBEDDED.into()).unwrap();
    assert_eq!(applied, ["20240101000000", "20240102000000"]);
    conn.batch_execute("INSERT INTO wards VALUES (1, 'A'); INSERT INTO patients VALUES (1, 1)")
        .unwrap();
}

#[test]
fn nothing_is_written_where_nothing_is_pending() {
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    assert_eq!(migrate(&mut conn, &MigrationSet::empty()).unwrap(), [""; 0]);
    assert_eq!(
        diesel_tenants::migrate::newest_applied(&mut conn).unwrap(),
        None
    );
    assert_eq!(contents(&mut conn), [""; 0]);

    migrate(&mut conn, &five()).unwrap();
    let newest = diesel_tenants::migrate::newest_applied(&mut conn).unwrap();
    assert_eq!(newest.as_deref(), Some("0005"));
    conn.batch_execute("PRAGMA query_only = ON").unwrap();
    assert_eq!(migrate(&mut conn, &five()).unwrap(), [""; 0]);
}

#[test]
fn a_failing_third_of_five_leaves_two() {
    let dir = crate::scratch::dir();
    let mut conn = open(&dir.path().join("db"));
    let broken = with(
        &five(),
        script(
            "0003",
            "CREATE TABLE half (id INTEGER); INSERT INTO nowhere VALUES (1);",
        ),
    );

    let error = migrate(&mut conn, &broken).unwrap_err();
    assert_eq!(
        error.to_string(),
        "migration `0003` (step_0003) failed and was rolled back"
    );
    let MigrateError::Failed {
        version, source, ..
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!(
        (version.as_str(), source.to_string().as_str()),
        ("0003", "no such table: nowhere")
    );
    assert_applied(&mut conn, &five(), 2);
    assert_clean(&mut conn);

    assert_eq!(
        migrate(&mut conn, &five()).unwrap(),
        ["0003", "0004", "0005"]
    );
    assert_applied(&mut conn, &five(), 5);
}

#[test]
fn a_script_that_sqlite_itself_rolls_back_leaves_a_clean_connection() {
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    migrate(&mut conn, &five()).unwrap();
    let before = contents(&mut conn);
    // Here SQLite ends the transaction, and a second ROLLBACK of ours would be an error that hides the first.
    let conflict = script(
        "0006",
        "INSERT OR ROLLBACK INTO wards VALUES (7, 'B', 0), (7, 'secret', 0);",
    );
    let error = migrate(&mut conn, &with(&five(), conflict)).unwrap_err();
    let MigrateError::Failed { source, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(source.to_string(), "UNIQUE constraint failed: wards.id");
    assert!(
        !format!("{error} {error:?}").contains("secret"),
        "{error:?}"
    );
    assert_eq!(contents(&mut conn), before);
    assert_clean(&mut conn);
}

#[test]
fn a_constraint_that_fails_at_the_commit_is_the_scripts() {
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    migrate(&mut conn, &five()).unwrap();
    let before = contents(&mut conn);
    let orphan = script(
        "0006",
        "PRAGMA defer_foreign_keys = ON; INSERT INTO patients VALUES (9, 99);",
    );
    let error = migrate(&mut conn, &with(&five(), orphan)).unwrap_err();
    assert!(
        matches!(
            &error,
            MigrateError::Failed { version, source: diesel::result::Error::DatabaseError(
                diesel::result::DatabaseErrorKind::ForeignKeyViolation, _), .. } if version == "0006"
        ),
        "{error:?}"
    );
    assert_eq!(contents(&mut conn), before);
    assert_clean(&mut conn);
}

#[test]
fn migrating_inside_a_transaction_is_refused() {
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    let error = conn.transaction(|conn| {
        let error = migrate(conn, &five()).unwrap_err();
        Err::<(), _>(diesel::result::Error::QueryBuilderError(Box::new(error)))
    });
    assert!(
        error
            .unwrap_err()
            .to_string()
            .starts_with("the connection is in a transaction"),
    );
    assert_eq!(contents(&mut conn), [""; 0]);
    assert_clean(&mut conn);
}

/// How many rows a query counts.
fn count(conn: &mut SqliteConnection, sql: &str) -> i64 {
    diesel::select(diesel::dsl::sql::<BigInt>(&format!("({sql})")))
        .get_result(conn)
        .expect("the query is right")
}
