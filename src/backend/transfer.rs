//! The part of a [`Storage`](super::Storage) that carries rows in and out: for export, import and adoption.
use std::path::Path;

use diesel::result::QueryResult;

use super::{StorageError, TenantKey};
use crate::adopt::AdoptError;
use crate::migrate::MigrationSet;
use crate::value::{Class, Value};

/// A table and those of its columns that hold values of their own, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableShape {
    pub name: String,
    pub columns: Vec<ColumnShape>,
    /// Columns of its foreign keys, each with the table it refers to.
    pub references: Vec<(String, String)>,
    /// The last number it gave out, where it never gives one twice.
    pub counter: Option<i64>,
}

impl TableShape {
    pub(crate) fn column(&self, name: &str) -> Option<(usize, &ColumnShape)> {
        let mut columns = self.columns.iter().enumerate();
        columns.find(|(_, column)| column.name.eq_ignore_ascii_case(name))
    }
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnShape {
    pub name: String,
    /// The type as it was declared.
    pub declared: String,
    pub class: Class,
    pub nullable: bool,
    pub has_default: bool,
}

/// What there is in a database beside its tables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shape {
    pub tables: Vec<TableShape>,
    /// Names of views and virtual tables: they hold no rows of their own, or none that could be carried.
    pub others: Vec<String>,
}

/// A reference that leads nowhere: how many rows of a table refer to missing rows of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dangling {
    pub table: String,
    pub column: String,
    pub parent: String,
    pub rows: u64,
}

/// What can be said of another program's file without looking at its rows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct SourceFacts {
    /// Bytes.
    pub bytes: u64,
    /// Bytes of a page.
    pub page_size: u64,
    /// `UTF-8`, `UTF-16le` or `UTF-16be`.
    pub encoding: String,
    /// Whether it has a write-ahead log.
    pub wal: bool,
}

/// A database of another program, open for reading only.
pub struct Foreign<C> {
    pub conn: C,
    pub facts: SourceFacts,
    pub(crate) unchanged: Box<dyn Fn() -> Result<(), AdoptError>>,
}

impl<C> Foreign<C> {
    /// Whether the file stayed as it was while it was read, where no lock could see to that. Asked after reading.
    pub(crate) fn check_unchanged(&self) -> Result<(), AdoptError> {
        (self.unchanged)()
    }
}

/// Carries rows. Implemented by this crate only.
pub trait Transfer<C> {
    /// Refuses a place of exported files among the live databases.
    fn refuse_inside(&self, directory: &Path) -> Result<(), StorageError>;

    /// The tables of a database, the library's own left out, ordered by name.
    fn shape(&self, conn: &mut C) -> QueryResult<Shape>;
    /// The virtual tables of a database of our own that hold rows, ordered by name.
    fn virtual_with_rows(&self, conn: &mut C) -> QueryResult<Vec<String>>;
    /// The definitions of everything in it, for people.
    fn definitions(&self, conn: &mut C) -> QueryResult<String>;
    /// Hands every row of a table over, in the order that loading them gives again.
    fn each_row(
        &self,
        conn: &mut C,
        table: &TableShape,
        each: &mut dyn FnMut(Vec<Value>),
    ) -> QueryResult<()>;
    fn count_rows(&self, conn: &mut C, table: &str) -> QueryResult<u64>;

    /// Opens a transaction in which rows can be loaded as they are: triggers are put aside, references not looked
    /// at. Returns what [`end_load`](Self::end_load) needs.
    fn begin_load(&self, conn: &mut C) -> QueryResult<Vec<String>>;
    /// Removes every row of a table.
    fn empty_table(&self, conn: &mut C, table: &str) -> QueryResult<()>;
    fn insert_rows(
        &self,
        conn: &mut C,
        table: &str,
        columns: &[&str],
        rows: &[Vec<Value>],
    ) -> QueryResult<()>;
    /// Runs `f` so that its failure undoes only what it did.
    fn in_savepoint(
        &self,
        conn: &mut C,
        f: &mut dyn FnMut(&mut C) -> QueryResult<()>,
    ) -> QueryResult<()>;
    fn set_counter(&self, conn: &mut C, table: &str, last: i64) -> QueryResult<()>;
    /// References that lead nowhere.
    fn dangling(&self, conn: &mut C) -> QueryResult<Vec<Dangling>>;
    /// Takes references of a column out that lead nowhere; returns how many.
    fn clear_dangling(&self, conn: &mut C, table: &str, column: &str) -> QueryResult<u64>;
    /// Puts the triggers back and commits.
    fn end_load(&self, conn: &mut C, aside: Vec<String>) -> QueryResult<()>;
    /// `None` if the database is sound.
    fn integrity(&self, conn: &mut C) -> QueryResult<Option<String>>;

    /// Writes the tenant's tables into a database of their own, without anything of the library's in it. Returns the
    /// newest migration of what was written.
    fn copy_out(&self, conn: &mut C, target: &Path) -> Result<Option<String>, StorageError>;
    /// Opens such a copy, or one that says it is, for reading only.
    fn open_copy(&self, path: &Path) -> Result<C, AdoptError>;

    /// Makes the staging database of a new generation with the migrations up to `version` and opens it.
    fn stage_at(
        &self,
        key: &TenantKey,
        generation: u64,
        set: &MigrationSet,
        version: Option<&str>,
    ) -> Result<C, StorageError>;
    /// Opens the staging database that [`stage_from_template`](super::Storage::stage_from_template) made.
    fn open_staged(&self, key: &TenantKey, generation: u64) -> Result<C, StorageError>;
    /// Closes a staging database and waits until it is on the disk.
    fn seal_staged(&self, conn: C, key: &TenantKey, generation: u64) -> Result<(), StorageError>;

    /// Opens another program's database. Nothing of it, nor anything beside it, is changed.
    fn open_foreign(&self, path: &Path) -> Result<Foreign<C>, AdoptError>;
    /// Copies it beside the staging database of a new tenant, and opens the copy.
    fn scratch_of_foreign(&self, foreign: Foreign<C>, key: &TenantKey) -> Result<C, AdoptError>;
    /// Removes that copy.
    fn remove_scratch(&self, conn: C, key: &TenantKey) -> Result<(), StorageError>;
    /// A database with this schema that is gone when it is closed.
    fn rehearsal(&self, set: &MigrationSet) -> Result<C, StorageError>;
}
