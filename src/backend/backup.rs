//! The steps of backups, which are files whatever the database system: what they are made of, and why one is refused.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::{StorageError, TenantKey, Whose};
use crate::migrate::LedgerRow;

/// The database a backup is taken of.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupSource {
    Shared,
    Tenant { key: TenantKey, generation: u64 },
}

impl BackupSource {
    pub(crate) fn whose(&self) -> Whose {
        match self {
            Self::Shared => Whose::Shared,
            Self::Tenant { key, .. } => Whose::Tenant(key.id),
        }
    }
}

/// Where a backup is made, and what it is called there.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupPlace {
    /// `None` for the backups of the data directory itself.
    pub directory: Option<PathBuf>,
    pub id: Uuid,
    /// The tenant, `None` for the shared database.
    pub tenant: Option<TenantKey>,
    /// Who makes it: what a dead instance left is found by this.
    pub instance: Uuid,
}

/// Whose database a backup is, as stamped in it.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BackupIdentity {
    pub catalog: Uuid,
    /// `None` for the shared database.
    pub tenant: Option<TenantKey>,
    pub generation: u64,
}

/// What a closed backup was found to be.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtefactFacts {
    pub identity: BackupIdentity,
    pub ledger: Vec<LedgerRow>,
    /// Hash of the normalised schema.
    pub fingerprint: String,
    /// The rows of each table, the library's own left out.
    pub rows: BTreeMap<String, u64>,
    pub bytes: u64,
    pub sha256: [u8; 32],
}

/// How backups are made, read and removed. Implemented by this crate only.
///
/// A backup is a directory with a database, closed for good, and its manifest. Each method is one step: all or nothing,
/// and safe to repeat.
#[doc(hidden)]
pub trait BackupStorage {
    /// The directory that was asked for, resolved, once it was made sure that backups may be put there. `None` where
    /// it is that of the data directory.
    fn backup_directory(&self, asked: &Path) -> Result<Option<PathBuf>, StorageError>;
    /// Where a finished backup is.
    fn backup_path(&self, place: &BackupPlace) -> PathBuf;
    /// Copies a database into the staging directory of the backup as it is at one moment, and looks into the copy.
    fn backup_stage(
        &self,
        source: &BackupSource,
        place: &BackupPlace,
    ) -> Result<ArtefactFacts, InvalidBackup>;
    /// Puts the manifest beside the staged copy.
    fn backup_describe(&self, place: &BackupPlace, manifest: &[u8]) -> Result<(), StorageError>;
    /// Gives the staging directory its final name.
    fn backup_publish(&self, place: &BackupPlace) -> Result<(), StorageError>;
    /// Removes a backup, staged or published.
    fn backup_remove(&self, place: &BackupPlace) -> Result<(), StorageError>;
    /// Removes what dead instances left half made in the data directory, and says how much that was. Directories
    /// elsewhere may be used by other data directories, whose instances look dead from here.
    fn backup_sweep(&self) -> Result<usize, StorageError>;

    /// The manifest of the backup at `path`.
    fn backup_manifest(&self, path: &Path) -> Result<Vec<u8>, InvalidBackup>;
    /// Looks into the database of the backup at `path`, which must have these bytes.
    fn backup_check(
        &self,
        path: &Path,
        bytes: u64,
        sha256: &[u8; 32],
    ) -> Result<ArtefactFacts, InvalidBackup>;
}

/// Why a backup is not one that can be restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBackup {
    /// Nothing says what the files are.
    #[error("there is no manifest in {path:?}; give the directory of one backup")]
    ManifestMissing {
        /// The directory given.
        path: PathBuf,
    },
    /// Larger than any manifest.
    #[error("the manifest in {path:?} has {bytes} bytes, at most {limit} are read; it is not ours")]
    ManifestTooBig {
        /// The backup.
        path: PathBuf,
        /// The bytes it has.
        bytes: u64,
        /// The most that are read.
        limit: u64,
    },
    /// It was cut, edited or damaged.
    #[error("the manifest in {path:?} is damaged ({reason}); use another backup")]
    ManifestBad {
        /// The backup.
        path: PathBuf,
        /// What is wrong with it.
        reason: ManifestFault,
    },
    /// A newer program wrote it.
    #[error(
        "the manifest in {path:?} has format {found}, this program reads {known}; use the newer program"
    )]
    ManifestUnsupported {
        /// The backup.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The one this program reads.
        known: u32,
    },
    /// The manifest is there, the database is not.
    #[error("there is a manifest in {path:?} and no database; use another backup")]
    DatabaseMissing {
        /// The backup.
        path: PathBuf,
    },
    /// A file of no bytes, which SQLite would take for an empty database.
    #[error("the database in {path:?} is an empty file; use another backup")]
    Empty {
        /// The backup.
        path: PathBuf,
    },
    /// It is shorter than when it was made.
    #[error("the database in {path:?} is cut short: {found} of {wanted} bytes; use another backup")]
    Truncated {
        /// The backup.
        path: PathBuf,
        /// The bytes it has.
        found: u64,
        /// The bytes it had.
        wanted: u64,
    },
    /// It is longer than when it was made.
    #[error(
        "the database in {path:?} has {found} bytes, its manifest says {wanted}; use another backup"
    )]
    WrongLength {
        /// The backup.
        path: PathBuf,
        /// The bytes it has.
        found: u64,
        /// The bytes it had.
        wanted: u64,
    },
    /// Its bytes are not those that were written.
    #[error("the database in {path:?} was altered since it was made; use another backup")]
    HashMismatch {
        /// The backup.
        path: PathBuf,
    },
    /// A database that is in use, or was when it was copied.
    #[error("{found:?} stands beside the database: it is not a finished backup; use another one")]
    NotClosed {
        /// The side file.
        found: PathBuf,
    },
    /// A link, a pipe, a directory.
    #[error("{path:?} is refused: it is {kind}, need a regular file")]
    Unsafe {
        /// The file.
        path: PathBuf,
        /// What it is.
        kind: String,
    },
    /// Bytes of something else.
    #[error("the file in {path:?} is not a database; use another backup")]
    NotADatabase {
        /// The backup.
        path: PathBuf,
    },
    /// A database that does not hold together.
    #[error("the database in {path:?} is damaged ({symptom}); use another backup")]
    Damaged {
        /// The backup.
        path: PathBuf,
        /// In the database system's words.
        symptom: String,
    },
    /// A database this library did not make.
    #[error("the database in {path:?} carries no identity: it is no backup of this library")]
    Unstamped {
        /// The backup.
        path: PathBuf,
    },
    /// The manifest describes another database.
    #[error("the manifest in {path:?} is not that of the database beside it: {what} differs")]
    WrongManifest {
        /// The backup.
        path: PathBuf,
        /// What differs.
        what: &'static str,
    },
    /// A step on files or a statement failed, which says nothing about the backup.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What is wrong with a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManifestFault {
    /// Not the JSON of a manifest.
    Malformed,
    /// Its own checksum does not fit.
    Checksum,
    /// It says what cannot be.
    Impossible,
}

impl std::fmt::Display for ManifestFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Malformed => "it is not the JSON of a manifest",
            Self::Checksum => "its checksum does not fit",
            Self::Impossible => "it says what cannot be",
        })
    }
}

#[cfg(feature = "sqlite")]
impl From<crate::backend::sqlite::files::FileError> for InvalidBackup {
    fn from(error: crate::backend::sqlite::files::FileError) -> Self {
        Self::Storage(error.into())
    }
}
