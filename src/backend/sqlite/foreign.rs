//! Databases that other programs made: how they are read without changing a byte of them or beside them.
//!
//! `mode=ro` alone is not enough. On a database with a write-ahead log it makes `-wal` and `-shm` where they are missing
//! and leaves them behind. What to do instead hangs on the kind of the file, which a first connection finds out without
//! locks: with `nolock=1` SQLite cannot open one that has a log, and makes nothing.
//!
//! | the file | opened with | consistent because |
//! |---|---|---|
//! | rollback journal | `mode=ro` | a shared lock; a hot journal is an error, since rolling it back would write |
//! | log, `-wal` and `-shm` there | `mode=ro&readonly_shm=1` | the log's own snapshots |
//! | log, neither there, or an empty one | `immutable=1` | nobody has it open; compared before and after |
//! | log, `-wal` with content and no `-shm` | refused | reading it would make a `-shm` |
//!
//! No trigger, view or virtual table of it is used, its CHECK constraints are not evaluated, and nothing of its schema is
//! trusted.
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::Text;

use super::connect;
use super::copy::{self, number};
use super::files::{self, FileKind, SIDE_SUFFIXES, lstat};
use super::identity::{self, Identity};
use super::storage::{SqliteStorage, query, seal, stamp};
use super::{fence, leftovers, message};
use crate::adopt::AdoptError;
use crate::backend::error::{StorageError, Whose};
use crate::backend::transfer::{Dangling, Foreign, Shape, SourceFacts, TableShape, Transfer};
use crate::backend::{Storage as _, TenantKey};
use crate::error::withhold;
use crate::migrate::{self, MigrateOptions, MigrationSet};
use crate::value::Value;

/// Bytes; the smallest page. Source: <https://sqlite.org/fileformat2.html>.
const SMALLEST_PAGE: u64 = 512;
/// How long to wait for the other program's writer.
const BUSY: Duration = Duration::from_secs(5);

/// What a file is told apart by; it changes whenever the file does.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    inode: (u64, u64),
    length: u64,
    changed: (i64, i64),
    side_files: Vec<(u64, i64, i64)>,
}

fn look(path: &Path) -> Result<Look, AdoptError> {
    let missing = || AdoptError::Missing {
        path: path.to_owned(),
    };
    let found = lstat(path)
        .map_err(StorageError::from)?
        .ok_or_else(missing)?;
    let mut side_files = Vec::new();
    for suffix in SIDE_SUFFIXES {
        if let Some(side) = lstat(&beside(path, suffix)).map_err(StorageError::from)? {
            side_files.push((side.len(), side.mtime(), side.mtime_nsec()));
        }
    }
    Ok(Look {
        inode: (found.dev(), found.ino()),
        length: found.len(),
        changed: (found.mtime(), found.mtime_nsec()),
        side_files,
    })
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Looks at a file by name only.
fn check_file(path: &Path) -> Result<(), AdoptError> {
    let given = || path.to_owned();
    let found = match lstat(path) {
        Ok(Some(found)) => found,
        Ok(None) => return Err(AdoptError::Missing { path: given() }),
        Err(error) => return Err(StorageError::from(error).into()),
    };
    let kind = FileKind::of(&found);
    if kind != FileKind::Regular {
        return Err(AdoptError::NotAFile {
            path: given(),
            found: kind.to_string(),
        });
    }
    if found.nlink() > 1 {
        return Err(AdoptError::ManyNames {
            path: given(),
            names: found.nlink(),
        });
    }
    if found.len() == 0 {
        return Err(AdoptError::Empty { path: given() });
    }
    if found.len() % SMALLEST_PAGE != 0 {
        return Err(AdoptError::Damaged {
            path: given(),
            symptom: format!("{} bytes are no number of whole pages", found.len()),
        });
    }
    Ok(())
}

fn connect(path: &Path, parameters: &str) -> Result<SqliteConnection, AdoptError> {
    let url = files::uri(path).map_err(StorageError::from)?;
    let url = url.replace("?mode=rw", parameters);
    SqliteConnection::establish(&url).map_err(|source| match connect::out_of_descriptors() {
        true => AdoptError::OutOfDescriptors {
            path: path.to_owned(),
        },
        false => AdoptError::Open {
            path: path.to_owned(),
            source,
        },
    })
}

fn failed(path: &Path) -> impl Fn(Error) -> AdoptError {
    let path = path.to_owned();
    move |source| {
        let path = path.clone();
        match message(&source) {
            Some("file is not a database") => AdoptError::NotADatabase { path },
            Some(text) if text.contains("malformed") => AdoptError::Damaged {
                path,
                symptom: text.to_owned(),
            },
            Some(text) if text.contains("readonly database") => AdoptError::NeedsRecovery { path },
            Some(text) if text.contains("locked") => AdoptError::Busy { path },
            _ => AdoptError::Read {
                path,
                source: withhold(source),
            },
        }
    }
}

/// Whether the file has a write-ahead log. Takes no lock, reads the first page, makes nothing.
fn has_log(path: &Path) -> Result<bool, AdoptError> {
    let mut conn = connect(path, "?mode=ro&nolock=1")?;
    let probe = number(&mut conn, "SELECT count(*) AS number FROM sqlite_schema");
    match probe {
        Ok(_) => Ok(false),
        Err(error) if message(&error) == Some("unable to open database file") => Ok(true),
        // A hot journal says "read-only": the file has no log, and the next connection will say the same again.
        Err(error) if message(&error).is_some_and(|text| text.contains("readonly")) => Ok(false),
        Err(error) => Err(failed(path)(error)),
    }
}

const SETTINGS: &str = "PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA mmap_size = 0;
    PRAGMA ignore_check_constraints = ON;
    PRAGMA query_only = ON;
    PRAGMA temp_store = MEMORY;";

fn open(path: &Path) -> Result<Foreign<SqliteConnection>, AdoptError> {
    check_file(path)?;
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    // The directory may be reached over links; the file itself may not be one.
    let directory = directory.unwrap_or(Path::new(".")).canonicalize();
    let directory = directory.map_err(|source| AdoptError::Resolve {
        path: path.to_owned(),
        source,
    })?;
    let path = &directory.join(path.file_name().unwrap_or_default());
    let before = look(path)?;
    let wal = has_log(path)?;
    let size_of = |suffix| {
        let found = lstat(&beside(path, suffix)).map_err(StorageError::from)?;
        Ok::<_, AdoptError>(found.map(|found| found.len()))
    };
    let (log, memory) = (size_of("-wal")?, size_of("-shm")?);
    let (parameters, by_lock) = match (wal, log, memory) {
        (false, ..) => ("?mode=ro", true),
        (true, Some(1..), Some(_)) => ("?mode=ro&readonly_shm=1", true),
        (true, Some(1..), None) => return Err(AdoptError::NeedsRecovery { path: path.clone() }),
        (true, Some(0), Some(_)) => ("?mode=ro&readonly_shm=1", true),
        (true, Some(0) | None, _) => ("?mode=ro&immutable=1", false),
    };
    let mut conn = connect(path, parameters)?;
    let failed = failed(path);
    let settings = format!("PRAGMA busy_timeout = {}; {SETTINGS}", BUSY.as_millis());
    conn.batch_execute(&settings).map_err(&failed)?;
    let page_size = number(
        &mut conn,
        "SELECT page_size AS number FROM pragma_page_size",
    );
    let pages = number(
        &mut conn,
        "SELECT page_count AS number FROM pragma_page_count",
    );
    let facts = SourceFacts {
        bytes: before.length,
        page_size: page_size.map_err(&failed)?.unsigned_abs(),
        encoding: copy::encoding(&mut conn).map_err(&failed)?,
        wal,
    };
    pages.map_err(&failed)?;
    if let Some(stamp) = Identity::read(&mut conn).map_err(&failed)? {
        return Err(AdoptError::Stamped {
            path: path.clone(),
            scope: stamp.scope,
            tenant: stamp.tenant_id,
        });
    }
    let seen = path.clone();
    Ok(Foreign {
        conn,
        facts,
        unchanged: Box::new(move || {
            // Where a lock keeps writers out while it is read, what they do before and after does no harm.
            match by_lock || look(&seen)? == before {
                true => Ok(()),
                false => Err(AdoptError::Changed { path: seen.clone() }),
            }
        }),
    })
}

fn scratch_path(storage: &SqliteStorage, key: &TenantKey) -> PathBuf {
    storage.path(key, 1).with_file_name(leftovers::ADOPTED)
}

impl Transfer<SqliteConnection> for SqliteStorage {
    fn refuse_inside(&self, directory: &Path) -> Result<(), StorageError> {
        Ok(self.root().check_outside_for_export(directory)?)
    }

    fn shape(&self, conn: &mut SqliteConnection) -> QueryResult<Shape> {
        copy::shape(conn)
    }

    fn virtual_with_rows(&self, conn: &mut SqliteConnection) -> QueryResult<Vec<String>> {
        copy::virtual_with_rows(conn)
    }

    fn definitions(&self, conn: &mut SqliteConnection) -> QueryResult<String> {
        copy::definitions(conn)
    }

    fn each_row(
        &self,
        conn: &mut SqliteConnection,
        table: &TableShape,
        each: &mut dyn FnMut(Vec<Value>),
    ) -> QueryResult<()> {
        copy::each_row(conn, table, each)
    }

    fn count_rows(&self, conn: &mut SqliteConnection, table: &str) -> QueryResult<u64> {
        copy::count_rows(conn, table)
    }

    fn begin_load(&self, conn: &mut SqliteConnection) -> QueryResult<Vec<String>> {
        copy::begin_load(conn)
    }

    fn empty_table(&self, conn: &mut SqliteConnection, table: &str) -> QueryResult<()> {
        conn.batch_execute(&format!("DELETE FROM main.{}", copy::quote(table)))
    }

    fn insert_rows(
        &self,
        conn: &mut SqliteConnection,
        table: &str,
        columns: &[&str],
        rows: &[Vec<Value>],
    ) -> QueryResult<()> {
        copy::insert_rows(conn, table, columns, rows)
    }

    fn in_savepoint(
        &self,
        conn: &mut SqliteConnection,
        f: &mut dyn FnMut(&mut SqliteConnection) -> QueryResult<()>,
    ) -> QueryResult<()> {
        copy::in_savepoint(conn, f)
    }

    fn set_counter(&self, conn: &mut SqliteConnection, table: &str, last: i64) -> QueryResult<()> {
        copy::set_counter(conn, table, last)
    }

    fn dangling(&self, conn: &mut SqliteConnection) -> QueryResult<Vec<Dangling>> {
        copy::dangling(conn)
    }

    fn clear_dangling(
        &self,
        conn: &mut SqliteConnection,
        table: &str,
        column: &str,
    ) -> QueryResult<u64> {
        copy::clear_dangling(conn, table, column)
    }

    fn end_load(&self, conn: &mut SqliteConnection, aside: Vec<String>) -> QueryResult<()> {
        copy::end_load(conn, aside)
    }

    fn integrity(&self, conn: &mut SqliteConnection) -> QueryResult<Option<String>> {
        copy::integrity(conn)
    }

    fn copy_out(
        &self,
        conn: &mut SqliteConnection,
        target: &Path,
    ) -> Result<Option<String>, StorageError> {
        vacuum_into(conn, target)?;
        let mut copy = connect::open(target, &Whose::Template, self.busy_timeout())?;
        let newest =
            migrate::newest_applied(&mut copy).map_err(query("reading the copy's version"))?;
        let cleaned = fence::lower(&mut copy)
            .and_then(|()| drop_own_tables(&mut copy))
            // One file, as other programs expect it.
            .and_then(|()| copy.batch_execute("PRAGMA journal_mode = DELETE; VACUUM;"));
        cleaned.map_err(query("taking the library's tables out of a copy"))?;
        seal(copy, target)?;
        Ok(newest)
    }

    fn open_copy(&self, path: &Path) -> Result<SqliteConnection, AdoptError> {
        Ok(open(path)?.conn)
    }

    fn stage_at(
        &self,
        key: &TenantKey,
        generation: u64,
        set: &MigrationSet,
        version: Option<&str>,
    ) -> Result<SqliteConnection, StorageError> {
        let staging = files::staging_beside(&self.path(key, generation));
        files::create_directory(&self.directory(key))?;
        files::sync_dir(&self.root().tenants())?;
        files::create_exclusive(&staging)?;
        let mut conn = connect::open_new(&staging, &Whose::Tenant(key.id), self.busy_timeout())?;
        stamp(
            &mut conn,
            &Identity::tenant(self.catalog_uuid(), key, generation),
        )?;
        let up_to = set
            .iter()
            .filter(|script| Some(script.version()) <= version);
        let options = MigrateOptions::at_most(up_to.count());
        migrate::run_pending(&mut conn, set, options).map_err(StorageError::Template)?;
        Ok(conn)
    }

    fn open_staged(
        &self,
        key: &TenantKey,
        generation: u64,
    ) -> Result<SqliteConnection, StorageError> {
        let staging = files::staging_beside(&self.path(key, generation));
        self.open_staging(&staging, &Whose::Tenant(key.id))
    }

    fn seal_staged(
        &self,
        conn: SqliteConnection,
        key: &TenantKey,
        generation: u64,
    ) -> Result<(), StorageError> {
        seal(conn, &files::staging_beside(&self.path(key, generation)))
    }

    fn open_foreign(&self, path: &Path) -> Result<Foreign<SqliteConnection>, AdoptError> {
        // Its own rule: everything below the data directory, backups included, carries this library's stamp.
        if self.root().contains(path).map_err(StorageError::from)? {
            return Err(AdoptError::OwnFile {
                path: path.to_owned(),
            });
        }
        open(path)
    }

    fn scratch_of_foreign(
        &self,
        mut foreign: Foreign<SqliteConnection>,
        key: &TenantKey,
    ) -> Result<SqliteConnection, AdoptError> {
        let scratch = scratch_path(self, key);
        files::create_exclusive(&scratch).map_err(StorageError::from)?;
        foreign
            .conn
            .batch_execute("PRAGMA query_only = OFF")
            .map_err(query("allowing the copy"))?;
        vacuum_into(&mut foreign.conn, &scratch)?;
        foreign.check_unchanged()?;
        drop(foreign);
        Ok(open(&scratch)?.conn)
    }

    fn remove_scratch(&self, conn: SqliteConnection, key: &TenantKey) -> Result<(), StorageError> {
        drop(conn);
        Ok(files::remove_database(&scratch_path(self, key))?)
    }

    fn rehearsal(&self, set: &MigrationSet) -> Result<SqliteConnection, StorageError> {
        // A database without a name: its file, should it need one, has none either and ends with the connection.
        let mut conn = SqliteConnection::establish("").map_err(|source| {
            crate::backend::ConnectError::Open {
                whose: Whose::Template,
                source,
            }
        })?;
        conn.batch_execute("PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON;")
            .map_err(query("setting up a rehearsal"))?;
        conn.batch_execute(identity::CREATE)
            .map_err(query("setting up a rehearsal"))?;
        migrate::run_pending(&mut conn, set, MigrateOptions::default())
            .map_err(StorageError::Template)?;
        Ok(conn)
    }
}

fn vacuum_into(conn: &mut SqliteConnection, target: &Path) -> Result<(), StorageError> {
    let url = files::uri(target)?;
    diesel::sql_query("VACUUM INTO ?")
        .bind::<Text, _>(url)
        .execute(conn)
        .map(drop)
        .map_err(query("VACUUM INTO"))
}

fn drop_own_tables(conn: &mut SqliteConnection) -> QueryResult<()> {
    #[derive(QueryableByName)]
    struct Own {
        #[diesel(sql_type = Text)]
        name: String,
    }
    let own = diesel::sql_query(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE '\\_\\_tenants\\_%' ESCAPE '\\'",
    );
    for table in own.load::<Own>(conn)? {
        conn.batch_execute(&format!("DROP TABLE {}", copy::quote(&table.name)))?;
    }
    Ok(())
}
