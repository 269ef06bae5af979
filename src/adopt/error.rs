//! Why another program's database was not taken over.
use std::path::PathBuf;

use super::inspection::Inspection;
use crate::backend::StorageError;
use crate::error::CreateError;

/// Why another program's database was not taken over. It is as it was, and no tenant was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// The tenant could not be created.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// Nothing is there.
    #[error("no file at {}", path.display())]
    Missing {
        /// The path given.
        path: PathBuf,
    },
    /// The directory it is in cannot be found.
    #[error("the directory of {} cannot be found", path.display())]
    Resolve {
        /// The path given.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: std::io::Error,
    },
    /// A link, a directory, a pipe.
    #[error("{} is {found}, need a regular file; give the database itself", path.display())]
    NotAFile {
        /// The path given.
        path: PathBuf,
        /// What it is.
        found: String,
    },
    /// Its journal is found by name, and under another name there may be one that belongs to it.
    #[error("{} has {names} names; its journal may be beside another one: copy it under one name", path.display())]
    ManyNames {
        /// The path given.
        path: PathBuf,
        /// How many.
        names: u64,
    },
    /// No bytes: the other program never wrote to it, or it was lost.
    #[error("{} is empty (0 bytes): there is nothing to adopt, `Tenancy::create` makes a new tenant", path.display())]
    Empty {
        /// The path given.
        path: PathBuf,
    },
    /// Something else, or encrypted.
    #[error("{} is not a SQLite database, or an encrypted one; decrypt it with its own program first", path.display())]
    NotADatabase {
        /// The path given.
        path: PathBuf,
    },
    /// Cut short, or with damaged pages.
    #[error("{} is damaged ({symptom}); mend it or take a backup of it", path.display())]
    Damaged {
        /// The path given.
        path: PathBuf,
        /// In SQLite's words.
        symptom: String,
    },
    /// It was left in the middle of a transaction, and reading it would write to it.
    #[error("{} was left in the middle of a transaction; open and close it once with its own program", path.display())]
    NeedsRecovery {
        /// The path given.
        path: PathBuf,
    },
    /// Its own program writes to it.
    #[error("{} is locked by another program; try again", path.display())]
    Busy {
        /// The path given.
        path: PathBuf,
    },
    /// Its own program wrote to it while it was copied without a lock.
    #[error("{} changed while it was read; try again", path.display())]
    Changed {
        /// The path given.
        path: PathBuf,
    },
    /// A database of this library.
    #[error(
        "{} is a database of this library ({scope}{}); restore it, or export its tenant and import that",
        path.display(),
        tenant.as_ref().map(|id| format!(" `{id}`")).unwrap_or_default()
    )]
    Stamped {
        /// The path given.
        path: PathBuf,
        /// `shared`, `tenant` or `template`.
        scope: String,
        /// The tenant it says it belongs to.
        tenant: Option<String>,
    },
    /// In the data directory.
    #[error("{} is inside the data directory, where only this library's databases are", path.display())]
    OwnFile {
        /// The path given.
        path: PathBuf,
    },
    /// The process has no file descriptor left.
    #[error("no file descriptor is left to open {}; raise `ulimit -n`", path.display())]
    OutOfDescriptors {
        /// The path given.
        path: PathBuf,
    },
    /// Diesel could not connect.
    #[error("cannot open {}", path.display())]
    Open {
        /// The path given.
        path: PathBuf,
        /// Diesel's error.
        #[source]
        source: diesel::ConnectionError,
    },
    /// It could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The path given.
        path: PathBuf,
        /// Diesel's error.
        #[source]
        source: diesel::result::Error,
    },
    /// It cannot be adopted with this mapping.
    #[error(
        "not adoptable: {}{}",
        inspection.reasons.first().map(ToString::to_string).unwrap_or_default(),
        match inspection.reasons.len() { 0 | 1 => String::new(), 2 => " (and 1 more reason)".to_owned(), n => format!(" (and {} more reasons)", n - 1) }
    )]
    NotAdoptable {
        /// Everything that was found.
        inspection: Box<Inspection>,
    },
    /// A step on the new database's files failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A statement on the copy or on the new database failed.
    #[error("the rows cannot be copied")]
    Query(#[source] diesel::result::Error),
}

impl From<diesel::result::Error> for AdoptError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Query(crate::error::withhold(error))
    }
}

impl AdoptError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Busy { .. } | Self::Changed { .. } | Self::OutOfDescriptors { .. } => true,
            Self::Create(error) => error.is_retryable(),
            Self::Storage(error) => error.is_retryable(),
            _ => false,
        }
    }
}
