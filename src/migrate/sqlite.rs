//! The migration engine's statements on SQLite.
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::{BigInt, Bool, Text};

use crate::backend::sqlite::wait_for_locks;
use crate::migrate::ledger::{__tenants_migrations, LedgerRow, MigrateConnection};
use crate::migrate::script::Dialect;

const CREATE_LEDGER: &str = "CREATE TABLE IF NOT EXISTS __tenants_migrations (
    version    TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    checksum   BLOB    NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID";

impl MigrateConnection for SqliteConnection {
    const DIALECT: Dialect = Dialect::Sqlite;
    // A deferred transaction would read the ledger without a lock, and fail instead of waiting when it writes later.
    const BEGIN: &'static str = "BEGIN IMMEDIATE";

    fn has_ledger(&mut self) -> QueryResult<bool> {
        diesel::select(diesel::dsl::sql::<Bool>(
            "EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '__tenants_migrations')",
        ))
        .get_result(self)
    }

    fn create_ledger(&mut self) -> QueryResult<()> {
        self.batch_execute(CREATE_LEDGER)
    }

    fn read_ledger(&mut self) -> QueryResult<Vec<LedgerRow>> {
        __tenants_migrations::table
            .order(__tenants_migrations::version)
            .select(LedgerRow::as_select())
            .load(self)
    }

    fn newest_in_ledger(&mut self) -> QueryResult<Option<String>> {
        __tenants_migrations::table
            .select(diesel::dsl::max(__tenants_migrations::version))
            .get_result(self)
    }

    fn insert_into_ledger(&mut self, row: &LedgerRow) -> QueryResult<()> {
        diesel::insert_into(__tenants_migrations::table)
            .values(row)
            .execute(self)
            .map(drop)
    }

    fn set_foreign_keys(&mut self, on: bool) -> QueryResult<()> {
        self.batch_execute(if on {
            "PRAGMA foreign_keys = ON"
        } else {
            "PRAGMA foreign_keys = OFF"
        })
    }

    fn foreign_key_violations(&mut self) -> QueryResult<Option<(String, u64)>> {
        #[derive(QueryableByName)]
        struct Violations {
            #[diesel(sql_type = Text)]
            child: String,
            #[diesel(sql_type = BigInt)]
            violations: i64,
        }
        let worst = diesel::sql_query(
            "SELECT \"table\" AS child, count(*) AS violations FROM pragma_foreign_key_check \
             GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1",
        )
        .get_result::<Violations>(self)
        .optional()?;
        Ok(worst.map(|worst| (worst.child, worst.violations.unsigned_abs())))
    }

    fn set_lock_timeout(&mut self, wait: Duration) -> QueryResult<()> {
        self.batch_execute(&wait_for_locks(wait))
    }

    fn is_lock_timeout(error: &Error) -> bool {
        // Diesel passes SQLite's text on, but no code that would tell these from any other error.
        let Error::DatabaseError(DatabaseErrorKind::Unknown, info) = error else {
            return false;
        };
        let text = info.message();
        // The second and third come from connections that share a cache.
        text == "database is locked"
            || text.starts_with("database table is locked")
            || text.starts_with("database schema is locked")
    }
}
