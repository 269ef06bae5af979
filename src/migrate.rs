//! Migrations: what a database's schema is made of, and the engine that applies it.
//!
//! A [`MigrationSet`] holds the scripts of a program, usually those of `embed_migrations!`. Beyond `diesel_migrations` there is
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
#[cfg(feature = "sqlite")]
mod record;
mod script;
mod set;

pub use error::{MigrateError, MigrationForbidden, MigrationSetError, SchemaMismatch};
pub use script::{Dialect, ForbiddenStatement, Statement, statements};
pub use set::{Digest, MigrationScript, MigrationSet};
