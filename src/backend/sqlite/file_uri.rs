//! The URI of a database: what path SQLite opens, and under what name.
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::file_error::Shown;

/// The longest path of a database that SQLite opens, in bytes.
///
/// SQLite's Unix layer sets `mxPathname` to 512 (`MAX_PATHNAME`, `os_unix.c`), and `sqlite3PagerOpen` refuses
/// a database whose name has no room left for the eight bytes of `-journal`. Linux itself would allow 4096
/// (`PATH_MAX`, `linux/limits.h`).
pub const LONGEST_DATABASE_PATH: usize = 512 - "-journal".len();

/// Bytes that stand for themselves in a URI: the unreserved characters of RFC 3986, and the separator.
const KEPT_IN_URI: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A path that SQLite would not open, or would read as another one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// Where a relative path leads changes with the working directory of the process.
    #[error("database path {} is relative; give an absolute one", Shown(path))]
    NotAbsolute {
        /// The path given.
        path: PathBuf,
    },
    /// SQLite ends a path at a NUL byte and would open, or make, another file.
    #[error(
        "database path {} has a NUL byte; no file name can hold one",
        Shown(path)
    )]
    NulByte {
        /// The path given.
        path: PathBuf,
    },
    /// See [`LONGEST_DATABASE_PATH`].
    #[error(
        "database path {} has {length} bytes, SQLite opens at most {LONGEST_DATABASE_PATH}; move the data directory up",
        Shown(path)
    )]
    TooLong {
        /// The path given.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
}

/// The URI under which SQLite opens an existing database, read-write: `file:///…?mode=rw`.
///
/// With `mode=rw` a missing file is an error; opened by its bare path it would be created, empty. Every byte
/// that has a meaning in a URI (`%`, `?`, `#`, …), and every byte outside ASCII, is percent-encoded, so any
/// name a file can have works. The path should be canonical; nothing is read or opened here.
///
/// # Errors
/// See [`UriError`].
///
/// # Example
/// ```
/// use diesel_tenants::backend::sqlite::files;
///
/// let uri = files::uri("/srv/50% off?/a#b.sqlite3".as_ref())?;
/// assert_eq!(uri, "file:///srv/50%25%20off%3F/a%23b.sqlite3?mode=rw");
/// # Ok::<(), files::UriError>(())
/// ```
pub fn uri(path: &Path) -> Result<String, UriError> {
    let bytes = path.as_os_str().as_bytes();
    let given = || path.to_owned();
    if !path.is_absolute() {
        return Err(UriError::NotAbsolute { path: given() });
    }
    if bytes.contains(&0) {
        return Err(UriError::NulByte { path: given() });
    }
    if bytes.len() > LONGEST_DATABASE_PATH {
        let length = bytes.len();
        return Err(UriError::TooLong {
            path: given(),
            length,
        });
    }
    // The empty authority (`//`) is spelt out: without it the first name of a path that begins with two
    // slashes would be read as a host.
    Ok(format!(
        "file://{}?mode=rw",
        percent_encode(bytes, KEPT_IN_URI)
    ))
}
