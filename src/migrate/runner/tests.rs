//! What the runner says to a connection, and what it makes of failures a real one hardly ever has.
use diesel::connection::{
    CacheSize, Connection, ConnectionSealed, Instrumentation, InstrumentationEvent,
    SimpleConnection,
};
use diesel::query_builder::{QueryFragment, QueryId};
use diesel::result::{ConnectionResult, DatabaseErrorKind, Error, QueryResult};
use diesel::sqlite::Sqlite;

use super::*;
use crate::migrate::script::Dialect;

/// A connection that writes down what it is told, and fails at what it is told to.
#[derive(Default)]
struct Script {
    said: Vec<String>,
    fails_at: Vec<&'static str>,
    /// The ledger as it is read, a reading each time; the last one stays.
    ledgers: Vec<Vec<LedgerRow>>,
    transaction: AnsiTransactionManager,
    instrumentation: Option<fn(InstrumentationEvent<'_>)>,
}

impl Script {
    fn failing(fails_at: &[&'static str]) -> Self {
        Self {
            fails_at: fails_at.to_vec(),
            ..Self::default()
        }
    }

    fn say(&mut self, what: &str) -> QueryResult<()> {
        self.said.push(what.to_owned());
        if self.fails_at.contains(&what) {
            let text = Box::new(format!("{what} does not work"));
            return Err(Error::DatabaseError(DatabaseErrorKind::Unknown, text));
        }
        Ok(())
    }

    fn migrate(&mut self, script: MigrationScript) -> Result<Vec<Applied>, MigrateError> {
        run_pending(
            self,
            &MigrationSet::new([script]),
            MigrateOptions::default(),
        )
    }
}

impl SimpleConnection for Script {
    fn batch_execute(&mut self, sql: &str) -> QueryResult<()> {
        self.say(sql)
    }
}

impl ConnectionSealed for Script {}

impl Connection for Script {
    type Backend = Sqlite;
    type TransactionManager = AnsiTransactionManager;

    fn establish(_url: &str) -> ConnectionResult<Self> {
        Ok(Self::default())
    }
    fn execute_returning_count<T>(&mut self, _source: &T) -> QueryResult<usize>
    where
        T: QueryFragment<Sqlite> + QueryId,
    {
        Err(Error::NotFound)
    }
    fn transaction_state(&mut self) -> &mut AnsiTransactionManager {
        &mut self.transaction
    }
    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        &mut self.instrumentation
    }
    fn set_instrumentation(&mut self, _instrumentation: impl Instrumentation) {}
    fn set_prepared_statement_cache_size(&mut self, _size: CacheSize) {}
}

impl MigrateConnection for Script {
    const DIALECT: Dialect = Dialect::Postgres;
    const BEGIN: &'static str = "BEGIN AND LOCK";

    fn has_ledger(&mut self) -> QueryResult<bool> {
        Ok(true)
    }
    fn create_ledger(&mut self) -> QueryResult<()> {
        self.say("create ledger")
    }
    fn read_ledger(&mut self) -> QueryResult<Vec<LedgerRow>> {
        self.say("read ledger")?;
        Ok(match self.ledgers.len() {
            0 => Vec::new(),
            1 => self.ledgers[0].clone(),
            _ => self.ledgers.remove(0),
        })
    }
    fn newest_in_ledger(&mut self) -> QueryResult<Option<String>> {
        Ok(None)
    }
    fn insert_into_ledger(&mut self, row: &LedgerRow) -> QueryResult<()> {
        self.say(&format!("insert {}", row.version))
    }
    fn set_lock_timeout(&mut self, wait: Duration) -> QueryResult<()> {
        self.say(&format!("wait {} ms", wait.as_millis()))
    }
    fn set_foreign_keys(&mut self, on: bool) -> QueryResult<()> {
        self.say(if on {
            "foreign keys on"
        } else {
            "foreign keys off"
        })
    }
    fn foreign_key_violations(&mut self) -> QueryResult<Option<(String, u64)>> {
        self.say("check foreign keys").map(|()| None)
    }
    fn is_lock_timeout(error: &Error) -> bool {
        error.to_string() == "BEGIN AND LOCK does not work"
    }
}

fn one() -> MigrationScript {
    MigrationScript::new("1", "one", "SELECT 1")
}

#[test]
fn the_order_of_the_steps() {
    let mut conn = Script::default();
    assert_eq!(conn.migrate(one()).unwrap().len(), 1);
    assert_eq!(
        conn.said,
        [
            "read ledger",
            "BEGIN AND LOCK",
            "read ledger",
            "SELECT 1",
            "create ledger",
            "insert 1",
            "COMMIT",
        ]
    );

    let mut conn = Script::default();
    conn.migrate(one().with_foreign_keys_off()).unwrap();
    assert_eq!(
        conn.said,
        [
            "read ledger",
            "foreign keys off",
            "BEGIN AND LOCK",
            "read ledger",
            "SELECT 1",
            "check foreign keys",
            "create ledger",
            "insert 1",
            "COMMIT",
            "foreign keys on",
        ]
    );
}

#[test]
fn a_failure_at_any_step_ends_the_transaction_and_turns_foreign_keys_on() {
    for step in [
        "foreign keys off",
        "BEGIN AND LOCK",
        "SELECT 1",
        "check foreign keys",
        "create ledger",
        "insert 1",
        "COMMIT",
    ] {
        let mut conn = Script::failing(&[step]);
        let error = conn.migrate(one().with_foreign_keys_off()).unwrap_err();
        assert!(!is_in_transaction(&mut conn), "after {step}");
        assert_eq!(conn.said.last().unwrap(), "foreign keys on", "after {step}");
        assert_eq!(
            error.is_retryable(),
            step == "BEGIN AND LOCK",
            "{step}: {error:?}"
        );
        let cause = std::error::Error::source(&error).expect("Diesel's error");
        assert_eq!(cause.to_string(), format!("{step} does not work"));
    }
}

#[test]
fn foreign_keys_that_cannot_be_turned_on_are_an_error_though_the_migration_is_committed() {
    let mut conn = Script::failing(&["foreign keys on"]);
    let error = conn.migrate(one().with_foreign_keys_off()).unwrap_err();
    assert_eq!(error.to_string(), "turning foreign keys on again failed");
    assert!(conn.said.contains(&"COMMIT".to_owned()));
}

#[test]
fn a_transaction_that_cannot_be_ended_says_so_and_why_it_was_given_up() {
    for step in ["SELECT 1", "COMMIT"] {
        let mut conn = Script::failing(&[step, "ROLLBACK"]);
        let error = conn.migrate(one()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "migration `1` could not be rolled back; close this connection"
        );
        let MigrateError::NotRolledBack { source, .. } = error else {
            panic!("{error:?}");
        };
        assert!(matches!(*source, MigrateError::Failed { .. }), "{source:?}");
        assert!(AnsiTransactionManager::is_broken_transaction_manager(
            &mut conn
        ));
        assert!(matches!(
            conn.migrate(one()),
            Err(MigrateError::InTransaction)
        ));
    }
}

#[test]
fn what_was_applied_before_the_lock_was_ours_is_skipped() {
    let row = LedgerRow {
        version: "1".to_owned(),
        name: "one".to_owned(),
        checksum: one().checksum().to_vec(),
        applied_at: 0,
    };
    let mut conn = Script {
        ledgers: vec![Vec::new(), vec![row]],
        ..Script::default()
    };
    assert_eq!(conn.migrate(one()).unwrap(), []);
    assert_eq!(
        conn.said,
        ["read ledger", "BEGIN AND LOCK", "read ledger", "ROLLBACK"]
    );
}
