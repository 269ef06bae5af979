//! Why a directory, or a name in it, is refused.

use std::path::{Path, PathBuf};

use super::file_error::{FileError, Shown};
use super::files::FileKind;
use super::root::LONGEST_ROOT;

/// Which rule of data directories a path breaks by itself, whatever it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidRoot {
    /// The path is empty.
    Empty,
    /// The path is `/`, or leads there.
    FileSystemRoot,
    /// A relative path climbs with `..`: what it means depends on where the process was started.
    ClimbsOut,
    /// The path has a NUL byte.
    NulByte,
}

impl std::fmt::Display for InvalidRoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::FileSystemRoot => "it is the root of the file system",
            Self::ClimbsOut => "it is relative and has `..`",
            Self::NulByte => "it has a NUL byte",
        })
    }
}

/// What was found where a directory should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FoundInstead {
    /// Another kind of file.
    Kind(FileKind),
    /// A symbolic link that leads nowhere, or in a circle.
    DanglingLink,
    /// Something before the last name of the path is not a directory.
    ParentNotDirectory,
}

impl std::fmt::Display for FoundInstead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kind(kind) => kind.fmt(f),
            Self::DanglingLink => f.write_str("a link that leads nowhere"),
            Self::ParentNotDirectory => f.write_str("a path that goes through a file"),
        }
    }
}

/// Why a directory is not taken as the data directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// Nothing is there. A wrong path, or a disk that is not mounted, must not become a new, empty fleet.
    #[error(
        "data directory {} does not exist; create it, or open it with `init`",
        Shown(path)
    )]
    RootMissing {
        /// The path given.
        path: PathBuf,
    },
    /// Something else is there.
    #[error(
        "data directory {} is {found}; give the path of a directory",
        Shown(path)
    )]
    RootNotDirectory {
        /// The path given, or the directory of the layout.
        path: PathBuf,
        /// What is there.
        found: FoundInstead,
    },
    /// Other users could read or replace the databases, or this one could not.
    #[error(
        "data directory {} has mode {mode:04o} and belongs to user {owner}, need mode 0700 and user {user}; \
         run `chmod 700` and `chown` on it",
        Shown(path)
    )]
    RootUnsafe {
        /// The directory, resolved.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The user it belongs to.
        owner: u32,
        /// The effective user of this process.
        user: u32,
    },
    /// SQLite's WAL mode needs a local disk.
    #[error(
        "data directory {} is on {name} (type {magic:#x}), WAL needs a local disk; move it, or allow any file \
         system at the risk of lost commits",
        Shown(path)
    )]
    UnsupportedFileSystem {
        /// The directory, resolved.
        path: PathBuf,
        /// What the file system is called.
        name: &'static str,
        /// The type that `statfs` told.
        magic: u32,
    },
    /// The path cannot be a data directory, whatever it leads to.
    #[error(
        "{} cannot be a data directory: {reason}; give the absolute path of a directory",
        Shown(path)
    )]
    RootInvalid {
        /// The path given.
        path: PathBuf,
        /// Which rule it breaks.
        reason: InvalidRoot,
    },
    /// Too long by itself, or for the databases below it. See [`LONGEST_ROOT`].
    #[error(
        "data directory {} is too long: {length} bytes, at most {LONGEST_ROOT} leave room for the databases \
         (and one name has at most 255); use a shorter path",
        Shown(path)
    )]
    PathTooLong {
        /// The path given, or the one it resolves to.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] FileError),
}

/// Why a directory is not taken for backups.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupDirError {
    /// Backups among the live files would be lost, removed or backed up together with them.
    #[error(
        "backup directory {} is inside the data directory {}; choose one outside, or `backups` in it",
        Shown(dir),
        Shown(root)
    )]
    BackupDirInsideRoot {
        /// The directory given.
        dir: PathBuf,
        /// The data directory.
        root: PathBuf,
    },
    /// Something else is there.
    #[error("{} is not a directory, backups need one", Shown(dir))]
    NotADirectory {
        /// The path given, resolved.
        dir: PathBuf,
    },
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] FileError),
}

/// A text that is not a folded tenant id, so no path is made from it.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} is not a folded tenant id; need 1 to 32 of a-z, 0-9, `-` and `_`, a letter first",
    Shown(Path::new(given))
)]
#[non_exhaustive]
pub struct NotFolded {
    /// The text given.
    pub given: String,
}
