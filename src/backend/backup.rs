//! The steps of backups, which are files whatever the database system: what they are made of, and why one is refused.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::{StorageError, TenantKey, Whose};
use crate::migrate::{Applied, LedgerRow, MigrationSet, Verdict};

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

/// What a place is for.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupOf {
    Shared,
    Tenant(TenantKey),
    /// The manifest of a set, without a database.
    Set,
}

/// Where a backup is made, and what it is called there.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupPlace {
    /// `None` for the backups of the data directory itself.
    pub directory: Option<PathBuf>,
    /// The mark of the directory when it was put there, if that had an id.
    pub mark: Option<Uuid>,
    pub id: Uuid,
    pub of: BackupOf,
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
    /// How it compares with the program's migrations, where that was asked.
    pub fit: Option<Fit>,
}

/// How a closed database compares with a program's migrations.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    pub verdict: Verdict,
    /// Where its schema is not what the migrations in its ledger make.
    pub differences: Vec<SchemaDifference>,
}

/// One thing in a schema that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct SchemaDifference {
    /// `table`, `index`, `trigger` or `view`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub what: DriftKind,
}

/// What is wrong with one thing in a schema.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DriftKind {
    /// It is not there.
    Missing,
    /// It should not be there.
    Unexpected,
    /// Its definition is another one.
    Changed {
        /// Columns a table lacks.
        missing: Vec<String>,
        /// Columns a table should not have.
        unexpected: Vec<String>,
    },
}

impl std::fmt::Display for SchemaDifference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, name, what } = self;
        // The names may come from a file of anybody's.
        match what {
            DriftKind::Missing => write!(f, "missing {kind} {name:?}"),
            DriftKind::Unexpected => write!(f, "unexpected {kind} {name:?}"),
            DriftKind::Changed {
                missing,
                unexpected,
            } => {
                write!(f, "changed {kind} {name:?}")?;
                if !missing.is_empty() {
                    write!(f, ", missing columns {missing:?}")?;
                }
                if !unexpected.is_empty() {
                    write!(f, ", unexpected columns {unexpected:?}")?;
                }
                Ok(())
            }
        }
    }
}

/// The directory of a tenant that was found on the disk.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnDisk {
    /// Its name; see [`Storage::directory_name`](super::Storage::directory_name).
    pub directory: String,
    /// Whose it is and of which catalogue, as stamped in a database in it. `None` where none can be read.
    pub owner: Option<(TenantKey, Uuid)>,
    /// Whether it was purged: it stays gone.
    pub tombstone: bool,
    /// Every generation of which there is a file, whatever is in it.
    pub generations: Vec<u64>,
    /// The newest of those that could be read, fenced or not.
    pub newest: Option<Newest>,
    /// The generations that could not be read, and why.
    pub unreadable: Vec<(u64, String)>,
}

/// The newest generation of a tenant that was found on the disk.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    pub generation: u64,
    /// An operation that was never committed has left its fence in it.
    pub fenced: bool,
    /// Its newest migration.
    pub version: Option<String>,
    pub fingerprint: String,
}

impl OnDisk {
    /// The tenant, if a database of `catalog` says who it is and it was not purged.
    pub(crate) fn tenant_of(&self, catalog: Uuid) -> Option<TenantKey> {
        let (key, of) = self.owner?;
        (of == catalog && !self.tombstone).then_some(key)
    }

    /// The generation to be used, unless one that is newer cannot be read: that has what was written last.
    pub(crate) fn usable(&self) -> Option<&Newest> {
        let newest = self.newest.as_ref()?;
        let is_newer = |(generation, _): &(u64, String)| *generation > newest.generation;
        (!self.unreadable.iter().any(is_newer)).then_some(newest)
    }
}

/// A database that was found on the disk and could not be read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct UnreadableDatabase {
    /// The tenant, where another of its databases, or the catalogue, says who it is.
    pub tenant: Option<TenantKey>,
    /// Its path below the directory of all tenants.
    pub file: String,
    /// Why it could not be read, in words.
    pub reason: String,
}

/// Where a backup is restored to.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreTarget {
    /// The staging database of a tenant's generation, which is stamped with it.
    Generation { key: TenantKey, generation: u64 },
    /// A place that is removed afterwards.
    Scratch(BackupPlace),
}

/// What a restored staging database came to be.
#[doc(hidden)]
#[derive(Debug)]
pub struct Finished {
    pub applied: Vec<Applied>,
    pub schema_version: Option<String>,
    pub fingerprint: String,
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
    /// Puts this catalogue's mark into the directory, `None` being that of the data directory, unless it is there. Returns
    /// the id of the one that is there; one of an earlier build has none.
    fn backup_mark(&self, directory: Option<&Path>) -> Result<Option<Uuid>, StorageError>;
    /// The ids in the mark of `catalog` in a directory: none in that of an earlier build. `None` where it has no mark.
    fn backup_marks_in(directory: &Path, catalog: Uuid) -> Result<Option<Vec<Uuid>>, StorageError>;
    /// Refuses with [`StorageError::OutOfReach`] where neither the backup is seen nor the mark its directory had: what is
    /// missing there may be on a disk that is not mounted.
    fn backup_reach(&self, place: &BackupPlace) -> Result<(), StorageError>;
    /// Where a finished backup is.
    fn backup_path(&self, place: &BackupPlace) -> PathBuf;
    /// Copies a database into the staging directory of the backup as it is at one moment, and looks into the copy.
    fn backup_stage(
        &self,
        source: &BackupSource,
        place: &BackupPlace,
    ) -> Result<ArtefactFacts, InvalidBackup>;
    /// Puts the manifest beside the staged copy, or, for a set, in a staging directory of its own.
    fn backup_describe(&self, place: &BackupPlace, manifest: &[u8]) -> Result<(), StorageError>;
    /// Gives the staging directory its final name.
    fn backup_publish(&self, place: &BackupPlace) -> Result<(), StorageError>;
    /// Whether a backup has its name, under which all of it is there.
    fn backup_is_there(&self, place: &BackupPlace) -> bool;
    /// Takes that away, so that nobody finds half a backup. Nothing to do where it has none.
    fn backup_hide(&self, place: &BackupPlace) -> Result<(), StorageError>;
    /// Removes a backup, staged or published. One that is missing was removed before, where it is within
    /// [reach](Self::backup_reach).
    fn backup_remove(&self, place: &BackupPlace) -> Result<(), StorageError>;
    /// Removes what dead instances left half made in the data directory, and says how much that was. Directories
    /// elsewhere may be used by other data directories, whose instances look dead from here.
    fn backup_sweep(&self) -> Result<usize, StorageError>;

    /// The directories in which backups and sets may be that lie in `directory`, by name.
    fn backup_entries(directory: &Path) -> Result<Vec<PathBuf>, StorageError>;
    /// The manifest of the backup, or set, at `path`.
    fn backup_manifest(path: &Path) -> Result<Vec<u8>, InvalidBackup>;
    /// Whether a database of this length is at `path`. Opens nothing.
    fn backup_length(path: &Path, bytes: u64) -> Result<(), InvalidBackup>;
    /// Looks into the database of the backup at `path`, which must have these bytes.
    fn backup_check(
        path: &Path,
        bytes: u64,
        sha256: &[u8; 32],
        set: Option<&MigrationSet>,
    ) -> Result<ArtefactFacts, InvalidBackup>;

    /// Copies the database of the backup at `path`, which must have these bytes, to a staging database, and looks into
    /// the copy. The original is not opened again: it may be exchanged at any time.
    fn restore_stage(
        &self,
        path: &Path,
        bytes: u64,
        sha256: &[u8; 32],
        target: &RestoreTarget,
        set: &MigrationSet,
    ) -> Result<ArtefactFacts, InvalidBackup>;
    /// Makes of a staged copy what it is to be: no fence, its stamp, the migrations of `set`; closed and synced.
    fn restore_finish(
        &self,
        target: &RestoreTarget,
        set: Option<&MigrationSet>,
    ) -> Result<Finished, StorageError>;
    /// Makes the staging database of `to` a verified copy of generation `from`, which was kept. Returns its newest
    /// migration and its fingerprint.
    fn stage_kept(
        &self,
        key: &TenantKey,
        from: u64,
        to: u64,
    ) -> Result<(Option<String>, String), StorageError>;
    /// Refuses a kept generation that is really another database. One that is lost or damaged passes.
    fn check_kept(&self, key: &TenantKey, generation: u64) -> Result<(), StorageError>;
    /// Removes a generation that was kept, if it passes that check.
    fn discard_kept(&self, key: &TenantKey, generation: u64) -> Result<(), StorageError>;
    /// The directory of every tenant, and what its databases say they are. One that cannot be read is told of, and
    /// keeps nobody from reading the others.
    fn on_disk(&self) -> Result<Vec<OnDisk>, StorageError>;
    /// The same of the directories that may be those of one tenant.
    fn on_disk_of(&self, tenant: Uuid) -> Result<Vec<OnDisk>, StorageError>;
    /// Looks into what the backup at `path` was restored to in a scratch place.
    fn scratch_check(
        &self,
        place: &BackupPlace,
        path: &Path,
        set: &MigrationSet,
    ) -> Result<ArtefactFacts, InvalidBackup>;
    /// Removes what a drill has left.
    fn scratch_remove(&self, place: &BackupPlace) -> Result<(), StorageError>;
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
    /// It is a set: what says which backups were taken together, and has no database.
    #[error(
        "{path:?} is a set of backups; give the directory of one of them{}",
        Members(members)
    )]
    Set {
        /// The directory given.
        path: PathBuf,
        /// Those of its members that are beside it, and whose each is; `None` for the shared database. Where only that of
        /// one database will do, only that one.
        members: Vec<(Option<TenantKey>, PathBuf)>,
    },
    /// It is a file.
    #[error("{path:?} is a file; give the directory it is in, if that is the one of a backup")]
    NotADirectory {
        /// The file given.
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

impl InvalidBackup {
    /// Of a set, the member that will do: that of this tenant, or of the shared database. All, where it has none such.
    pub(crate) fn of_set(mut self, tenant: Option<Uuid>) -> Self {
        if let Self::Set { members, .. } = &mut self {
            let will_do = |of: &Option<TenantKey>| of.map(|key| key.uuid) == tenant;
            if members.iter().any(|(of, _)| will_do(of)) {
                members.retain(|(of, _)| will_do(of));
            }
        }
        self
    }
}

/// Which directories could be given.
struct Members<'a>(&'a [(Option<TenantKey>, PathBuf)]);

impl std::fmt::Display for Members<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const NAMED: usize = 3;
        for (number, (tenant, path)) in self.0.iter().take(NAMED).enumerate() {
            f.write_str(if number == 0 { ": " } else { ", " })?;
            match tenant {
                Some(tenant) => write!(f, "{path:?} of tenant `{}`", tenant.id)?,
                None => write!(f, "{path:?} of the shared database")?,
            }
        }
        match self.0.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, ", or of {more} more"),
        }
    }
}
