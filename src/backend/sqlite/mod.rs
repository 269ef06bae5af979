//! SQLite: one file per tenant below one data directory.
#[cfg(not(unix))]
compile_error!(
    "the `sqlite` feature of diesel-tenants needs Unix: it relies on flock, owners, modes and \
     renaming without replacing; build for a Unix target or turn the feature off"
);

mod artefact;
mod backup;
mod connect;
mod copy;
mod ddl;
mod drift;
mod fence;
mod file_error;
pub mod files;
mod foreign;
mod identity;
mod inspect;
pub mod instance;
mod leftovers;
pub mod lock;
mod maker;
mod quota;
mod rebuild;
pub mod root;
mod root_error;
mod rows;
mod schema;
mod shared;
mod storage;
mod tombstones;
mod whereabouts;
pub(crate) mod workflow_keys;

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::result::Error;
use diesel::{QueryResult, SqliteConnection};

pub use shared::SharedRestoreError;
pub(crate) use shared::{Marker, Replaced, SharedRestore};
pub(crate) use storage::Settings;
pub use storage::SqliteStorage;
pub use whereabouts::{DatabaseFile, DiskSpace};

use super::{Backend, Symptom};

impl Backend for SqliteConnection {
    type Storage = SqliteStorage;

    // IMMEDIATE takes the write lock at once and waits for it; a deferred transaction that reads first and writes
    // then fails with `database is locked` if another wrote in between, whatever the busy timeout is.
    fn begin_write(&mut self) -> QueryResult<()> {
        AnsiTransactionManager::begin_transaction_sql(self, "BEGIN IMMEDIATE")
    }

    fn begin_read(&mut self) -> QueryResult<()> {
        AnsiTransactionManager::begin_transaction_sql(self, "BEGIN DEFERRED")
    }

    fn set_read_only(&mut self, read_only: bool) -> QueryResult<()> {
        self.batch_execute(match read_only {
            true => "PRAGMA query_only = ON",
            false => "PRAGMA query_only = OFF",
        })
    }

    fn is_in_transaction(&mut self) -> bool {
        // When a batch fails, and no other time, Diesel looks whether SQLite has ended the transaction. This one
        // fails to parse, so it does nothing else.
        let _ = self.batch_execute("RELEASE");
        let state = AnsiTransactionManager::transaction_manager_status_mut(self);
        state.transaction_depth().is_ok_and(|depth| depth.is_some())
    }

    fn symptom(error: &Error) -> Option<Symptom> {
        let message = message(error)?;
        match message {
            fence::RAISED => return Some(Symptom::Fenced),
            "database or disk is full" => return Some(Symptom::DiskFull),
            "disk I/O error" => return Some(Symptom::Io),
            "attempt to write a readonly database" => return Some(Symptom::ReadOnly),
            "file is not a database" | "database disk image is malformed" => {
                return Some(Symptom::Damaged);
            }
            _ => {}
        }
        let table = message.strip_prefix("no such table: ")?;
        let table = table.strip_prefix("main.").unwrap_or(table);
        Some(Symptom::NoSuchTable(table.to_owned()))
    }
}

/// SQLite's own words, where an error has them. Diesel gives no code, so its errors are told apart by text.
fn message(error: &Error) -> Option<&str> {
    match error {
        Error::DatabaseError(_, information) => Some(information.message()),
        _ => None,
    }
}

/// Whether SQLite found no room on the disk.
pub(super) fn is_disk_full(error: &Error) -> bool {
    message(error) == Some("database or disk is full")
}
