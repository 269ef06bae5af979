//! What the operating system refused to do to a file.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::files::LONGEST_DATABASE_PATH;

/// A path in an error message: quoted and escaped, so that no name can forge a line of a log.
///
/// A path longer than any database's is cut to its first 64 bytes.
pub(super) struct Shown<'a>(pub(super) &'a Path);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.0.as_os_str().as_bytes();
        if bytes.len() <= LONGEST_DATABASE_PATH {
            return write!(f, "{:?}", self.0);
        }
        let start = std::ffi::OsStr::from_bytes(&bytes[..64]);
        write!(f, "{start:?}… ({} bytes)", bytes.len())
    }
}

/// What was being done to a file when the operating system refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileAction {
    /// Finding the real path behind links.
    Resolve,
    /// Asking for type, owner and mode.
    Inspect,
    /// Opening an existing file or directory.
    Open,
    /// Reading a record of the library's own.
    Read,
    /// Writing one.
    Write,
    /// Making a file.
    Create,
    /// Making a directory.
    CreateDirectory,
    /// Listing a directory.
    List,
    /// Copying a closed database.
    Copy,
    /// Waiting until the bytes, or the names in a directory, are on the disk.
    Sync,
    /// Renaming a finished file into its place.
    Publish,
    /// Unlinking.
    Remove,
    /// Taking a lock.
    Lock,
}

impl std::fmt::Display for FileAction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolve",
            Self::Inspect => "inspect",
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::Create => "create",
            Self::CreateDirectory => "create directory",
            Self::List => "list",
            Self::Copy => "copy to",
            Self::Sync => "sync",
            Self::Publish => "publish",
            Self::Remove => "remove",
            Self::Lock => "lock",
        })
    }
}

/// The operating system refused to do something to a file.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", Shown(path))]
#[non_exhaustive]
pub struct FileError {
    /// What was being done.
    pub action: FileAction,
    /// To which file.
    pub path: PathBuf,
    /// What the operating system said.
    #[source]
    pub source: io::Error,
}

impl FileError {
    pub(super) fn new(action: FileAction, path: &Path, source: impl Into<io::Error>) -> Self {
        let (path, source) = (path.to_owned(), source.into());
        Self {
            action,
            path,
            source,
        }
    }

    /// Whether the disk, or this user's share of it, is full. Freeing space and trying again helps.
    pub fn is_disk_full(&self) -> bool {
        self.is_any(&[Errno::NOSPC, Errno::DQUOT])
    }

    /// Whether the process, or the machine, has no file descriptor left. Closing idle connections helps.
    pub fn is_out_of_descriptors(&self) -> bool {
        self.is_any(&[Errno::MFILE, Errno::NFILE])
    }

    /// Whether the file system is mounted read-only.
    pub fn is_read_only(&self) -> bool {
        self.is_any(&[Errno::ROFS])
    }

    fn is_any(&self, errnos: &[Errno]) -> bool {
        Errno::from_io_error(&self.source).is_some_and(|errno| errnos.contains(&errno))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_disks_and_spent_descriptors_are_told_apart() {
        let error = |errno| FileError::new(FileAction::Copy, Path::new("/x"), errno);
        assert!(error(Errno::NOSPC).is_disk_full() && error(Errno::DQUOT).is_disk_full());
        assert!(error(Errno::MFILE).is_out_of_descriptors());
        assert!(error(Errno::NFILE).is_out_of_descriptors());
        assert!(error(Errno::ROFS).is_read_only());
        let other = error(Errno::ACCESS);
        assert!(!other.is_disk_full() && !other.is_out_of_descriptors() && !other.is_read_only());
        assert_eq!(other.to_string(), r#"cannot copy to "/x""#);
    }

    #[test]
    fn names_in_messages_are_escaped_and_cut() {
        let forged = Shown(Path::new("a\nERROR \u{202e}b")).to_string();
        assert_eq!(forged, r#""a\nERROR \u{202e}b""#);
        let long = Shown(Path::new(&"x".repeat(5000))).to_string();
        assert_eq!(long, format!("\"{}\"… (5000 bytes)", "x".repeat(64)));
    }
}
