//! The audited module that opens the files of backups: databases that were closed for good, and their manifests.
//!
//! SQLite opens such a database as `immutable` only, without any lock, so closing a descriptor of ours costs nobody a
//! lock. Nothing here follows a link or waits for a pipe.
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use sha2::{Digest, Sha256};

use super::files::{self, FileAction, FileError, FileKind, StageError, lstat};
use crate::backend::InvalidBackup;

/// Bytes read at a time.
const CHUNK: usize = 128 * 1024;

/// How many bytes a file of a backup has. `None` where there is none.
pub(super) fn length(path: &Path) -> Result<Option<u64>, InvalidBackup> {
    let Some(found) = lstat(path)? else {
        return Ok(None);
    };
    match FileKind::of(&found) {
        FileKind::Regular => Ok(Some(found.len())),
        kind => Err(InvalidBackup::Unsafe {
            path: path.to_owned(),
            kind: kind.to_string(),
        }),
    }
}

/// The bytes of a small file, or how many there are if they are more than `limit`.
pub(super) fn read(path: &Path, limit: u64) -> Result<Result<Vec<u8>, u64>, FileError> {
    let failed = |source| FileError::new(FileAction::Open, path, source);
    let file = open(path)?;
    let bytes = file.metadata().map_err(failed)?.len();
    let mut read = Vec::new();
    // The length may grow while it is read, and some files say that they have none.
    file.take(limit + 1)
        .read_to_end(&mut read)
        .map_err(failed)?;
    match read.len() as u64 > limit {
        true => Ok(Err(bytes.max(limit + 1))),
        false => Ok(Ok(read)),
    }
}

/// Length and SHA-256 of a file.
pub(super) fn digest(path: &Path) -> Result<(u64, [u8; 32]), FileError> {
    let from = open(path)?;
    pour(from, io::sink()).map_err(|source| FileError::new(FileAction::Open, path, source))
}

/// Copies a file to a fresh name, mode 0600. Returns length and SHA-256 of what was written.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(u64, [u8; 32]), StageError> {
    let source = open(from)?;
    let target = files::open_fresh(to)?;
    pour(source, target).map_err(|source| FileError::new(FileAction::Copy, to, source).into())
}

/// Makes a file of these bytes, mode 0600, and waits until they are on the disk.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), StageError> {
    let mut file = files::open_fresh(path)?;
    let written = file.write_all(bytes);
    written.map_err(|source| FileError::new(FileAction::Create, path, source))?;
    let synced = file.sync_all();
    Ok(synced.map_err(|source| FileError::new(FileAction::Sync, path, source))?)
}

fn pour(mut from: File, mut to: impl Write) -> io::Result<(u64, [u8; 32])> {
    let (mut bytes, mut hash) = (0, Sha256::new());
    let mut chunk = vec![0; CHUNK];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return Ok((bytes, hash.finalize().into())),
            Ok(read) => {
                to.write_all(&chunk[..read])?;
                hash.update(&chunk[..read]);
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn open(path: &Path) -> Result<File, FileError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
        .map(File::from)
        .map_err(|errno| FileError::new(FileAction::Open, path, errno))
}
