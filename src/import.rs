//! A tenant made from an export.
//!
//! Everything in an export is data: its definitions are never run, its names are compared with those of this program's own
//! schema, and no path is made from it. The database is built from the program's migrations up to the one the export has,
//! filled, read again and compared with the hashes of the export, and migrated the rest of the way.
//!
//! It is a creation (see `provision`) whose staging database is made in these steps:
//!
//! | step | failpoint after it | killed here, the next open |
//! |---|---|---|
//! | schema of the export's version | `import.schema` | removes it, and the rows of the catalogue |
//! | rows loaded | `import.loaded` | the same |
//! | rows read again and compared, references checked | `import.compared` | the same |
//! | migrated to the newest schema | `import.migrated` | the same |
use std::path::Path;

use crate::adopt::AdoptError;
use crate::audit::AuditNote;
use crate::backend::transfer::{Shape, TableShape, Transfer as _};
use crate::backend::{Backend, TenantKey};
use crate::batch::Fill;
use crate::database::Common;
use crate::error::CreateError;
use crate::export::manifest::{
    ExportFormat, ExportedTable, FORMAT, MANIFEST, Manifest, SCHEMA, SQLITE, SUMS,
};
use crate::export::{directory, hash_rows, manifest, ndjson};
use crate::failpoint::hit;
use crate::lifecycle::Staged;
use crate::migrate::{self, MigrateOptions, SchemaMismatch};
use crate::provision::{self, NewTenant};
use crate::registry::TenantHandle;
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;
use crate::value::Value;

mod error;

pub use error::ImportError;

/// What [`Tenancy::import`] made.
#[non_exhaustive]
pub struct Imported<C: Backend> {
    /// The new tenant.
    pub tenant: TenantHandle<C>,
    /// The id it had where it was exported.
    pub was: String,
    /// The newest migration of the export. The tenant has this program's.
    pub exported_version: Option<String>,
    /// Rows loaded, over all tables.
    pub rows: u64,
}

impl<C: Backend> std::fmt::Debug for Imported<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Imported")
            .field("tenant", &self.tenant)
            .field("was", &self.was)
            .field("exported_version", &self.exported_version)
            .field("rows", &self.rows)
            .finish()
    }
}

/// A manifest is small.
const LONGEST_MANIFEST: u64 = 16 << 20;

impl<C: Backend> Tenancy<C> {
    /// Makes a new tenant of what [`export`](Self::export) wrote, here or on another installation.
    ///
    /// All or nothing, like [`create`](Self::create). An export of an older schema is migrated, one of a newer schema is
    /// refused. Every hash and count is checked before anything is made, and once more against what was loaded. Triggers
    /// of the schema do not run; views and virtual tables are made by the migrations, virtual ones stay empty.
    ///
    /// # Errors
    /// See [`ImportError`]; nothing is left behind.
    pub fn import(
        &self,
        id: &TenantId,
        new: NewTenant,
        directory: impl AsRef<Path>,
    ) -> Result<Imported<C>, ImportError> {
        let directory = directory.as_ref();
        let common = &self.registry.common;
        let manifest = check(common, directory)?;
        let rows: u64 = manifest.tables.iter().map(|table| table.rows).sum();
        let tenant = provision::create_from(&self.registry, *id, new, |key| {
            let imported = AuditNote::of_library("tenant.import").about(*key);
            let entered = self.registry.audit(&imported.with("rows", rows));
            entered.map_err(CreateError::from)?;
            stage(common, key, &manifest, directory)
        })?;
        Ok(Imported {
            tenant: TenantHandle::new(std::sync::Arc::clone(&self.registry), tenant),
            was: manifest.tenant,
            exported_version: manifest.schema_version,
            rows,
        })
    }
}

/// Checks everything that can be checked before a tenant is made.
fn check<C: Backend>(common: &Common<C>, directory: &Path) -> Result<Manifest, ImportError> {
    let path = directory.join(MANIFEST);
    if path.try_exists().is_ok_and(|there| !there) {
        return Err(ImportError::NoManifest {
            path: directory.to_owned(),
        });
    }
    let Some(json) = directory::read(&path, LONGEST_MANIFEST)? else {
        return Err(ImportError::Manifest { source: None });
    };
    // The format is looked at first: a later one may have more in it.
    #[derive(serde::Deserialize)]
    struct Format {
        format: u32,
    }
    let bad = |source| ImportError::Manifest {
        source: Some(source),
    };
    let format: Format = serde_json::from_slice(&json).map_err(bad)?;
    if format.format != FORMAT {
        return Err(ImportError::UnknownFormat {
            found: format.format,
            known: FORMAT,
        });
    }
    let manifest: Manifest = serde_json::from_slice(&json).map_err(bad)?;
    check_version(common, manifest.schema_version.as_deref())?;

    let mut wanted = vec![MANIFEST.to_owned(), SCHEMA.to_owned()];
    match manifest.layout {
        ExportFormat::Ndjson => {
            let files = manifest.tables.iter().enumerate();
            wanted.extend(files.map(|(number, table)| manifest::file_of(&table.name, number)));
        }
        ExportFormat::Sqlite => wanted.push(SQLITE.to_owned()),
    }
    let sums = directory::read(&directory.join(SUMS), LONGEST_MANIFEST)?.unwrap_or_default();
    let sums = String::from_utf8_lossy(&sums);
    let sum_of = |name: &str| {
        let mut lines = sums.lines().filter_map(|line| line.split_once("  "));
        lines.find(|(_, file)| *file == name).map(|(sum, _)| sum)
    };
    for name in wanted {
        let found = directory::hash(&directory.join(&name))?;
        if sum_of(&name) != Some(found.as_str()) {
            return Err(ImportError::Hash { file: name });
        }
    }
    Ok(manifest)
}

fn check_version<C: Backend>(common: &Common<C>, version: Option<&str>) -> Result<(), ImportError> {
    let set = &common.tenant_migrations;
    if let Err(mismatch @ SchemaMismatch::Ahead { .. }) = set.gate(version) {
        return Err(ImportError::SchemaAhead { mismatch });
    }
    match version {
        Some(version) if set.get(version).is_none() => Err(ImportError::SchemaUnknown {
            version: version.to_owned(),
        }),
        _ => Ok(()),
    }
}

fn stage<C: Backend>(
    common: &Common<C>,
    key: &TenantKey,
    manifest: &Manifest,
    directory: &Path,
) -> Result<Staged, ImportError> {
    let (storage, set) = (&common.storage, &common.tenant_migrations);
    let version = manifest.schema_version.as_deref();
    let mut conn = storage.stage_at(key, 1, set, version)?;
    hit("import.schema");
    let tables = storage.shape(&mut conn)?.tables;
    compare_tables(&tables, &manifest.tables)?;

    let aside = storage.begin_load(&mut conn)?;
    let mut copy = match manifest.layout {
        ExportFormat::Ndjson => None,
        ExportFormat::Sqlite => {
            let mut copy = storage.open_copy(&directory.join(SQLITE))?;
            let Shape { tables: found, .. } = storage.shape(&mut copy)?;
            compare_tables(&found, &manifest.tables)?;
            Some((copy, found))
        }
    };
    for (number, exported) in manifest.tables.iter().enumerate() {
        let table = table_of(&tables, &exported.name)?;
        storage.empty_table(&mut conn, &table.name)?;
        let mut load = Load::<C> {
            storage,
            table,
            conn: &mut conn,
            rows: Vec::new(),
            fill: Fill::default(),
            columns: exported.columns.iter().map(String::as_str).collect(),
        };
        match &mut copy {
            Some((copy, found)) => {
                let from = table_of(found, &exported.name)?;
                let mut failed = Ok(());
                storage.each_row(copy, from, &mut |row| {
                    if failed.is_ok() {
                        failed = load.push(row);
                    }
                })?;
                failed?;
            }
            None => {
                let path = directory.join(manifest::file_of(&exported.name, number));
                let mut row = 0;
                let bad_line = |row, reason| ImportError::BadLine {
                    table: table.name.clone(),
                    row,
                    reason,
                };
                let whole = directory::each_line(&path, ndjson::LONGEST_LINE, |line| {
                    row += 1;
                    let values = ndjson::parse(&exported.columns, line);
                    load.push(values.map_err(|reason| bad_line(row, reason))?)
                })?;
                if !whole {
                    return Err(bad_line(row + 1, ndjson::BadLine::Length));
                }
            }
        }
        load.flush()?;
        if let Some(last) = exported.counter {
            storage.set_counter(&mut conn, &table.name, last)?;
        }
        hit("import.table");
    }
    drop(copy);
    storage.end_load(&mut conn, aside)?;
    hit("import.loaded");

    for exported in &manifest.tables {
        let table = table_of(&tables, &exported.name)?;
        let found = hash_rows::<C>(storage, &mut conn, table, &mut |_| Ok(()))?;
        if (found.rows, &found.sha256) != (exported.rows, &exported.sha256) {
            return Err(ImportError::NotTheSame {
                table: table.name.clone(),
                exported: exported.rows,
                loaded: found.rows,
            });
        }
    }
    if let Some(broken) = storage.dangling(&mut conn)?.into_iter().next() {
        return Err(ImportError::Orphans {
            table: broken.table,
            parent: broken.parent,
            rows: broken.rows,
        });
    }
    hit("import.compared");
    migrate::run_pending(&mut conn, set, MigrateOptions::default())?;
    if let Some(symptom) = storage.integrity(&mut conn)? {
        return Err(ImportError::Damaged { symptom });
    }
    storage.seal_staged(conn, key, 1)?;
    hit("import.migrated");
    Ok(Staged::default())
}

/// Rows on their way into a table.
struct Load<'a, C: Backend> {
    storage: &'a C::Storage,
    table: &'a TableShape,
    conn: &'a mut C,
    rows: Vec<Vec<Value>>,
    fill: Fill,
    columns: Vec<&'a str>,
}

impl<C: Backend> Load<'_, C> {
    fn push(&mut self, row: Vec<Value>) -> Result<(), ImportError> {
        let is_full = self.fill.add(&row);
        self.rows.push(row);
        match is_full {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), ImportError> {
        let name = &self.table.name;
        let inserted = self
            .storage
            .insert_rows(self.conn, name, &self.columns, &self.rows);
        self.rows.clear();
        self.fill = Fill::default();
        inserted.map_err(|source| ImportError::Refused {
            table: name.clone(),
            source,
        })
    }
}

fn table_of<'a>(tables: &'a [TableShape], name: &str) -> Result<&'a TableShape, ImportError> {
    let table = tables.iter().find(|table| table.name == name);
    table.ok_or_else(|| ImportError::UnknownTable {
        table: name.to_owned(),
    })
}

/// Both have the same tables, with the same columns in the same order.
fn compare_tables(ours: &[TableShape], theirs: &[ExportedTable]) -> Result<(), ImportError> {
    for exported in theirs {
        let table = table_of(ours, &exported.name)?;
        let same = table
            .columns
            .iter()
            .map(|column| &column.name)
            .eq(&exported.columns);
        let once = theirs
            .iter()
            .filter(|other| other.name == exported.name)
            .count()
            == 1;
        if !same || !once {
            return Err(ImportError::Columns {
                table: table.name.clone(),
            });
        }
    }
    let missing = ours
        .iter()
        .find(|table| theirs.iter().all(|exported| exported.name != table.name));
    match missing {
        None => Ok(()),
        Some(table) => Err(ImportError::MissingTable {
            table: table.name.clone(),
        }),
    }
}

impl From<AdoptError> for ImportError {
    fn from(error: AdoptError) -> Self {
        Self::Copy(Box::new(error))
    }
}
