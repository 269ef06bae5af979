//! Migrations: what a database's schema is made of, and the engine that applies it.
//!
//! A [`MigrationSet`] holds the scripts of a program, usually those of `embed_migrations!`. [`run_pending`] applies
//! what a database lacks, [`status`] says how the two compare, [`newest_applied`] is the cheap question asked
//! whenever a connection is made. Beyond `diesel_migrations` there is
//! - **a lock across processes**: each migration is one transaction that takes the write lock first and reads the
//!   ledger again under it, so that any number of processes may start at once;
//! - **a checksum**: a script that was edited after it was applied is refused;
//! - **an order**: a script older than the newest applied one is refused, and so is a database that is ahead of the
//!   program;
//! - **no escape from the transaction**: a script with `COMMIT`, `ATTACH`, `PRAGMA journal_mode` and the like is
//!   refused before anything runs.
//!
//! The ledger is the table `__tenants_migrations` in each database. A migration and its row are committed together.
mod error;
mod ledger;
pub(crate) mod ledger_digest;
#[cfg(feature = "sqlite")]
mod record;
mod runner;
mod script;
mod set;
#[cfg(feature = "sqlite")]
mod sqlite;
mod status;

pub use error::{MigrateError, MigrationForbidden, MigrationSetError, SchemaMismatch};
pub use ledger::{LedgerRow, MigrateConnection};
pub use runner::{Applied, MigrateOptions, run_pending};
pub use script::{Dialect, ForbiddenStatement, Statement, statements};
#[cfg(feature = "sqlite")]
pub(crate) use script::{Kind, Tokens};
pub use set::{Digest, MigrationScript, MigrationSet};
pub(crate) use status::pending;
pub use status::{MigrationStatus, PendingMigration, Verdict, newest_applied, status};
