//! What a name stands for, and whether it is a database file of our own. Nothing is opened to learn it.
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::file_error::{FileError, Shown};
use super::files::{lstat, side_files};

/// What kind of file a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link; where it leads was not looked at.
    Symlink,
    /// A named pipe: opening one blocks until somebody writes.
    Fifo,
    /// A socket.
    Socket,
    /// A block or character device.
    Device,
}

impl FileKind {
    pub(super) fn of(found: &Metadata) -> Self {
        let kind = found.file_type();
        if kind.is_file() {
            Self::Regular
        } else if kind.is_dir() {
            Self::Directory
        } else if kind.is_symlink() {
            Self::Symlink
        } else if kind.is_fifo() {
            Self::Fifo
        } else if kind.is_socket() {
            Self::Socket
        } else {
            Self::Device
        }
    }
}

impl std::fmt::Display for FileKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Regular => "a regular file",
            Self::Directory => "a directory",
            Self::Symlink => "a symbolic link",
            Self::Fifo => "a FIFO",
            Self::Socket => "a socket",
            Self::Device => "a device",
        })
    }
}

/// Why a file is not taken for one of our databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnsafeReason {
    /// Not a regular file. A link could lead to another tenant's database, a FIFO would block for ever.
    Kind(FileKind),
    /// The file has other names: SQLite finds `-wal` and `-journal` by name, so opening one file under two
    /// names corrupts it.
    HardLinks {
        /// How many names it has.
        links: u64,
    },
    /// The file belongs to another user, who can change its mode and so its contents.
    Owner {
        /// The user it belongs to.
        owner: u32,
        /// The effective user of this process.
        user: u32,
    },
    /// Group or others have rights on the file.
    Permissions {
        /// Its permission bits.
        mode: u32,
    },
}

impl std::fmt::Display for UnsafeReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kind(kind) => write!(f, "it is {kind}, need a regular file"),
            Self::HardLinks { links } => write!(f, "it has {links} names, need one"),
            Self::Owner { owner, user } => write!(f, "it belongs to user {owner}, need {user}"),
            Self::Permissions { mode } => write!(f, "it has mode {mode:04o}, need 0600"),
        }
    }
}

/// A file that must not be opened as a database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnsafeFile {
    /// Nothing is there. It is not created: a lost database must not come back empty.
    #[error(
        "no database at {}; opening never creates one, restore it from a backup",
        Shown(path)
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file has no bytes. SQLite would call it sound: a database without tables.
    #[error(
        "the database at {} is empty (0 bytes); restore it from a backup",
        Shown(path)
    )]
    Empty {
        /// The empty file.
        path: PathBuf,
    },
    /// The name leads to something that is not a database file of our own.
    #[error("refusing the database file {}: {reason}", Shown(path))]
    UnsafePath {
        /// The database, or the file beside it, that is refused.
        path: PathBuf,
        /// What is wrong with it.
        reason: UnsafeReason,
    },
    /// It could not be looked at.
    #[error(transparent)]
    Io(#[from] FileError),
}

/// Checks, without opening anything, that `path` is a database file of our own: a regular file with one name,
/// owned by the effective user, closed to group and others, and not empty. `-wal`, `-shm` and `-journal` are
/// held to the same rules where they exist (and may be empty).
///
/// Whether the bytes are a database is for SQLite to say.
///
/// # Errors
/// See [`UnsafeFile`].
pub fn check_database_file(path: &Path) -> Result<(), UnsafeFile> {
    // A file that is unlinked while it is looked at can show up with no name at all: it is gone.
    let Some(found) = lstat(path)?.filter(|found| found.nlink() > 0) else {
        return Err(UnsafeFile::Missing {
            path: path.to_owned(),
        });
    };
    refuse_unsafe(path, &found)?;
    if found.len() == 0 {
        return Err(UnsafeFile::Empty {
            path: path.to_owned(),
        });
    }
    for side in side_files(path) {
        if let Some(found) = lstat(&side)? {
            refuse_unsafe(&side, &found)?;
        }
    }
    Ok(())
}

fn refuse_unsafe(path: &Path, found: &Metadata) -> Result<(), UnsafeFile> {
    let user = rustix::process::geteuid().as_raw();
    let kind = FileKind::of(found);
    let (links, owner, mode) = (found.nlink(), found.uid(), found.mode() & 0o777);
    let reason = if kind != FileKind::Regular {
        UnsafeReason::Kind(kind)
    } else if links > 1 {
        UnsafeReason::HardLinks { links }
    } else if owner != user {
        UnsafeReason::Owner { owner, user }
    } else if mode & 0o077 != 0 {
        UnsafeReason::Permissions { mode }
    } else {
        return Ok(());
    };
    Err(UnsafeFile::UnsafePath {
        path: path.to_owned(),
        reason,
    })
}
