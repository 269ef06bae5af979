//! The ledger: the table in each database that says which migrations it has.
use std::time::Duration;

use diesel::connection::AnsiTransactionManager;
use diesel::prelude::*;
use diesel::result::Error;

use crate::migrate::script::Dialect;

diesel::table! {
    /// Migrations that were applied to this database.
    __tenants_migrations (version) {
        /// Sorts as text.
        version -> Text,
        /// For people.
        name -> Text,
        /// SHA-256 of the script.
        checksum -> Binary,
        /// Unix time in milliseconds.
        applied_at -> BigInt,
    }
}

/// One applied migration, as its database remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = __tenants_migrations)]
#[non_exhaustive]
pub struct LedgerRow {
    /// The migration's version.
    pub version: String,
    /// The migration's name when it was applied.
    pub name: String,
    /// SHA-256 of the script that was applied.
    pub checksum: Vec<u8>,
    /// When it was applied: Unix time in milliseconds, by the clock of the process that did it.
    pub applied_at: i64,
}

/// What the migration engine needs of a connection. Implemented by this crate only.
pub trait MigrateConnection: Connection<TransactionManager = AnsiTransactionManager> {
    /// Whose SQL the migrations are written in.
    #[doc(hidden)]
    const DIALECT: Dialect;
    /// Begins a transaction that holds the lock which keeps other migrators out, until it ends.
    #[doc(hidden)]
    const BEGIN: &'static str;

    #[doc(hidden)]
    fn has_ledger(&mut self) -> QueryResult<bool>;
    #[doc(hidden)]
    fn create_ledger(&mut self) -> QueryResult<()>;
    /// All rows, in the order of their versions. Fails where there is no ledger.
    #[doc(hidden)]
    fn read_ledger(&mut self) -> QueryResult<Vec<LedgerRow>>;
    /// The greatest version. Fails where there is no ledger.
    #[doc(hidden)]
    fn newest_in_ledger(&mut self) -> QueryResult<Option<String>>;
    #[doc(hidden)]
    fn insert_into_ledger(&mut self, row: &LedgerRow) -> QueryResult<()>;

    /// Turns the enforcement of foreign keys on this connection on or off. Only called outside a transaction.
    #[doc(hidden)]
    fn set_foreign_keys(&mut self, on: bool) -> QueryResult<()>;
    /// The table with the most rows whose parent is missing, and how many.
    #[doc(hidden)]
    fn foreign_key_violations(&mut self) -> QueryResult<Option<(String, u64)>>;

    /// How long this connection waits for locks from here on.
    #[doc(hidden)]
    fn set_lock_timeout(&mut self, wait: Duration) -> QueryResult<()>;

    /// Whether this error says that another connection held a lock for too long.
    #[doc(hidden)]
    fn is_lock_timeout(error: &Error) -> bool;
}
