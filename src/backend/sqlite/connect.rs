//! How a SQLite connection is opened, and what its errors mean.
use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error;
use once_cell::sync::OnceCell;

use super::files::{self, UnsafeFile};
use super::identity::Identity;
use super::quota::disk_has_room;
use super::{is_disk_full, message};
use crate::backend::error::{ConnectError, Whose};
use crate::error::withhold;

/// The oldest SQLite without the WAL-reset bug, which let two connections that write and checkpoint at the same
/// moment corrupt a database. Source: <https://sqlite.org/wal.html#walresetbug>.
pub(super) const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);
const OLDEST_SQLITE_NAME: &str = "3.51.3";

/// Bytes; page sizes are the powers of two from this one to 65,536. Source: <https://sqlite.org/fileformat2.html>.
const SMALLEST_PAGE: u64 = 512;

/// Opens the database file at `path`, which must exist, with the settings every connection has.
///
/// Its stamp is not looked at; see [`open_stamped`].
pub(super) fn open(
    path: &Path,
    whose: &Whose,
    busy_timeout: Duration,
) -> Result<SqliteConnection, ConnectError> {
    check_file(path, whose)?;
    open_new(path, whose, busy_timeout)
}

/// Opens an existing database to look at it: with no setting that could change the file.
pub(super) fn open_to_inspect(
    path: &Path,
    whose: &Whose,
    busy_timeout: Duration,
) -> Result<SqliteConnection, ConnectError> {
    check_file(path, whose)?;
    open_with(path, whose, busy_timeout, "")
}

fn check_file(path: &Path, whose: &Whose) -> Result<(), ConnectError> {
    files::check_database_file(path).map_err(|e| refused(e, whose))?;
    // SQLite takes a file of less than a page for an empty database, and a last page that is cut for a whole one.
    if let Ok(Some(found)) = files::lstat(path)
        && found.len() % SMALLEST_PAGE != 0
    {
        return Err(ConnectError::Damaged {
            whose: whose.clone(),
            symptom: format!("{} bytes are no number of whole pages", found.len()),
        });
    }
    Ok(())
}

/// Opens a staging file this process has just made, which may be empty still.
pub(super) fn open_new(
    path: &Path,
    whose: &Whose,
    busy_timeout: Duration,
) -> Result<SqliteConnection, ConnectError> {
    open_with(
        path,
        whose,
        busy_timeout,
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
    )
}

fn open_with(
    path: &Path,
    whose: &Whose,
    busy_timeout: Duration,
    writing: &str,
) -> Result<SqliteConnection, ConnectError> {
    let url = files::uri(path).map_err(|e| ConnectError::Unsafe {
        whose: whose.clone(),
        reason: e.to_string(),
    })?;
    let mut conn = establish(&url, whose)?;
    // First of all: even asking for SQLite's version reads the schema, and that waits for nobody by default.
    conn.batch_execute(&super::wait_for_locks(busy_timeout))
        .map_err(|e| failed(e, whose))?;
    check_version(&mut conn)?;
    // What a workflow was given stands in the shared database for as long as the run is open: nothing of it stays in free
    // pages, and so in its backups, afterwards.
    let overwriting = match whose {
        Whose::Shared => "PRAGMA secure_delete = ON;",
        _ => "",
    };
    let settings = format!(
        "PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;
         PRAGMA mmap_size = 0;
         PRAGMA foreign_keys = ON;
         {overwriting}
         {writing}"
    );
    match conn.batch_execute(&settings) {
        Ok(()) => Ok(conn),
        Err(e) => Err(failed_beside(e, whose, path)),
    }
}

pub(super) fn establish(url: &str, whose: &Whose) -> Result<SqliteConnection, ConnectError> {
    SqliteConnection::establish(url).map_err(|source| match out_of_descriptors() {
        true => ConnectError::OutOfDescriptors {
            whose: whose.clone(),
        },
        false => ConnectError::Open {
            whose: whose.clone(),
            source,
        },
    })
}

/// Opens a database and checks that it is `wanted` and not fenced.
pub(super) fn open_stamped(
    path: &Path,
    whose: &Whose,
    wanted: &Identity,
    busy_timeout: Duration,
) -> Result<SqliteConnection, ConnectError> {
    let mut conn = open(path, whose, busy_timeout)?;
    let found = check_stamp(&mut conn, whose, wanted)?;
    if found.fenced {
        return Err(ConnectError::Fenced {
            whose: whose.clone(),
        });
    }
    Ok(conn)
}

/// Checks that a database is `wanted`, fenced or not.
pub(super) fn check_stamp(
    conn: &mut SqliteConnection,
    whose: &Whose,
    wanted: &Identity,
) -> Result<Identity, ConnectError> {
    let found = Identity::read(conn)
        .map_err(|e| failed(e, whose))?
        .ok_or_else(|| ConnectError::Unstamped {
            whose: whose.clone(),
        })?;
    found.check(wanted, whose.clone())?;
    Ok(found)
}

/// What a failed statement while opening says about the database.
pub(super) fn failed(source: Error, whose: &Whose) -> ConnectError {
    let whose = whose.clone();
    match message(&source) {
        Some(m) if m == "file is not a database" || m.contains("malformed") => {
            ConnectError::Damaged {
                whose,
                symptom: m.to_owned(),
            }
        }
        Some("unable to open database file") if out_of_descriptors() => {
            ConnectError::OutOfDescriptors { whose }
        }
        _ => ConnectError::Setup {
            whose,
            source: withhold(source),
        },
    }
}

/// The same of a database at `path`. SQLite makes and maps two files beside it, and where there is no room for them it
/// speaks of an I/O error, so ask the system.
fn failed_beside(source: Error, whose: &Whose, path: &Path) -> ConnectError {
    match failed(source, whose) {
        ConnectError::Setup { whose, source }
            if is_disk_full(&source)
                || (message(&source) == Some("disk I/O error") && !disk_has_room(path)) =>
        {
            ConnectError::DiskFull { whose, source }
        }
        other => other,
    }
}

fn refused(file: UnsafeFile, whose: &Whose) -> ConnectError {
    let whose = whose.clone();
    match file {
        UnsafeFile::Missing { .. } => ConnectError::Missing { whose },
        UnsafeFile::Empty { .. } => ConnectError::Empty { whose },
        other => ConnectError::Unsafe {
            whose,
            reason: other.to_string(),
        },
    }
}

/// What must be free for the table of descriptors not to count as full: others give theirs back while this is asked, and
/// a database needs three.
const SPARE_DESCRIPTORS: usize = 8;

/// SQLite reports `unable to open database file` for a full descriptor table and for much else, so ask the system.
pub(super) fn out_of_descriptors() -> bool {
    use rustix::fs::{Mode, OFlags};
    use rustix::io::Errno;
    let mut spare = Vec::with_capacity(SPARE_DESCRIPTORS);
    for _ in 0..SPARE_DESCRIPTORS {
        match rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(one) => spare.push(one),
            Err(errno) => return matches!(errno, Errno::MFILE | Errno::NFILE),
        }
    }
    false
}

fn check_version(conn: &mut SqliteConnection) -> Result<(), ConnectError> {
    static LINKED: OnceCell<String> = OnceCell::new();
    let linked = LINKED.get_or_try_init(|| {
        let version = diesel::dsl::sql::<diesel::sql_types::Text>("sqlite_version()");
        diesel::select(version).get_result::<String>(conn)
    });
    let linked = linked.map_err(|source| ConnectError::Setup {
        whose: Whose::Shared,
        source,
    })?;
    if is_new_enough(linked) {
        return Ok(());
    }
    Err(ConnectError::SqliteTooOld {
        found: linked.clone(),
        wanted: OLDEST_SQLITE_NAME,
    })
}

fn is_new_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next()) >= OLDEST_SQLITE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_with_the_wal_reset_bug_are_refused() {
        for old in ["3.51.2", "3.7.0", "3.40.1", "2.99.99", "garbage", ""] {
            assert!(!is_new_enough(old), "{old}");
        }
        for new in ["3.51.3", "3.53.2", "3.51.10", "4.0.0"] {
            assert!(is_new_enough(new), "{new}");
        }
    }

    #[test]
    fn the_name_of_the_oldest_version_is_its_number() {
        assert!(is_new_enough(OLDEST_SQLITE_NAME));
    }
}
