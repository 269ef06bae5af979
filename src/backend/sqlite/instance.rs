//! Which openings of the library are alive.
//!
//! An unfinished operation belongs to the instance that began it. Others may finish or undo it only when that
//! instance is dead, and process ids cannot tell: they are reused, and mean nothing across containers. So every
//! instance holds the kernel's lock on a file of its own, and the kernel lets go of it when the process dies.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, OFlags};
use uuid::Uuid;

use super::files::{FileAction, FileError, lstat, remove_name};
use super::lock::{open_to_lock, try_lock};
use super::root::Root;

/// A file under this prefix is not an instance yet.
const UNFINISHED: &str = ".new-";

/// The age from which an unlocked, unfinished file is a leftover. Between making and locking it lie microseconds.
const LEFTOVER_AGE: Duration = Duration::from_secs(3600);

/// Proof that one opening of the library is alive: an exclusive lock on `instances/<uuid>`.
///
/// Ends when dropped, or when the process dies in whatever way. A child that was forked without `exec` shares the
/// lock, and keeps the instance alive until it exits too.
///
/// # Example
/// ```
/// use diesel_tenants::backend::sqlite::{instance::{self, Instance}, root::Root};
///
/// # let dir = tempfile::tempdir()?;
/// let root = Root::init(dir.path().join("data"))?;
/// let me = Instance::register(&root)?;
/// let id = me.id();
/// assert!(instance::is_alive(&root, id)?);
/// drop(me);
/// assert!(!instance::is_alive(&root, id)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Instance {
    id: Uuid,
    path: PathBuf,
    _file: OwnedFd,
}

impl Instance {
    /// Registers a new instance under a fresh id.
    ///
    /// # Errors
    /// The operating system's.
    pub fn register(root: &Root) -> Result<Self, FileError> {
        let id = Uuid::now_v7();
        let unfinished = root.instances().join(format!("{UNFINISHED}{id}"));
        let path = path_of(root, id);
        let file = open_to_lock(&unfinished, OFlags::CREATE | OFlags::EXCL)?;
        // Locked under another name first: under its own name nobody ever sees the file unlocked, so nobody
        // takes a starting instance for a dead one. No sync: after a power loss all instances are dead.
        let finished = lock_exclusively(&file, &unfinished).and_then(|()| {
            std::fs::rename(&unfinished, &path)
                .map_err(|source| FileError::new(FileAction::Publish, &unfinished, source))
        });
        if let Err(error) = finished {
            // The error that matters is the first one; `sweep` removes what is left.
            let _ = remove_name(&unfinished);
            return Err(error);
        }
        Ok(Self {
            id,
            path,
            _file: file,
        })
    }

    /// The id of this instance; never used again.
    pub fn id(&self) -> Uuid {
        self.id
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // While still locked: the descriptor closes after this. A file that cannot be removed is unlocked in a
        // moment, and `sweep` removes it.
        let _ = remove_name(&self.path);
    }
}

/// Whether the instance `id` is alive. Once `false`, it stays `false`: ids are not reused.
///
/// Does not block.
///
/// # Errors
/// The operating system's; the instance may then be alive or dead.
pub fn is_alive(root: &Root, id: Uuid) -> Result<bool, FileError> {
    let path = path_of(root, id);
    let Some(file) = open_existing(&path)? else {
        return Ok(false);
    };
    Ok(!is_free(&file, &path)?)
}

/// Removes the files of dead instances, and what a crash left of starting ones more than an hour ago. Returns how
/// many files were removed.
///
/// Files of other names are left alone. Does not block; may run in several processes at once.
///
/// # Errors
/// The operating system's; the rest is swept by the next call.
pub fn sweep(root: &Root) -> Result<usize, FileError> {
    let directory = root.instances();
    let unlisted = |source| FileError::new(FileAction::List, &directory, source);
    let mut removed = 0;
    for entry in std::fs::read_dir(&directory).map_err(unlisted)? {
        let entry = entry.map_err(unlisted)?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_str().unwrap_or_default();
        let dead = match name.strip_prefix(UNFINISHED) {
            Some(id) => is_id(id) && is_old(&path)? && is_unlocked(&path)?,
            None => is_id(name) && is_unlocked(&path)?,
        };
        // Safe although somebody may look at the file at this moment: an instance is locked before it has its
        // name, no name is used twice, and a dead instance does not come back. So an unlocked file is never
        // locked by its owner again, and a missing one means the same: dead.
        if dead && remove_name(&path)? {
            removed += 1;
        }
    }
    Ok(removed)
}

fn path_of(root: &Root, id: Uuid) -> PathBuf {
    root.instances().join(id.to_string())
}

fn is_id(name: &str) -> bool {
    Uuid::try_parse(name).is_ok_and(|id| id.to_string() == name)
}

fn is_old(path: &Path) -> Result<bool, FileError> {
    let Some(found) = lstat(path)? else {
        return Ok(false);
    };
    let made = found
        .modified()
        .map_err(|source| FileError::new(FileAction::Inspect, path, source))?;
    // A file from the future (the clock was set back) has no age: not old.
    Ok(SystemTime::now()
        .duration_since(made)
        .is_ok_and(|age| age > LEFTOVER_AGE))
}

fn is_unlocked(path: &Path) -> Result<bool, FileError> {
    match open_existing(path)? {
        Some(file) => is_free(&file, path),
        None => Ok(false),
    }
}

/// Shared, so that several who ask at the same time do not take each other for the instance.
fn is_free(file: &OwnedFd, path: &Path) -> Result<bool, FileError> {
    try_lock(file, FlockOperation::NonBlockingLockShared, path)
}

fn open_existing(path: &Path) -> Result<Option<OwnedFd>, FileError> {
    match open_to_lock(path, OFlags::empty()) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn lock_exclusively(file: &OwnedFd, path: &Path) -> Result<(), FileError> {
    if try_lock(file, FlockOperation::NonBlockingLockExclusive, path)? {
        return Ok(());
    }
    Err(FileError::new(
        FileAction::Lock,
        path,
        rustix::io::Errno::WOULDBLOCK,
    ))
}
