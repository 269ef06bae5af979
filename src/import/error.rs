//! Why an export was not taken in.
use crate::adopt::AdoptError;
use crate::backend::StorageError;
use crate::error::CreateError;
use crate::export::ExportError;
use crate::export::directory::ExportFileError;
use crate::export::ndjson::BadLine;
use crate::migrate::{MigrateError, SchemaMismatch};

/// Why an export was not taken in. No tenant was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The tenant could not be created.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// A file of the export could not be read.
    #[error(transparent)]
    File(#[from] ExportFileError),
    /// The directory is none that an export has made.
    #[error("{} has no `manifest.json`; give the directory that an export has made", path.display())]
    NoManifest {
        /// The directory.
        path: std::path::PathBuf,
    },
    /// The manifest is no JSON, or not what a manifest is.
    #[error("`manifest.json` cannot be read; export the tenant again")]
    Manifest {
        /// What JSON has to say about it; `None` where it is too long.
        #[source]
        source: Option<serde_json::Error>,
    },
    /// A newer build wrote the export.
    #[error("the export has format {found}, this build reads {known}; use the newer build")]
    UnknownFormat {
        /// The format found.
        found: u32,
        /// The one known.
        known: u32,
    },
    /// A file is not the one that was written.
    #[error("`{file}` does not have the hash in `SHA256SUMS`; copy the export again")]
    Hash {
        /// The file, below the directory.
        file: String,
    },
    /// A newer program wrote the export.
    #[error("the export needs a newer program")]
    SchemaAhead {
        /// The versions.
        #[source]
        mismatch: SchemaMismatch,
    },
    /// A version between this program's own.
    #[error(
        "the export has schema {version}, which this program does not know; was it made by another program?"
    )]
    SchemaUnknown {
        /// The version.
        version: String,
    },
    /// A table this program's schema does not have.
    #[error(
        "the export has a table `{table}`, which is not in this program's schema of the same version"
    )]
    UnknownTable {
        /// The table.
        table: String,
    },
    /// A table the export does not have.
    #[error("the export lacks the table `{table}` of the schema it says it has")]
    MissingTable {
        /// The table.
        table: String,
    },
    /// Other columns, or the table twice.
    #[error("the columns of `{table}` in the export are not those of the schema it says it has")]
    Columns {
        /// The table.
        table: String,
    },
    /// A line that is no row.
    #[error("line {row} of `{table}` is no row of the format: {reason}")]
    BadLine {
        /// The table.
        table: String,
        /// Which line, counted from 1.
        row: u64,
        /// What is wrong with it.
        reason: BadLine,
    },
    /// The table does not take a row.
    #[error("a row of `{table}` is refused by the schema")]
    Refused {
        /// The table.
        table: String,
        /// Which rule it breaks.
        #[source]
        source: diesel::result::Error,
    },
    /// What was loaded is not what was exported.
    #[error("`{table}` was loaded with {loaded} rows that are not the {exported} of the manifest")]
    NotTheSame {
        /// The table.
        table: String,
        /// Rows in the manifest.
        exported: u64,
        /// Rows loaded.
        loaded: u64,
    },
    /// Rows refer to rows that are not there.
    #[error("{rows} rows of `{table}` refer to rows of `{parent}` that are not in the export")]
    Orphans {
        /// The table.
        table: String,
        /// The table it refers to.
        parent: String,
        /// How many rows.
        rows: u64,
    },
    /// The new database is not sound.
    #[error("the database that was made is damaged ({symptom}); nothing of it was kept")]
    Damaged {
        /// In the database system's words.
        symptom: String,
    },
    /// The database of an export in the layout `sqlite` is refused.
    #[error("the database of the export is refused")]
    Copy(#[source] Box<AdoptError>),
    /// Its rows cannot be read again.
    #[error(transparent)]
    Read(#[from] ExportError),
    /// A step on the new database's files failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// It could not be migrated to this program's schema.
    #[error("the rows were loaded, and cannot be migrated to this program's schema")]
    Migrate(#[from] MigrateError),
    /// A statement failed.
    #[error("the new database cannot be filled")]
    Query(#[source] diesel::result::Error),
}

impl From<diesel::result::Error> for ImportError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Query(crate::error::withhold(error))
    }
}

impl ImportError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Create(error) => error.is_retryable(),
            Self::Storage(error) => error.is_retryable(),
            _ => false,
        }
    }
}
