//! SQLite: one file per tenant below one data directory.
#[cfg(not(unix))]
compile_error!(
    "the `sqlite` feature of diesel-tenants needs Unix: it relies on flock, owners, modes and \
     renaming without replacing; build for a Unix target or turn the feature off"
);

mod added;
mod artefact;
mod backup;
mod connect;
mod copy;
mod ddl;
mod drift;
mod fence;
mod file_check;
mod file_error;
mod file_uri;
pub mod files;
mod foreign;
mod holds;
mod identity;
mod inspect;
pub mod instance;
mod leftovers;
pub mod lock;
mod maker;
mod owners;
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

use std::time::Duration;

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

/// The setting of how long a statement waits for a lock. SQLite takes 31 bits of milliseconds, 24.8 days, and a greater
/// number for none.
pub(crate) fn wait_for_locks(wait: Duration) -> String {
    let millis = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    format!("PRAGMA busy_timeout = {millis}")
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

#[cfg(test)]
mod tests {
    use super::*;
    use diesel::Connection as _;

    /// A month was 0: no statement waited at all.
    #[test]
    fn a_wait_longer_than_sqlite_can_count_is_the_longest() {
        #[derive(diesel::QueryableByName)]
        struct Timeout {
            #[diesel(sql_type = diesel::sql_types::Integer)]
            timeout: i32,
        }
        let mut conn = SqliteConnection::establish(":memory:").unwrap();
        let month = Duration::from_secs(30 * 24 * 60 * 60);
        for (wait, set) in [
            (Duration::from_secs(5), 5000),
            (month, i32::MAX),
            (Duration::MAX, i32::MAX),
        ] {
            conn.batch_execute(&wait_for_locks(wait)).unwrap();
            let asked = diesel::sql_query("PRAGMA busy_timeout");
            let found = diesel::RunQueryDsl::get_result::<Timeout>(asked, &mut conn).unwrap();
            assert_eq!(found.timeout, set);
        }
    }
}
