//! Why a tenant was not exported.
use std::path::PathBuf;

use super::directory::ExportFileError;
use crate::adopt::AdoptError;
use crate::backend::{ConnectError, StorageError};
use crate::error::{CatalogError, OpenError};

/// Why a tenant was not exported. Nothing is at the place it was to go.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The tenant is not known, or the catalogue could not be asked.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// That it begins could not be entered into the audit log.
    #[error(transparent)]
    Audit(#[from] CatalogError),
    /// Its database could not be opened.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A step on files failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The place is taken.
    #[error("{} exists already; export into a directory that does not exist yet", path.display())]
    Exists {
        /// The place.
        path: PathBuf,
    },
    /// Another export to the same place is under way.
    #[error("another export into {} is under way; wait for it or choose another place", path.display())]
    InProgress {
        /// The place.
        path: PathBuf,
    },
    /// A row is longer than an import would take.
    #[error(
        "row {row} of `{table}` is longer than {} bytes as text; export in the layout `sqlite`",
        super::ndjson::LONGEST_LINE
    )]
    RowTooLong {
        /// The table.
        table: String,
        /// Which row, counted from 1.
        row: u64,
    },
    /// A file could not be written.
    #[error(transparent)]
    File(#[from] ExportFileError),
    /// The rows could not be read.
    #[error("the tenant's rows cannot be read")]
    Query(#[source] diesel::result::Error),
    /// The copy that was made could not be opened again.
    #[error("the copy cannot be read")]
    Copy(#[source] Box<AdoptError>),
}

impl From<AdoptError> for ExportError {
    fn from(error: AdoptError) -> Self {
        Self::Copy(Box::new(error))
    }
}

impl From<diesel::result::Error> for ExportError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Query(crate::error::withhold(error))
    }
}

impl ExportError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::InProgress { .. } => true,
            Self::Open(error) => error.is_retryable(),
            Self::Connect(error) => error.is_retryable(),
            Self::Audit(error) => error.is_retryable(),
            Self::Storage(error) => error.is_retryable(),
            _ => false,
        }
    }
}
