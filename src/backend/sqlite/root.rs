//! The data directory and the names in it.
//!
//! ```text
//! <root>/shared.sqlite3
//! <root>/tenants/<folded id>-<8 hex digits of the uuid>/g<generation>.sqlite3
//! <root>/templates/<digest>.sqlite3
//! <root>/instances/   one locked file per running instance
//! <root>/locks/       lock files
//! <root>/backups/
//! <root>/exports/
//! <root>/tombstones/  one record per purged tenant
//! <root>/holds/       one record per tenant under a legal hold
//! ```
//!
//! Naming rule: a path is made from a folded id, a uuid, a number or a digest, never from text that was not
//! checked; and what is below the root is named here and nowhere else.

use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::io::Errno;
use uuid::Uuid;

use super::files::{self, FileAction, FileError, FileKind, LONGEST_DATABASE_PATH, lstat};
pub use super::root_error::{BackupDirError, FoundInstead, InvalidRoot, NotFolded, RootError};

/// The directories of the layout.
const DIRECTORIES: [&str; 8] = [
    "tenants",
    "templates",
    "instances",
    "locks",
    "backups",
    "exports",
    "tombstones",
    "holds",
];

/// The longest folded tenant id that becomes a directory name, in bytes.
const LONGEST_FOLDED_ID: usize = 32;

/// The longest database path below the root: the staging file of a template, whose name is 64 digits. It is longer than
/// that of the longest tenant id with the longest generation number:
/// `/tenants/<32>-<8>/.new-g<20>.sqlite3`, 85 bytes.
const LONGEST_BELOW_ROOT: usize = "/templates/.new-".len() + 64 + ".sqlite3".len();

/// The longest path of a data directory, in bytes: what [`LONGEST_DATABASE_PATH`] leaves for it.
pub const LONGEST_ROOT: usize = LONGEST_DATABASE_PATH - LONGEST_BELOW_ROOT;

/// File systems on which WAL does not work, or cannot be relied upon: the processes that share a database need
/// shared memory and working locks, and a commit needs an fsync that reaches a disk. FUSE is among them because
/// one cannot tell what stands behind it. The numbers are those of `linux/magic.h`.
const UNSUPPORTED_FILE_SYSTEMS: [(u32, &str); 11] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x564C, "NCP"),
    (0x00C3_6400, "Ceph"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "FUSE"),
];

/// How to open a data directory; the defaults are those of [`Root::open`].
#[derive(Debug, Clone)]
pub struct RootOptions {
    any_file_system: bool,
    file_system_of: fn(&Path) -> io::Result<u32>,
}

impl Default for RootOptions {
    fn default() -> Self {
        Self {
            any_file_system: false,
            file_system_of,
        }
    }
}

impl RootOptions {
    /// Accepts network file systems and FUSE, where WAL may lose acknowledged commits. Default: refused.
    ///
    /// For a FUSE file system known to be a local disk with working locks and shared memory.
    pub fn dangerously_allow_any_file_system(mut self, allow: bool) -> Self {
        self.any_file_system = allow;
        self
    }

    /// Like [`Root::open`].
    ///
    /// # Errors
    /// See [`RootError`].
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Root, RootError> {
        let path = read(path.as_ref())?;
        let resolved = resolve(&path)?;
        if resolved == Path::new("/") {
            let reason = InvalidRoot::FileSystemRoot;
            return Err(RootError::RootInvalid { path, reason });
        }
        check_length(&resolved)?;
        self.check_directory(&resolved)?;
        for name in DIRECTORIES {
            let directory = resolved.join(name);
            if lstat(&directory)?.is_none() {
                files::create_directory(&directory)?;
            }
            self.check_directory(&directory)?;
        }
        Ok(Root { path: resolved })
    }

    /// Like [`Root::init`].
    ///
    /// # Errors
    /// See [`RootError`].
    pub fn init(&self, path: impl AsRef<Path>) -> Result<Root, RootError> {
        let path = read(path.as_ref())?;
        if look(&path)?.is_none() {
            create_with_parents(&path)?;
        }
        self.open(path)
    }

    /// `path` is resolved, or in a directory that is, so a link here was put in place of one of ours.
    fn check_directory(&self, path: &Path) -> Result<(), RootError> {
        let given = || path.to_owned();
        let Some(found) = lstat(path)? else {
            return Err(RootError::RootMissing { path: given() });
        };
        let kind = FileKind::of(&found);
        if kind != FileKind::Directory {
            let (path, found) = (given(), FoundInstead::Kind(kind));
            return Err(RootError::RootNotDirectory { path, found });
        }
        let user = rustix::process::geteuid().as_raw();
        let (mode, owner) = (found.mode() & 0o777, found.uid());
        if mode != 0o700 || owner != user {
            return Err(RootError::RootUnsafe {
                path: given(),
                mode,
                owner,
                user,
            });
        }
        let magic = (self.file_system_of)(path)
            .map_err(|source| FileError::new(FileAction::Inspect, path, source))?;
        let unsupported = UNSUPPORTED_FILE_SYSTEMS
            .iter()
            .find(|known| known.0 == magic);
        match unsupported {
            Some(&(magic, name)) if !self.any_file_system => {
                let path = given();
                Err(RootError::UnsupportedFileSystem { path, name, magic })
            }
            _ => Ok(()),
        }
    }
}

/// The data directory: every database, lock and backup of one fleet is below it.
///
/// A symbolic link is followed once, when the directory is opened; from then on the resolved path is used, so
/// that a link turned elsewhere does not move a running process. Any name works, be it with spaces, quotes,
/// `%`, `?`, `#`, newlines or bytes that are not UTF-8. Cheap to clone; holds no descriptor and no lock.
///
/// # Example
/// ```
/// use diesel_tenants::backend::sqlite::root::Root;
///
/// # let dir = tempfile::tempdir()?;
/// # let data = dir.path().join("data");
/// assert!(Root::open(&data).is_err()); // opening never creates
/// let root = Root::init(&data)?;
/// assert!(root.shared().ends_with("data/shared.sqlite3"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    path: PathBuf,
}

impl Root {
    /// Opens an existing data directory, and makes the directories of the layout that are missing in it.
    ///
    /// An empty directory is taken: whether databases should be in it is for whoever opens them to say.
    ///
    /// The directory and those in it must be real directories with mode 0700 that belong to the effective user
    /// (for root too: root's data belongs to root), on a local file system. The file system is checked on Linux
    /// only.
    ///
    /// # Errors
    /// See [`RootError`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RootError> {
        RootOptions::default().open(path)
    }

    /// Opens a data directory, making it first (mode 0700) if it does not exist.
    ///
    /// Missing parents are made with the default mode. A directory that exists must pass the checks of
    /// [`Root::open`]; its mode is not changed. A dangling link is refused, not filled.
    ///
    /// # Errors
    /// See [`RootError`].
    pub fn init(path: impl AsRef<Path>) -> Result<Self, RootError> {
        RootOptions::default().init(path)
    }

    /// The resolved, absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The shared database.
    pub fn shared(&self) -> PathBuf {
        self.path.join("shared.sqlite3")
    }

    /// The directory of all tenants.
    pub fn tenants(&self) -> PathBuf {
        self.path.join("tenants")
    }

    /// The directory of one tenant's databases: `<folded id>-<8 hex digits>`.
    ///
    /// The digits are the last eight of the uuid: the first ones of a UUIDv7 are a clock and equal for all
    /// tenants made in the same minute. They keep a tenant apart from a deleted one of the same id.
    ///
    /// # Errors
    /// `folded_id` is not one.
    pub fn tenant_directory(&self, folded_id: &str, uuid: Uuid) -> Result<PathBuf, NotFolded> {
        let folded = folded_id.starts_with(|first: char| first.is_ascii_lowercase())
            && folded_id.len() <= LONGEST_FOLDED_ID
            && is_plain(folded_id);
        if !folded {
            let given = folded_id.to_owned();
            return Err(NotFolded { given });
        }
        let digits = &uuid.simple().to_string()[24..];
        Ok(self.tenants().join(format!("{folded_id}-{digits}")))
    }

    /// The database of one generation of a tenant.
    ///
    /// # Errors
    /// `folded_id` is not one.
    pub fn tenant(
        &self,
        folded_id: &str,
        uuid: Uuid,
        generation: u64,
    ) -> Result<PathBuf, NotFolded> {
        let directory = self.tenant_directory(folded_id, uuid)?;
        Ok(directory.join(format!("g{generation}.sqlite3")))
    }

    /// The template with this digest (SHA-256 of what it was built from).
    pub fn template(&self, digest: &[u8; 32]) -> PathBuf {
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        self.templates().join(format!("{hex}.sqlite3"))
    }

    /// The directory of templates.
    pub fn templates(&self) -> PathBuf {
        self.path.join("templates")
    }

    /// The directory of running instances. Not to be tidied by hand: a missing file means a dead instance.
    pub fn instances(&self) -> PathBuf {
        self.path.join("instances")
    }

    /// The directory of lock files. They are never removed.
    pub fn locks(&self) -> PathBuf {
        self.path.join("locks")
    }

    /// The directory of tombstones. To be kept when the rest is restored from a backup: they say which tenants must
    /// not come back.
    pub fn tombstones(&self) -> PathBuf {
        self.path.join("tombstones")
    }

    /// The directory of legal holds. To be kept when the rest is restored from a backup, as the tombstones.
    pub fn holds(&self) -> PathBuf {
        self.path.join("holds")
    }

    /// Where backups go unless told otherwise.
    pub fn backups(&self) -> PathBuf {
        self.path.join("backups")
    }

    /// Whether a file is in the data directory or below it. Directories are told apart as in
    /// [`check_outside`](Self::check_outside).
    pub(super) fn contains(&self, file: &Path) -> Result<bool, FileError> {
        let root = identity(&self.path)?;
        for ancestor in nearest_existing(file)?.ancestors() {
            if identity(ancestor)? == root {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Where exports may go below the data directory.
    pub fn exports(&self) -> PathBuf {
        self.path.join("exports")
    }

    /// Checks that a directory for backups is not among the live files: it is outside the data directory, or
    /// is [`Root::backups`] or below it. The directory need not exist yet; links are followed.
    ///
    /// # Errors
    /// See [`BackupDirError`].
    pub fn check_outside(&self, dir: impl AsRef<Path>) -> Result<(), BackupDirError> {
        self.check_outside_but(dir.as_ref(), &self.backups())
    }

    /// The same for a directory of exports, which may be [`Root::exports`] or below it.
    ///
    /// # Errors
    /// See [`BackupDirError`].
    pub fn check_outside_for_export(&self, dir: impl AsRef<Path>) -> Result<(), BackupDirError> {
        self.check_outside_but(dir.as_ref(), &self.exports())
    }

    fn check_outside_but(&self, dir: &Path, allowed: &Path) -> Result<(), BackupDirError> {
        let root = identity(&self.path)?;
        let allowed = identity(allowed)?;
        // Directories are compared by device and inode, not by spelling: the same one may be mounted twice, and
        // some file systems do not tell upper from lower case.
        for ancestor in nearest_existing(dir)?.ancestors() {
            let found = identity(ancestor)?;
            if found.is_some() && found == allowed {
                return Ok(());
            }
            if found.is_some() && found == root {
                let (dir, root) = (dir.to_owned(), self.path.clone());
                return Err(BackupDirError::BackupDirInsideRoot { dir, root });
            }
        }
        Ok(())
    }
}

/// Whether a name is made of lower-case ASCII letters, digits, `-` and `_` only.
pub(super) fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    !name.is_empty() && name.bytes().all(plain)
}

/// The path as typed, without the slashes and dots that change nothing: with a slash at the end, a question about
/// a link would be answered for what it leads to.
fn read(path: &Path) -> Result<PathBuf, RootError> {
    let climbs = path.is_relative() && path.components().any(|part| part == Component::ParentDir);
    let reason = if path.as_os_str().is_empty() {
        InvalidRoot::Empty
    } else if path.as_os_str().as_bytes().contains(&0) {
        InvalidRoot::NulByte
    } else if climbs {
        InvalidRoot::ClimbsOut
    } else {
        return Ok(path.components().collect());
    };
    let path = path.to_owned();
    Err(RootError::RootInvalid { path, reason })
}

fn check_length(path: &Path) -> Result<(), RootError> {
    let length = path.as_os_str().len();
    if length > LONGEST_ROOT {
        let path = path.to_owned();
        return Err(RootError::PathTooLong { path, length });
    }
    Ok(())
}

/// The path behind all links.
fn resolve(path: &Path) -> Result<PathBuf, RootError> {
    let error = match path.canonicalize() {
        Ok(resolved) => return Ok(resolved),
        Err(error) => error,
    };
    let is_link = look(path)?.is_some_and(|found| found.is_symlink());
    let given = path.to_owned();
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT | Errno::LOOP) if is_link => Err(RootError::RootNotDirectory {
            path: given,
            found: FoundInstead::DanglingLink,
        }),
        Some(Errno::NOENT) => Err(RootError::RootMissing { path: given }),
        _ => Err(FileError::new(FileAction::Resolve, path, error).into()),
    }
}

/// [`lstat`] of a path that somebody typed.
fn look(path: &Path) -> Result<Option<Metadata>, RootError> {
    lstat(path).map_err(|error| match Errno::from_io_error(&error.source) {
        Some(Errno::NAMETOOLONG) => RootError::PathTooLong {
            path: path.to_owned(),
            length: path.as_os_str().len(),
        },
        Some(Errno::NOTDIR) => RootError::RootNotDirectory {
            path: path.to_owned(),
            found: FoundInstead::ParentNotDirectory,
        },
        _ => error.into(),
    })
}

/// Makes a directory, mode 0700, and the missing ones above it with the default mode.
fn create_with_parents(path: &Path) -> Result<(), RootError> {
    // Refused before anything is made. A link on the way could still lead to a short path, but then the
    // directory can be named by that one.
    let absolute = std::path::absolute(path)
        .map_err(|source| FileError::new(FileAction::Resolve, path, source))?;
    check_length(&absolute)?;
    let mut missing = Vec::new();
    for ancestor in absolute.ancestors().skip(1) {
        if look(ancestor)?.is_some() {
            break;
        }
        missing.push(ancestor);
    }
    for parent in missing.into_iter().rev() {
        files::create_directory_with_mode(parent, 0o777)?;
    }
    Ok(files::create_directory(&absolute)?)
}

/// Device and inode of what a path leads to.
fn identity(path: &Path) -> Result<Option<(u64, u64)>, FileError> {
    match path.metadata() {
        Ok(found) => Ok(Some((found.dev(), found.ino()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::new(FileAction::Inspect, path, error)),
    }
}

/// The deepest part of a path that exists, resolved.
fn nearest_existing(path: &Path) -> Result<PathBuf, FileError> {
    let failed = |source| FileError::new(FileAction::Resolve, path, source);
    let absolute = std::path::absolute(path).map_err(failed)?;
    for ancestor in absolute.ancestors() {
        match ancestor.canonicalize() {
            // Nothing is there, not even a link, so what is below will be made right there. A missing `x/..`
            // is an error: it could lead anywhere once `x` is made.
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && ancestor.file_name().is_some()
                    && lstat(ancestor)?.is_none() => {}
            resolved => return resolved.map_err(failed),
        }
    }
    Ok(PathBuf::from("/"))
}

#[cfg(target_os = "linux")]
fn file_system_of(path: &Path) -> io::Result<u32> {
    // The type of the field differs between architectures; the numbers have 32 bits on all of them.
    Ok(rustix::fs::statfs(path)?.f_type as u32)
}

#[cfg(not(target_os = "linux"))]
fn file_system_of(_path: &Path) -> io::Result<u32> {
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_file_system_is_refused_unless_allowed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("data");
        Root::init(&path).unwrap();
        let mut options = RootOptions {
            file_system_of: |_| Ok(0xFE53_4D42),
            ..RootOptions::default()
        };
        let error = options.open(&path).unwrap_err();
        assert!(
            matches!(error, RootError::UnsupportedFileSystem { name: "SMB2", .. }),
            "{error}"
        );
        assert!(error.to_string().contains("WAL needs a local disk"));
        options = options.dangerously_allow_any_file_system(true);
        options.open(&path).unwrap();
    }

    /// A disk mounted on one directory of the layout counts as well.
    #[test]
    fn every_directory_of_the_layout_is_checked_for_its_file_system() {
        let home = tempfile::tempdir().unwrap();
        let options = RootOptions {
            file_system_of: |path| Ok(if path.ends_with("tenants") { 0x6969 } else { 0 }),
            ..RootOptions::default()
        };
        let error = options.init(home.path().join("data")).unwrap_err();
        assert!(
            matches!(error, RootError::UnsupportedFileSystem { name: "NFS", ref path, .. } if path.ends_with("tenants")),
            "{error}"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_type_of_a_file_system_is_read() {
        const PROC_SUPER_MAGIC: u32 = 0x9fa0;
        assert_eq!(
            file_system_of(Path::new("/proc")).unwrap(),
            PROC_SUPER_MAGIC
        );
    }
}
