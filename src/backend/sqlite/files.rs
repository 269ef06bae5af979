//! The audited module that touches database files through the operating system.
//!
//! Everything else reaches a database through SQLite only. The rule of this module: **a live database, its
//! `-wal` and its `-shm` are never opened here**. SQLite guards a database with POSIX record locks, and a
//! process loses all of its record locks on a file as soon as it closes *any* descriptor of that file. One
//! harmless-looking `std::fs::read` in a process that has the database open lets another process write into
//! the middle of a transaction: acknowledged commits vanish and `integrity_check` still says `ok`. So a live
//! file is looked at with `lstat`, linked, renamed and unlinked by name, none of which opens it. Opened are
//!
//! - staging files: fresh names that no connection has ever opened, or none will open again before they are
//!   published;
//! - closed templates, which are only ever copied.
//!
//! A database is four names: `x.sqlite3`, `x.sqlite3-wal`, `x.sqlite3-shm`, `x.sqlite3-journal`. A path is
//! never used twice: SQLite replays a leftover `-wal` or `-journal` into whatever file carries its name.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

pub use super::file_check::{FileKind, UnsafeFile, UnsafeReason, check_database_file};
use super::file_error::Shown;
pub use super::file_error::{FileAction, FileError};
pub use super::file_uri::{LONGEST_DATABASE_PATH, UriError, uri};

/// What SQLite appends to a database's name for the files that belong to it.
pub const SIDE_SUFFIXES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Why a new database file could not be made or put in its place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// One of the four names is taken. A path is never reused: take a new generation, or a new staging name.
    #[error(
        "{} is not fresh: {} is in the way; look what it is, then move it out of the data directory",
        Shown(path),
        Shown(found)
    )]
    PathNotFresh {
        /// The database that was to be made.
        path: PathBuf,
        /// Which of its names is taken.
        found: PathBuf,
    },
    /// A file beside the source says that it was not closed, so it does not hold everything on its own.
    #[error(
        "{} is not a closed database: {} exists; close every connection first",
        Shown(path),
        Shown(found)
    )]
    NotClosed {
        /// The database that was to be copied or published.
        path: PathBuf,
        /// The file beside it.
        found: PathBuf,
    },
    /// The source is not a database file of our own.
    #[error(transparent)]
    Source(UnsafeFile),
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] FileError),
}

/// The staging name of `path`: `.new-<name>`, in the same directory, so that [`publish`] is one rename.
///
/// Always the same one, so that what a crash left there is found and removed by whoever tries again. Only one
/// operation at a time works on a path: under a lock, or as the owner of the generation.
pub fn staging_beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".new-");
    name.push(path.file_name().unwrap_or_default());
    path.with_file_name(name)
}

/// Makes an empty database file, mode 0600, for SQLite to fill.
///
/// Made first, because SQLite would make it as open as the umask allows, and gives `-wal` and `-shm` the mode
/// of the main file.
///
/// # Errors
/// - [`StageError::PathNotFresh`]: one of the four names exists, be it a dangling link.
/// - [`StageError::Io`].
pub fn create_exclusive(path: &Path) -> Result<(), StageError> {
    open_fresh(path).map(drop)
}

pub(super) fn open_fresh(path: &Path) -> Result<File, StageError> {
    refuse_taken(path)?;
    create_new(path)
}

/// Looking first does not help against somebody who makes the file at the same moment; the kernel decides.
fn create_new(path: &Path) -> Result<File, StageError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => Ok(File::from(file)),
        Err(Errno::EXIST) => Err(not_fresh(path, path)),
        Err(errno) => Err(FileError::new(FileAction::Create, path, errno).into()),
    }
}

/// Copies a closed database into a fresh staging file, sharing the blocks where the file system can.
///
/// A copy that fails half-way is removed. The copy is not yet on the disk: call [`sync_file`] before
/// [`publish`]. `template` is opened, so no connection of this process may have it open: templates are built
/// under a staging name, closed, published, and only ever copied.
///
/// # Errors
/// - [`StageError::NotClosed`]: `-wal`, `-shm` or `-journal` exists beside `template`.
/// - [`StageError::Source`]: `template` is missing, empty or unsafe.
/// - [`StageError::PathNotFresh`]: one of the four names of `staging` exists.
/// - [`StageError::Io`].
pub fn clone_closed(template: &Path, staging: &Path) -> Result<(), StageError> {
    refuse_open(template)?;
    check_database_file(template).map_err(StageError::Source)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let from = open(template, flags)?;
    let to = open_fresh(staging)?;
    copy(from, to).map_err(|source| {
        // The error that matters is the first one; a leftover is found again by its staging name.
        let _ = fs::remove_file(staging);
        FileError::new(FileAction::Copy, staging, source).into()
    })
}

fn copy(mut from: File, mut to: File) -> io::Result<()> {
    // Whatever speaks against a shared copy (another file system, none that can, an odd length), a plain
    // one meets the real obstacles again and reports them.
    #[cfg(target_os = "linux")]
    if rustix::fs::ioctl_ficlone(&to, &from).is_ok() {
        return Ok(());
    }
    io::copy(&mut from, &mut to).map(drop)
}

/// Waits until the bytes of a staging file are on the disk.
///
/// Opens the file, so it must not be called on a live database.
///
/// # Errors
/// The operating system's.
pub fn sync_file(path: &Path) -> Result<(), FileError> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = open(path, flags)?;
    file.sync_all()
        .map_err(|source| FileError::new(FileAction::Sync, path, source))
}

/// Waits until the names in a directory are on the disk.
///
/// # Errors
/// The operating system's.
pub fn sync_dir(path: &Path) -> Result<(), FileError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = open(path, flags)?;
    dir.sync_all()
        .map_err(|source| FileError::new(FileAction::Sync, path, source))
}

/// Gives a finished staging file its final name, and waits until the name is on the disk.
///
/// Call [`sync_file`] first: the name may reach the disk before the bytes. Never replaces anything. After a
/// crash the staging name or the final one is there, or, on file systems that cannot rename without replacing,
/// both names of one file: calling this again then finishes the work. There, a directory may take the place of an empty
/// one that somebody makes at that moment.
///
/// # Errors
/// - [`StageError::NotClosed`]: `staging` has a `-wal`, `-shm` or `-journal`, which would be left behind.
/// - [`StageError::PathNotFresh`]: one of the four names of `path` exists.
/// - [`StageError::Io`].
pub fn publish(staging: &Path, path: &Path) -> Result<(), StageError> {
    refuse_open(staging)?;
    if is_same_file(staging, path)? {
        remove_name(staging)?;
    } else {
        refuse_taken(path)?;
        rename_fresh(staging, path)?;
    }
    sync_dir(directory_of(path))?;
    if directory_of(staging) != directory_of(path) {
        sync_dir(directory_of(staging))?;
    }
    Ok(())
}

fn rename_fresh(staging: &Path, path: &Path) -> Result<(), StageError> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        match renameat_with(CWD, staging, CWD, path, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(()),
            Err(Errno::EXIST) => return Err(not_fresh(path, path)),
            // The file system, or the kernel, cannot rename without replacing.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(FileError::new(FileAction::Publish, staging, errno).into()),
        }
    }
    if lstat(staging)?.is_some_and(|found| found.is_dir()) {
        // A directory cannot have two names. A rename replaces none in which there is anything.
        let renamed = fs::rename(staging, path);
        return Ok(renamed.map_err(|source| FileError::new(FileAction::Publish, staging, source))?);
    }
    link_fresh(staging, path)?;
    remove_name(staging)?;
    Ok(())
}

/// The first half of a rename that never replaces, for file systems that have no such rename.
fn link_fresh(staging: &Path, path: &Path) -> Result<(), StageError> {
    match fs::hard_link(staging, path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(not_fresh(path, path)),
        Err(error) => Err(FileError::new(FileAction::Publish, staging, error).into()),
    }
}

fn is_same_file(a: &Path, b: &Path) -> Result<bool, FileError> {
    let (Some(a), Some(b)) = (lstat(a)?, lstat(b)?) else {
        return Ok(false);
    };
    Ok((a.dev(), a.ino()) == (b.dev(), b.ino()))
}

/// Destroys a database: the file, then `-wal`, `-shm` and `-journal`, and waits until the names are gone from
/// the disk. Removing what is not there, or half there after a crash, is fine.
///
/// Nobody may open the database any more; connections that still have it open keep the unlinked file.
///
/// # Errors
/// The operating system's. Call it again: what is left is removed then.
pub fn remove_database(path: &Path) -> Result<(), FileError> {
    // The main file goes first, and durably so before the rest. Between the two steps a crash leaves side
    // files without a database, which nothing opens (`mode=rw` finds no file) and nothing replays (the path is
    // never used again, and `create_exclusive` and `publish` refuse it while a side file exists). The other
    // way round a crash would leave a database without its `-wal` or hot `-journal`: it opens, looks sound,
    // and has lost its last commits or half of a transaction.
    remove_name(path)?;
    let directory = directory_of(path);
    if lstat(directory)?.is_none() {
        return Ok(());
    }
    sync_dir(directory)?;
    for side in side_files(path) {
        remove_name(&side)?;
    }
    sync_dir(directory)
}

/// Destroys a directory of databases and the directory itself, as [`remove_database`] does with one. Nothing to do
/// where there is none.
///
/// # Errors
/// The operating system's, and where it is no directory but a link to one, or a directory is found in it, which does not
/// belong there. Call it again: what is left is removed then.
pub fn remove_directory(directory: &Path) -> Result<(), FileError> {
    // Listed through a link, the files of another directory would go.
    if lstat(directory)?.is_some_and(|found| !found.is_dir()) {
        let error = rustix::io::Errno::NOTDIR;
        return Err(FileError::new(FileAction::Remove, directory, error));
    }
    match remove_what_is_in(directory) {
        // Another process that clears up after the same dead one was faster.
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => {}
        removed => removed?,
    }
    match fs::remove_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FileError::new(FileAction::Remove, directory, error))
        }
        _ => sync_dir(directory_of(directory)),
    }
}

fn remove_what_is_in(directory: &Path) -> Result<(), FileError> {
    let list = |error| FileError::new(FileAction::List, directory, error);
    let names = || -> Result<Vec<PathBuf>, FileError> {
        let entries = fs::read_dir(directory).map_err(list)?;
        entries
            .map(|entry| entry.map(|entry| entry.path()).map_err(list))
            .collect()
    };
    let is_side_file = |path: &PathBuf| {
        let name = path.as_os_str().as_encoded_bytes();
        SIDE_SUFFIXES
            .iter()
            .any(|suffix| name.ends_with(suffix.as_bytes()))
    };
    for database in names()?.iter().filter(|path| !is_side_file(path)) {
        remove_name(database)?;
    }
    sync_dir(directory)?;
    for rest in names()? {
        remove_name(&rest)?;
    }
    Ok(())
}

/// Some entry of a directory, or `None` if it is empty.
///
/// # Errors
/// The operating system's.
pub fn first_entry(directory: &Path) -> Result<Option<PathBuf>, FileError> {
    let list = |error| FileError::new(FileAction::List, directory, error);
    let mut entries = fs::read_dir(directory).map_err(list)?;
    let first = entries.next().transpose().map_err(list)?;
    Ok(first.map(|entry| entry.path()))
}

/// Bytes an ordinary user may still write to the file system `path` is on, and bytes in all.
///
/// # Errors
/// The operating system's.
pub(super) fn space(path: &Path) -> Result<(u64, u64), FileError> {
    let found = rustix::fs::statvfs(path)
        .map_err(|error| FileError::new(FileAction::Inspect, path, error))?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Ok((bytes(found.f_bavail), bytes(found.f_blocks)))
}

/// Bytes of a database on disk, its WAL included. Nothing is opened.
///
/// # Errors
/// The operating system's.
pub fn size(path: &Path) -> Result<u64, FileError> {
    let mut bytes = 0;
    for name in std::iter::once(path.to_owned()).chain(side_files(path)) {
        let is_shared_memory = name.as_os_str().as_encoded_bytes().ends_with(b"-shm");
        if !is_shared_memory && let Some(found) = lstat(&name)? {
            bytes += found.len();
        }
    }
    Ok(bytes)
}

/// Makes a directory, mode 0700, and waits until its name is on the disk. One that exists is left as it is.
///
/// # Errors
/// The operating system's; the parent must exist.
pub fn create_directory(path: &Path) -> Result<(), FileError> {
    create_directory_with_mode(path, 0o700)
}

pub(super) fn create_directory_with_mode(path: &Path, mode: u32) -> Result<(), FileError> {
    match fs::DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(FileError::new(FileAction::CreateDirectory, path, error))
        }
        // One that exists may be the work of a process that died before the sync.
        _ => sync_dir(directory_of(path)),
    }
}

/// What a name stands for, links not followed; `None` if it stands for nothing.
pub(super) fn lstat(path: &Path) -> Result<Option<Metadata>, FileError> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::new(FileAction::Inspect, path, error)),
    }
}

/// Unlinks a name. One that is not there is fine: `false`.
pub(super) fn remove_name(path: &Path) -> Result<bool, FileError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(FileError::new(FileAction::Remove, path, error)),
    }
}

fn open(path: &Path, flags: OFlags) -> Result<File, FileError> {
    rustix::fs::open(path, flags, Mode::empty())
        .map(File::from)
        .map_err(|errno| FileError::new(FileAction::Open, path, errno))
}

pub(super) fn side_files(path: &Path) -> impl Iterator<Item = PathBuf> {
    SIDE_SUFFIXES.into_iter().map(move |suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    })
}

fn refuse_open(path: &Path) -> Result<(), StageError> {
    for found in side_files(path) {
        if lstat(&found)?.is_some() {
            let path = path.to_owned();
            return Err(StageError::NotClosed { path, found });
        }
    }
    Ok(())
}

fn refuse_taken(path: &Path) -> Result<(), StageError> {
    for found in std::iter::once(path.to_owned()).chain(side_files(path)) {
        if lstat(&found)?.is_some() {
            return Err(not_fresh(path, &found));
        }
    }
    Ok(())
}

fn not_fresh(path: &Path, found: &Path) -> StageError {
    let (path, found) = (path.to_owned(), found.to_owned());
    StageError::PathNotFresh { path, found }
}

/// The directory a name stands in; the working directory for a bare name.
fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names are looked at first; this is about a file that appears right after that.
    #[test]
    fn what_appears_meanwhile_is_not_replaced_either() {
        let home = tempfile::tempdir().unwrap();
        let (staging, path) = (home.path().join("staging"), home.path().join("g1.sqlite3"));
        fs::write(&staging, "new").unwrap();
        fs::write(&path, "old").unwrap();
        let attempts = [
            create_new(&path).map(drop),
            rename_fresh(&staging, &path),
            link_fresh(&staging, &path),
        ];
        for attempt in attempts {
            let error = attempt.unwrap_err();
            assert!(matches!(error, StageError::PathNotFresh { .. }), "{error}");
        }
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read(&staging).unwrap(), b"new");
    }

    /// Where a rename is a link and an unlink, a crash between the two leaves one file with two names.
    #[test]
    fn publishing_again_finishes_what_a_crash_left_half_renamed() {
        let home = tempfile::tempdir().unwrap();
        let (staging, path) = (home.path().join("staging"), home.path().join("g1.sqlite3"));
        fs::write(&staging, "new").unwrap();
        link_fresh(&staging, &path).unwrap();
        publish(&staging, &path).unwrap();
        assert!(!staging.exists());
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }
}
