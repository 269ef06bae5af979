//! The audited module that writes and reads the files of an export.
//!
//! None of them is a live database: they are written under a staging name that no connection has open but the one that
//! makes the copy, which is closed before its file is hashed, and read where an export was put.
use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::ExportError;
use crate::value::to_hex;

/// What the operating system would not do with a file of an export.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
#[non_exhaustive]
pub struct ExportFileError {
    /// What was to be done.
    pub action: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// Its error.
    #[source]
    pub source: io::Error,
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ExportFileError {
    let path = path.to_owned();
    move |source| ExportFileError {
        action,
        path,
        source,
    }
}

/// A directory that is being filled under a staging name.
pub(crate) struct NewDirectory {
    place: PathBuf,
    staging: PathBuf,
    /// Holds the lock that says somebody is at it.
    _lock: File,
    /// What was written, relative to the directory: the name and its hash, if it is known already.
    files: RefCell<Vec<(String, Option<String>)>>,
    published: Cell<bool>,
}

impl NewDirectory {
    /// Begins the directory `place`. What a process that died left of an earlier attempt is cleared away.
    pub(crate) fn begin(place: &Path) -> Result<Self, ExportError> {
        let place = std::path::absolute(place).map_err(failed("resolve", place))?;
        refuse_taken(&place)?;
        let Some(name) = place.file_name() else {
            return Err(ExportError::Exists { path: place });
        };
        let mut staged = std::ffi::OsString::from(".new-");
        staged.push(name);
        let staging = place.with_file_name(staged);
        let lock = loop {
            make_directory(&staging)?;
            let lock = open(
                &staging,
                OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW,
            )?;
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Err(ExportError::InProgress { path: place }),
                Err(errno) => return Err(failed("lock", &staging)(errno.into()).into()),
            }
            // It may have been published between the two steps, and then it is not ours to clear.
            let (locked, named) = (lock.metadata(), fs::symlink_metadata(&staging));
            if let (Ok(locked), Ok(named)) = (locked, named)
                && (locked.dev(), locked.ino()) == (named.dev(), named.ino())
            {
                break lock;
            }
        };
        clear(&staging)?;
        Ok(Self {
            place,
            staging,
            _lock: lock,
            files: RefCell::new(Vec::new()),
            published: Cell::new(false),
        })
    }

    pub(crate) fn create_directory(&self, name: &str) -> Result<(), ExportFileError> {
        make_directory(&self.staging.join(name))
    }

    /// Makes an empty file for somebody else to fill, mode 0600, and says where it is.
    pub(crate) fn file(&self, name: &str) -> Result<PathBuf, ExportFileError> {
        let path = self.staging.join(name);
        create_file(&path)?;
        self.files.borrow_mut().push((name.to_owned(), None));
        Ok(path)
    }

    pub(crate) fn writer(&self, name: &str) -> Result<NewFile<'_>, ExportFileError> {
        let path = self.staging.join(name);
        Ok(NewFile {
            directory: self,
            name: name.to_owned(),
            file: BufWriter::new(create_file(&path)?),
            hash: Sha256::new(),
            path,
        })
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        let mut file = self.writer(name)?;
        file.write(bytes)?;
        Ok(file.finish()?)
    }

    /// Writes the hashes of all files into `sums` and waits until everything is on the disk. Returns the bytes.
    pub(crate) fn seal(&self, sums: &str) -> Result<u64, ExportError> {
        let files = self.files.borrow().clone();
        let mut lines = String::new();
        for (name, hash) in files {
            let path = self.staging.join(&name);
            let hash = match hash {
                Some(hash) => hash,
                None => {
                    let file = open(&path, OFlags::RDWR)?;
                    file.sync_all().map_err(failed("sync", &path))?;
                    hash_of(file).map_err(failed("read", &path))?
                }
            };
            lines.push_str(&format!("{hash}  {name}\n"));
        }
        self.write(sums, lines.as_bytes())?;
        let mut bytes = 0;
        for (name, _) in self.files.borrow().iter() {
            let path = self.staging.join(name);
            bytes += fs::symlink_metadata(&path)
                .map_err(failed("inspect", &path))?
                .len();
        }
        let tables = self.staging.join(super::TABLES);
        if tables.exists() {
            sync_directory(&tables)?;
        }
        sync_directory(&self.staging)?;
        Ok(bytes)
    }

    /// Gives the directory its name, which must be free.
    pub(crate) fn publish(&self) -> Result<(), ExportError> {
        use rustix::fs::{RenameFlags, renameat_with};
        let renamed = renameat_with(CWD, &self.staging, CWD, &self.place, RenameFlags::NOREPLACE);
        match renamed {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                return Err(ExportError::Exists {
                    path: self.place.clone(),
                });
            }
            // The file system cannot; a directory that is not empty is never replaced by a plain rename.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if !self.place.exists() => {
                fs::rename(&self.staging, &self.place).map_err(failed("name", &self.place))?;
            }
            Err(errno) => return Err(failed("name", &self.place)(errno.into()).into()),
        }
        self.published.set(true);
        if let Some(parent) = self.place.parent() {
            sync_directory(parent)?;
        }
        Ok(())
    }

    /// Whether it has its name, even if the name could not be synced.
    pub(crate) fn is_published(&self) -> bool {
        self.published.get()
    }
}

impl Drop for NewDirectory {
    /// Rows of people are not left lying about under a name nobody looks at.
    fn drop(&mut self) {
        if !self.published.get() {
            let _ = clear(&self.staging);
            let _ = fs::remove_dir(&self.staging);
        }
    }
}

/// Refuses a place where something is, be it a link that leads nowhere.
pub(crate) fn refuse_taken(place: &Path) -> Result<(), ExportError> {
    match fs::symlink_metadata(place) {
        Ok(_) => Err(ExportError::Exists {
            path: place.to_owned(),
        }),
        Err(_) => Ok(()),
    }
}

/// A file that is being written and hashed.
pub(crate) struct NewFile<'a> {
    directory: &'a NewDirectory,
    name: String,
    path: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
}

impl NewFile<'_> {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.hash.update(bytes);
        Ok(self
            .file
            .write_all(bytes)
            .map_err(failed("write", &self.path))?)
    }

    /// Waits until it is on the disk.
    pub(crate) fn finish(mut self) -> Result<(), ExportFileError> {
        self.file.flush().map_err(failed("write", &self.path))?;
        let synced = self.file.get_ref().sync_all();
        synced.map_err(failed("sync", &self.path))?;
        let hash = to_hex(&self.hash.finalize());
        let mut files = self.directory.files.borrow_mut();
        files.push((self.name, Some(hash)));
        Ok(())
    }
}

/// Reads a whole file of an export, up to `most` bytes. `None` where it is longer.
pub(crate) fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, ExportFileError> {
    let mut bytes = Vec::new();
    let file = open_regular(path)?;
    let mut limited = file.take(most + 1);
    limited
        .read_to_end(&mut bytes)
        .map_err(failed("read", path))?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

/// The SHA-256 of a file of an export.
pub(crate) fn hash(path: &Path) -> Result<String, ExportFileError> {
    hash_of(open_regular(path)?).map_err(failed("read", path))
}

/// Hands the lines of a file over, each with its end. Stops where `each` says so; `false` for a line that is longer than
/// `longest` bytes or does not end.
pub(crate) fn each_line<E: From<ExportFileError>>(
    path: &Path,
    longest: usize,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<bool, E> {
    let mut file = BufReader::with_capacity(1 << 16, open_regular(path)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = (&mut file).take(longest as u64);
        let read = limited.read_until(b'\n', &mut line);
        if read.map_err(failed("read", path))? == 0 {
            return Ok(true);
        }
        if line.last() != Some(&b'\n') {
            return Ok(false);
        }
        each(&line)?;
    }
}

fn hash_of(mut file: File) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(to_hex(&hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
}

/// A link could lead anywhere, and opening a pipe waits for ever.
fn open_regular(path: &Path) -> Result<File, ExportFileError> {
    let file = open(path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK)?;
    let found = file.metadata().map_err(failed("inspect", path))?;
    match found.is_file() {
        true => Ok(file),
        false => Err(failed("read", path)(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ))),
    }
}

fn open(path: &Path, flags: OFlags) -> Result<File, ExportFileError> {
    let file = rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty());
    Ok(File::from(
        file.map_err(|errno| failed("open", path)(errno.into()))?,
    ))
}

fn create_file(path: &Path) -> Result<File, ExportFileError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR);
    Ok(File::from(
        file.map_err(|errno| failed("create", path)(errno.into()))?,
    ))
}

fn make_directory(path: &Path) -> Result<(), ExportFileError> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(failed("make", path)(error))
        }
        _ => Ok(()),
    }
}

fn sync_directory(path: &Path) -> Result<(), ExportFileError> {
    let directory = open(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
    directory.sync_all().map_err(failed("sync", path))
}

/// Removes what a dead export left: files, and the directory of its tables.
fn clear(staging: &Path) -> Result<(), ExportFileError> {
    let list = || fs::read_dir(staging)?.collect::<io::Result<Vec<_>>>();
    for entry in list().map_err(failed("list", staging))? {
        let path = entry.path();
        let removed = match entry.file_type() {
            Ok(kind) if kind.is_dir() => fs::remove_dir_all(&path),
            _ => fs::remove_file(&path),
        };
        removed.map_err(failed("remove", &path))?;
    }
    Ok(())
}
