//! What can be wrong with a set of migrations, and why applying one stopped.
use std::sync::Arc;
use std::time::Duration;

use crate::migrate::script::ForbiddenStatement;

/// A migration holds a statement that would break out of its transaction or reach what is not its own. It was not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("migration `{version}` ({name}) must not contain {statement} (line {line}): {}", statement.advice())]
#[non_exhaustive]
pub struct MigrationForbidden {
    /// The migration's version.
    pub version: String,
    /// The migration's name.
    pub name: String,
    /// What was found.
    pub statement: ForbiddenStatement,
    /// The line of the script it stands on, counted from 1.
    pub line: usize,
}

/// A set of migrations that cannot be used. Found before any database is touched.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationSetError {
    /// Two migrations have the same version, perhaps from two crates.
    #[error(
        "migrations `{first}` and `{second}` both have version `{version}`; give one of them another version"
    )]
    DuplicateVersion {
        /// The version.
        version: String,
        /// The name of one of them.
        first: String,
        /// The name of the other.
        second: String,
    },
    /// The version is not one that sorts.
    #[error(
        "migration `{version}` ({name}) has no usable version: it must be ASCII digits, with single dots between them"
    )]
    BadVersion {
        /// The version.
        version: String,
        /// The migration's name.
        name: String,
    },
    /// The script has no statement.
    #[error("migration `{version}` ({name}) has no statement; write one or delete the migration")]
    Empty {
        /// The migration's version.
        version: String,
        /// The migration's name.
        name: String,
    },
    /// The script begins with a byte order mark.
    #[error(
        "migration `{version}` ({name}) begins with a byte order mark; save it as UTF-8 without one"
    )]
    ByteOrderMark {
        /// The migration's version.
        version: String,
        /// The migration's name.
        name: String,
    },
    /// The script has a NUL character, at which databases stop reading.
    #[error("migration `{version}` ({name}) has a NUL character on line {line}; remove it")]
    Nul {
        /// The migration's version.
        version: String,
        /// The migration's name.
        name: String,
        /// The line of the script it stands on, counted from 1.
        line: usize,
    },
    /// The script ends inside a string, a quoted identifier or a comment.
    #[error(
        "migration `{version}` ({name}) ends inside the {what} that begins on line {line}; close it"
    )]
    Unterminated {
        /// The migration's version.
        version: String,
        /// The migration's name.
        name: String,
        /// What is not closed.
        what: &'static str,
        /// The line of the script it begins on, counted from 1.
        line: usize,
    },
    /// The script holds a forbidden statement.
    #[error(transparent)]
    Forbidden(#[from] MigrationForbidden),
    /// The migration gave no text: it is Rust code that wants a real connection, or a file that cannot be read.
    #[error(
        "migration `{version}` ({name}) gives no SQL text; only migrations made of SQL are supported"
    )]
    NotSql {
        /// The migration's version.
        version: String,
        /// The migration's name.
        name: String,
        /// What the migration said.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The source of the migrations could not list them.
    #[error("the migrations cannot be listed")]
    Source(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

/// A database whose newest migration is not the newest of this program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaMismatch {
    /// The database misses migrations.
    #[error(
        "the schema is at {}, this program needs `{wanted}`; run the pending migrations",
        version_or_none(found)
    )]
    Behind {
        /// The newest migration in the database.
        found: Option<String>,
        /// The newest migration of this program.
        wanted: String,
    },
    /// The database has migrations this program does not know.
    #[error(
        "the schema is at `{found}`, the newest this program knows is {}; deploy the newer program",
        version_or_none(newest_known)
    )]
    Ahead {
        /// The newest migration in the database.
        found: String,
        /// The newest migration of this program.
        newest_known: Option<String>,
    },
}

/// Why migrations were not applied, or not all of them.
///
/// Migrations that were committed before the error stay; the one it names is rolled back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The database was migrated by a newer program. Nothing was run.
    #[error(
        "the schema is at `{found}`, the newest this program knows is {}; deploy the newer program",
        version_or_none(newest_known)
    )]
    SchemaAhead {
        /// The newest migration in the database.
        found: String,
        /// The newest migration of this program.
        newest_known: Option<String>,
    },
    /// The script of an applied migration is not the one that was applied. Nothing was run.
    #[error(
        "migration `{version}` ({name}) was edited after it was applied; put the old text back and write a new one"
    )]
    MigrationChanged {
        /// The migration's version.
        version: String,
        /// The migration's name.
        name: String,
    },
    /// A pending migration is older than one that is applied. Nothing was run.
    #[error(
        "migration `{version}` is not applied but `{after}` is; give it a version after that one (compared as text)"
    )]
    MigrationOutOfOrder {
        /// The pending migration.
        version: String,
        /// The newest applied one.
        after: String,
    },
    /// An applied migration is missing from this program, though it knows newer ones. Nothing was run.
    #[error("migration `{version}` is applied but this program does not have it; put it back")]
    MigrationUnknown {
        /// The applied migration.
        version: String,
    },
    /// A migration holds a forbidden statement. Nothing was run.
    #[error(transparent)]
    Forbidden(MigrationForbidden),
    /// The set of migrations cannot be used. Nothing was run.
    #[error(transparent)]
    Set(MigrationSetError),
    /// The connection is in a transaction, or could not end its last one, so a migration could not have its own.
    /// Nothing was run.
    #[error("the connection is in a transaction; migrate on one that is not")]
    InTransaction,
    /// A migration failed and was rolled back.
    #[error("migration `{version}` ({name}) failed and was rolled back")]
    Failed {
        /// The migration's version.
        version: String,
        /// The migration's name.
        name: String,
        /// Diesel's error.
        #[source]
        source: diesel::result::Error,
    },
    /// A migration that ran with foreign keys off left rows without their parents, and was rolled back.
    #[error(
        "migration `{version}` was rolled back: {violations} rows of `{table}` would refer to rows that are not there"
    )]
    ForeignKeys {
        /// The migration's version.
        version: String,
        /// The table with the most such rows.
        table: String,
        /// How many rows of that table.
        violations: u64,
    },
    /// The time given ran out. Nothing of this migration or a later one was run.
    #[error("the time ran out before migration `{version}` was begun; run it again to go on")]
    OutOfTime {
        /// The migration that was next.
        version: String,
    },
    /// Another connection held the write lock for longer than `busy_timeout`. What was not committed is rolled back.
    #[error(
        "the database was locked by another connection (gave up after {waited:?}); try again or raise `busy_timeout`"
    )]
    Locked {
        /// Since the step began.
        waited: Duration,
        /// Diesel's error.
        #[source]
        source: diesel::result::Error,
    },
    /// A statement of the engine itself failed, and the migration it belongs to was rolled back.
    #[error("{action} failed")]
    Ledger {
        /// What was being done.
        action: &'static str,
        /// Diesel's error.
        #[source]
        source: diesel::result::Error,
    },
    /// A migration stopped and its transaction could not be ended. The connection must be closed.
    #[error("migration `{version}` could not be rolled back; close this connection")]
    NotRolledBack {
        /// The migration's version.
        version: String,
        /// Why the migration stopped.
        #[source]
        source: Box<MigrateError>,
    },
}

impl MigrateError {
    /// Whether the same call may succeed later, with nothing changed.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Locked { .. } | Self::OutOfTime { .. })
    }
}

impl From<MigrationSetError> for MigrateError {
    fn from(error: MigrationSetError) -> Self {
        match error {
            MigrationSetError::Forbidden(forbidden) => Self::Forbidden(forbidden),
            other => Self::Set(other),
        }
    }
}

fn version_or_none(version: &Option<String>) -> String {
    match version {
        Some(version) => format!("`{version}`"),
        None => "no migration at all".to_owned(),
    }
}
