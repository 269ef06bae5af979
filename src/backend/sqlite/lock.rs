//! Locks that the kernel releases when their holder dies.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::file_error::{FileAction, FileError, Shown};
use super::root::{Root, is_plain};

/// The longest lock name, in bytes: a tenant's directory and a word fit.
const LONGEST_NAME: usize = 64;

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The name would not be the name of one file.
    #[error(
        "{} is not a lock name; need 1 to 64 of a-z, 0-9, `-` and `_`",
        Shown(Path::new(name))
    )]
    InvalidName {
        /// The name given.
        name: String,
    },
    /// Somebody else held the lock all the time: another process, or another thread of this one.
    #[error("lock `{name}` was not free within {waited:?}; wait for its holder, or end it")]
    Timeout {
        /// The name of the lock.
        name: String,
        /// How long this call waited.
        waited: Duration,
    },
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] FileError),
}

/// An exclusive lock among all threads and processes that use one data directory.
///
/// Held until dropped, or until the process dies in whatever way. Waiting is not fair: no order among those who
/// wait. A child process that was forked without `exec` shares the lock, and keeps it when this process dies.
#[derive(Debug)]
pub struct DirLock {
    path: PathBuf,
    file: OwnedFd,
}

impl DirLock {
    /// Takes the lock `name`, blocking up to `wait`; zero tries once.
    ///
    /// # Errors
    /// - [`LockError::Timeout`]: the lock was not free in time; safe to retry.
    /// - [`LockError::InvalidName`], [`LockError::Io`].
    ///
    /// # Example
    /// ```
    /// use std::time::Duration;
    /// use diesel_tenants::backend::sqlite::{lock::{DirLock, LockError}, root::Root};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// let root = Root::init(dir.path().join("data"))?;
    /// let held = DirLock::lock(&root, "migrate", Duration::from_secs(5))?;
    /// let second = DirLock::lock(&root, "migrate", Duration::ZERO);
    /// assert!(matches!(second, Err(LockError::Timeout { .. })));
    /// # drop(held);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lock(root: &Root, name: &str, wait: Duration) -> Result<Self, LockError> {
        if name.len() > LONGEST_NAME || !is_plain(name) {
            let name = name.to_owned();
            return Err(LockError::InvalidName { name });
        }
        // The file is never unlinked: whoever waits on an unlinked one would get a lock that nobody else
        // respects, while a newcomer locks the new file of the same name.
        let path = root.locks().join(name);
        let file = open_to_lock(&path, OFlags::CREATE)?;
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        // Polled, because a blocking flock cannot be given a time limit.
        while !try_lock(&file, FlockOperation::NonBlockingLockExclusive, &path)? {
            let waited = started.elapsed();
            let left = wait.saturating_sub(waited);
            if left.is_zero() {
                let name = name.to_owned();
                return Err(LockError::Timeout { name, waited });
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Ok(Self { path, file })
    }

    /// The locked file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for DirLock {
    fn drop(&mut self) {
        // Closing is not enough: a child process between fork and exec has a copy of the descriptor, and would
        // keep the lock for a moment. Should unlocking fail, closing is what is left.
        let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
    }
}

/// Opens a file to lock it. Close-on-exec, or a child process would keep the lock after its parent's death.
pub(super) fn open_to_lock(path: &Path, how: OFlags) -> Result<OwnedFd, FileError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | how;
    rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|errno| FileError::new(FileAction::Open, path, errno))
}

/// Whether the lock was free and is now held through `file`.
pub(super) fn try_lock(
    file: impl AsFd,
    operation: FlockOperation,
    path: &Path,
) -> Result<bool, FileError> {
    match rustix::io::retry_on_intr(|| rustix::fs::flock(&file, operation)) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(FileError::new(FileAction::Lock, path, errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropping_releases_the_lock_although_a_copy_of_the_descriptor_lives() {
        let home = tempfile::tempdir().unwrap();
        let root = Root::init(home.path().join("data")).unwrap();
        let lock = DirLock::lock(&root, "work", Duration::ZERO).unwrap();
        let _copy = lock.file.try_clone().unwrap();
        drop(lock);
        DirLock::lock(&root, "work", Duration::ZERO).unwrap();
    }
}
