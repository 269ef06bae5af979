//! Taking over the database of another program, such as the SQLite file of a Django application, as a new tenant.
//!
//! The original is read and never written, nor anything beside it. Adopting is a creation (see `provision`) whose
//! staging database is made in these steps:
//!
//! | step | failpoint after it | killed here, the next open |
//! |---|---|---|
//! | staging database from the template | `adopt.staged` | removes it, and the rows of the catalogue |
//! | the original's integrity checked, and a copy of it beside the staging database | `adopt.copied` | the same, and the copy |
//! | rows converted and loaded, references checked | `adopt.loaded` | the same |
//! | counted again, integrity checked, closed and synced | `adopt.verified` | the same |
//! | the copy of the original removed | `adopt.cleared` | the same |
//!
//! An inspection does the same in a database without a name, from the original itself, and reports every reason against
//! it instead of stopping at the first.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use diesel::connection::{AnsiTransactionManager, TransactionManager as _};
use diesel::result::{DatabaseErrorKind, Error as QueryError};

use crate::audit::AuditNote;
use crate::backend::transfer::{Foreign, SourceFacts, Transfer as _};
use crate::backend::{Backend, Storage as _};
use crate::batch::Fill;
use crate::database::Common;
use crate::error::CreateError;
use crate::failpoint::hit;
use crate::lifecycle::Staged;
use crate::provision::{self, NewTenant};
use crate::registry::TenantHandle;
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;
use crate::value::Value;

mod convert;
mod error;
mod inspection;
mod mapping;
mod mapping_error;
mod plan;

pub use crate::backend::transfer::SourceFacts as Source;
pub use convert::Misfit;
pub use error::AdoptError;
pub use inspection::{Inspection, LeftBehind, Reason, TableFit};
pub use mapping::Mapping;
pub use mapping_error::MappingError;
use plan::{Plan, TablePlan, plan};

/// How to adopt. The default leaves tables behind that nothing is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdoptOptions {
    /// Whether a table with rows that nothing is made of, and that is not ignored on purpose, is a reason to refuse.
    pub refuse_left_over: bool,
}

impl AdoptOptions {
    /// Refuses to leave rows behind that are not ignored on purpose.
    #[must_use]
    pub fn nothing_left_over() -> Self {
        Self {
            refuse_left_over: true,
        }
    }
}

/// What [`Tenancy::adopt`] made.
#[non_exhaustive]
pub struct Adopted<C: Backend> {
    /// The new tenant.
    pub tenant: TenantHandle<C>,
    /// What became of every table.
    pub inspection: Inspection,
}

impl<C: Backend> std::fmt::Debug for Adopted<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Adopted")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

impl<C: Backend> Tenancy<C> {
    /// Says what would become of another program's database if it were adopted with `mapping`.
    ///
    /// Reads all of it and tries everything out in a database that is gone afterwards (in memory, and in a temporary file
    /// without a name where it is large). Nothing is changed: not the file, nor anything beside it, nor the catalogue. Its
    /// own program can read meanwhile and waits if it writes.
    ///
    /// # Errors
    /// The file cannot be read, or not without writing to it: see [`AdoptError`]. What speaks against adopting what is in
    /// it is no error, but in [`Inspection::reasons`].
    pub fn inspect(
        &self,
        path: impl AsRef<Path>,
        mapping: &Mapping,
    ) -> Result<Inspection, AdoptError> {
        let common = &self.registry.common;
        let storage = &common.storage;
        common.prepare_template()?;
        let mut foreign = storage.open_foreign(path.as_ref())?;
        refuse_damaged(storage, &mut foreign, path.as_ref())?;
        let mut rehearsal = storage.rehearsal(&common.tenant_migrations)?;
        let Foreign { conn, facts, .. } = &mut foreign;
        let (facts, options) = (facts.clone(), AdoptOptions::default());
        conn.begin_read()?;
        let inspection = copy(common, conn, facts, &mut rehearsal, mapping, &options, "");
        AnsiTransactionManager::rollback_transaction(conn)?;
        hit("inspect.read");
        foreign.check_unchanged()?;
        inspection
    }

    /// Takes over another program's database as a new tenant.
    ///
    /// All or nothing, like [`create`](Self::create). The original stays as it is, to the byte, and so does its directory:
    /// it is read under its own lock, copied, and never opened for writing. Rows are read from the copy, converted as
    /// `mapping` says, and loaded into a database of this program's schema; triggers run in neither. References are
    /// checked, rows counted and the integrity of both checked before the tenant is there.
    ///
    /// Adopting the same file again under the same id gives every row the same key.
    ///
    /// # Errors
    /// See [`AdoptError`]; nothing is left behind. [`AdoptError::NotAdoptable`] has every reason.
    ///
    /// # Example
    /// ```
    /// # use diesel_tenants::{adopt::{AdoptOptions, Mapping}, prelude::*};
    /// # diesel::table! { users { id -> Integer, } }
    /// # diesel::table! { patients { id -> Integer, name -> Text, } }
    /// # routes! { static ROUTES; shared { accounts { users } } tenant { wards { patients } } }
    /// # const TENANT: &str = "CREATE TABLE patients (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL);";
    /// # let dir = tempfile::tempdir()?;
    /// # let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES).sqlite(dir.path().join("data")).init()
    /// #     .tenant_migrations(MigrationScript::new("1", "wards", TENANT)).open()?;
    /// # let file = dir.path().join("db.sqlite3");
    /// # std::fs::File::create(&file)?;
    /// # let mut old = SqliteConnection::establish(file.to_str().unwrap())?;
    /// # diesel::connection::SimpleConnection::batch_execute(&mut old,
    /// #     "CREATE TABLE patients_patient (id integer PRIMARY KEY, full_name varchar(100) NOT NULL);
    /// #      INSERT INTO patients_patient VALUES (1, 'Ada')")?;
    /// # drop(old);
    /// let mapping: Mapping = r#"
    ///     format = 1
    ///     [[table]]
    ///     from = "patients_patient"
    ///     to = "patients"
    ///     columns = { name = "full_name" }
    /// "#.parse()?;
    /// let inspection = tenancy.inspect(&file, &mapping)?;
    /// assert!(inspection.adoptable, "{inspection}");
    ///
    /// let new = NewTenant::named("Teaching Hospital");
    /// let adopted = tenancy.adopt(&"TH001".parse()?, new, &file, &mapping, &AdoptOptions::default())?;
    /// let names = patients::table.select(patients::name).load::<String>(&mut adopted.tenant.enter()?)?;
    /// assert_eq!(names, ["Ada"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn adopt(
        &self,
        id: &TenantId,
        new: NewTenant,
        path: impl AsRef<Path>,
        mapping: &Mapping,
        options: &AdoptOptions,
    ) -> Result<Adopted<C>, AdoptError> {
        let common = Arc::clone(&self.registry.common);
        let storage = &common.storage;
        // Everything that can be said of the file without its rows, before anything is begun.
        let mut foreign = storage.open_foreign(path.as_ref())?;
        let mut done = None;
        let tenant = provision::create_from(&self.registry, *id, new, |key| {
            let adopted = AuditNote::of_library("tenant.adopt").about(*key);
            self.registry.audit(&adopted).map_err(CreateError::from)?;
            storage.stage_from_template(key, 1, &common.tenant_migrations)?;
            hit("adopt.staged");
            refuse_damaged(storage, &mut foreign, path.as_ref())?;
            let facts = foreign.facts.clone();
            let mut scratch = storage.scratch_of_foreign(foreign, key)?;
            hit("adopt.copied");
            let mut conn = storage.open_staged(key, 1)?;
            let tenant = key.id.folded();
            let inspection = copy(
                &common,
                &mut scratch,
                facts,
                &mut conn,
                mapping,
                options,
                tenant.as_str(),
            )?;
            if !inspection.adoptable {
                let inspection = Box::new(inspection);
                return Err(AdoptError::NotAdoptable { inspection });
            }
            hit("adopt.loaded");
            if let Some(symptom) = storage.integrity(&mut conn)? {
                return Err(crate::backend::StorageError::DamagedCopy {
                    tenant: key.id,
                    symptom,
                }
                .into());
            }
            storage.seal_staged(conn, key, 1)?;
            hit("adopt.verified");
            storage.remove_scratch(scratch, key)?;
            hit("adopt.cleared");
            done = Some(inspection);
            Ok::<_, AdoptError>(Staged::default())
        })?;
        Ok(Adopted {
            tenant: TenantHandle::new(Arc::clone(&self.registry), tenant),
            inspection: done.expect("a tenant that was made was staged"),
        })
    }
}

fn refuse_damaged<C: Backend>(
    storage: &C::Storage,
    foreign: &mut Foreign<C>,
    path: &Path,
) -> Result<(), AdoptError> {
    let damaged = |symptom: String| AdoptError::Damaged {
        path: path.to_owned(),
        symptom,
    };
    match storage.integrity(&mut foreign.conn) {
        Ok(None) => Ok(()),
        Ok(Some(symptom)) => Err(damaged(first_line(&symptom))),
        Err(QueryError::DatabaseError(_, information)) => {
            Err(damaged(first_line(information.message())))
        }
        Err(other) => Err(other.into()),
    }
}

/// An integrity check names tables and pages, line by line.
fn first_line(symptom: &str) -> String {
    symptom
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(200)
        .collect()
}

/// Converts and loads everything. What does not fit is in the reasons; an error is something else.
fn copy<C: Backend>(
    common: &Common<C>,
    from: &mut C,
    source: SourceFacts,
    into: &mut C,
    mapping: &Mapping,
    options: &AdoptOptions,
    tenant: &str,
) -> Result<Inspection, AdoptError> {
    let storage = &common.storage;
    let (theirs, ours) = (storage.shape(from)?, storage.shape(into)?);
    let Plan {
        tables,
        absent,
        reasons,
    } = plan(&theirs.tables, &ours.tables, mapping, tenant);
    let (mut left_over, mut ignored) = (Vec::new(), Vec::new());
    for table in &theirs.tables {
        let is_ignored = mapping.ignores(&table.name);
        if tables.iter().any(|plan| plan.from.name == table.name) {
            continue;
        }
        let left = LeftBehind {
            rows: storage.count_rows(from, &table.name)?,
            table: table.name.clone(),
        };
        match is_ignored {
            true => ignored.push(left),
            false => left_over.push(left),
        }
    }
    let mut inspection = Inspection {
        adoptable: false,
        reasons,
        source,
        tables: Vec::new(),
        absent,
        left_over,
        ignored,
        not_tables: theirs.others,
    };
    if options.refuse_left_over {
        let with_rows = inspection.left_over.iter().filter(|left| left.rows > 0);
        let reasons = with_rows.map(|left| Reason::LeftOver {
            table: left.table.clone(),
            rows: left.rows,
        });
        inspection.reasons.extend(reasons.collect::<Vec<_>>());
    }
    // Without a plan that holds, reading rows would say nothing.
    if !inspection.reasons.is_empty() {
        inspection.tables = tables.iter().map(TablePlan::fit).collect();
        return Ok(inspection);
    }

    let aside = storage.begin_load(into)?;
    let mut wanted: BTreeMap<&str, u64> = BTreeMap::new();
    for table in &tables {
        let name = table.to.name.as_str();
        if !wanted.contains_key(name) {
            wanted.insert(name, storage.count_rows(into, name)?);
        }
        let mut load = Load::<C> {
            storage,
            table,
            conn: into,
            batch: Vec::new(),
            fill: Fill::default(),
            fit: table.fit(),
            misfits: BTreeMap::new(),
            refused: BTreeMap::new(),
            too_long: BTreeMap::new(),
            unresolved: BTreeMap::new(),
            error: None,
        };
        storage.each_row(from, table.from, &mut |row| load.take(&row))?;
        load.flush();
        if let Some(error) = load.error {
            return Err(error.into());
        }
        *wanted.entry(name).or_default() += load.fit.taken;
        let (fit, reasons) = load.finish();
        inspection.tables.push(fit);
        inspection.reasons.extend(reasons);
        hit("adopt.table");
    }
    for (table, fit) in tables.iter().zip(&mut inspection.tables) {
        for column in table
            .columns
            .iter()
            .filter(|column| column.rule.orphans_become_null)
        {
            let cleared = storage.clear_dangling(into, &table.to.name, &column.to.name)?;
            if cleared > 0 {
                fit.cleared.push((column.to.name.clone(), cleared));
            }
        }
    }
    let dangling = storage.dangling(into)?;
    inspection
        .reasons
        .extend(dangling.into_iter().map(|dangling| Reason::Orphans {
            table: dangling.table,
            column: dangling.column,
            parent: dangling.parent,
            rows: dangling.rows,
        }));
    for (table, wanted) in wanted {
        let found = storage.count_rows(into, table)?;
        if found != wanted {
            let table = table.to_owned();
            inspection.reasons.push(Reason::Count {
                table,
                found,
                wanted,
            });
        }
    }
    storage.end_load(into, aside)?;
    inspection.adoptable = inspection.reasons.is_empty();
    Ok(inspection)
}

/// Rows of one table on their way, and what is to be said of them.
struct Load<'a, C: Backend> {
    storage: &'a C::Storage,
    table: &'a TablePlan<'a>,
    conn: &'a mut C,
    /// Rows with their number in the source.
    batch: Vec<(u64, Vec<Value>)>,
    fill: Fill,
    fit: TableFit,
    /// By column: how many and the first.
    misfits: BTreeMap<(usize, Misfit), (u64, u64)>,
    /// By the rule that is broken.
    refused: BTreeMap<String, (u64, u64)>,
    too_long: BTreeMap<usize, u64>,
    unresolved: BTreeMap<usize, u64>,
    error: Option<QueryError>,
}

impl<C: Backend> Load<'_, C> {
    fn take(&mut self, row: &[Value]) {
        if self.error.is_some() {
            return;
        }
        self.fit.rows += 1;
        let number = self.fit.rows;
        if self.table.skips(row) {
            self.fit.skipped += 1;
            return;
        }
        for (index, column) in self.table.from.columns.iter().enumerate() {
            if let (Value::Text(text), Some(longest)) =
                (&row[index], declared_length(&column.declared))
                && text.chars().count() > longest
            {
                *self.too_long.entry(index).or_default() += 1;
            }
        }
        let mut made = Vec::with_capacity(self.table.columns.len());
        for (index, column) in self.table.columns.iter().enumerate() {
            match column.make(row) {
                Ok(value) => {
                    if column.rule.shared && value != Value::Null {
                        *self.unresolved.entry(index).or_default() += 1;
                    }
                    made.push(value);
                }
                Err(misfit) => {
                    let seen = self.misfits.entry((index, misfit)).or_insert((0, number));
                    seen.0 += 1;
                }
            }
        }
        if made.len() == self.table.columns.len() {
            let is_full = self.fill.add(&made);
            self.batch.push((number, made));
            if is_full {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        self.fill = Fill::default();
        if batch.is_empty() || self.error.is_some() {
            return;
        }
        let (numbers, rows): (Vec<u64>, Vec<Vec<Value>>) = batch.into_iter().unzip();
        match self.insert(&rows) {
            Ok(()) => self.fit.taken += rows.len() as u64,
            Err(error) if rule(&error).is_some() => {
                // One of them; which, the next try says.
                for (number, row) in numbers.into_iter().zip(rows) {
                    let Err(error) = self.insert(&[row]) else {
                        self.fit.taken += 1;
                        continue;
                    };
                    let Some(rule) = rule(&error) else {
                        self.error = Some(error);
                        return;
                    };
                    self.refused.entry(rule).or_insert((0, number)).0 += 1;
                }
            }
            Err(error) => self.error = Some(error),
        }
    }

    fn insert(&mut self, rows: &[Vec<Value>]) -> Result<(), QueryError> {
        let (storage, table) = (self.storage, &self.table.to.name);
        let columns = self
            .table
            .columns
            .iter()
            .map(|column| column.to.name.as_str());
        let columns: Vec<&str> = columns.collect();
        storage.in_savepoint(self.conn, &mut |conn| {
            storage.insert_rows(conn, table, &columns, rows)
        })
    }

    fn finish(self) -> (TableFit, Vec<Reason>) {
        let Self { mut fit, table, .. } = self;
        let theirs = |index: usize| table.from.columns[index].name.clone();
        let ours = |index: usize| table.columns[index].to.name.clone();
        fit.too_long = self
            .too_long
            .into_iter()
            .map(|(index, rows)| (theirs(index), rows))
            .collect();
        fit.unresolved = self
            .unresolved
            .into_iter()
            .map(|(index, rows)| (ours(index), rows))
            .collect();
        let misfits = self
            .misfits
            .into_iter()
            .map(|((index, misfit), (rows, first))| Reason::Values {
                table: table.to.name.clone(),
                column: ours(index),
                misfit,
                rows,
                first,
            });
        let refused = self
            .refused
            .into_iter()
            .map(|(rule, (rows, first))| Reason::Refused {
                table: table.to.name.clone(),
                rule,
                rows,
                first,
            });
        let reasons = misfits.chain(refused).collect();
        (fit, reasons)
    }
}

/// The rule of the schema that a row breaks, by the names in it; `None` for an error that is not the row's.
fn rule(error: &QueryError) -> Option<String> {
    use DatabaseErrorKind::{
        CheckViolation, ForeignKeyViolation, NotNullViolation, UniqueViolation,
    };
    match error {
        QueryError::DatabaseError(
            UniqueViolation | CheckViolation | NotNullViolation | ForeignKeyViolation,
            information,
        ) => Some(information.message().to_owned()),
        _ => None,
    }
}

/// The 20 of `varchar(20)`.
fn declared_length(declared: &str) -> Option<usize> {
    let (name, rest) = declared.split_once('(')?;
    let length = rest.split_once(')')?.0;
    name.trim()
        .to_ascii_lowercase()
        .contains("char")
        .then(|| length.trim().parse().ok())?
}
