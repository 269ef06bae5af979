//! One tenant as portable files: what it has under its own name, and what another installation takes in again.
//!
//! ```text
//! <directory>/manifest.json       what is in it: format, tenant, schema version, tables with rows and hashes
//! <directory>/schema.sql          the definitions, for people; never run
//! <directory>/tables/<name>.ndjson    a row a line (layout `ndjson`)
//! <directory>/tenant.sqlite3      an ordinary database (layout `sqlite`)
//! <directory>/SHA256SUMS          of every file, as `sha256sum -c` reads it
//! ```
//!
//! A row is a JSON object of its columns, in the order of the table. An integer is a number without a fraction, or
//! `{"$int": "…"}` beyond 2⁵³; a float a number with one, or `{"$real": "inf"}`; a text a string, or
//! `{"$text": "<hex>"}` if it is no UTF-8; bytes `{"$blob": "<hex>"}`. The hash of a table in the manifest is that of its
//! lines, in both layouts, so that the two can be compared.
//!
//! | step | failpoint after it | killed here |
//! |---|---|---|
//! | directory `.new-<name>` beside the place | `export.begun` | the next export to this place clears it away |
//! | rows, definitions, manifest, sums: written and synced | `export.written` | the same |
//! | **the directory gets its name** | `export.published` | nothing to do |
use std::path::Path;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use crate::audit::AuditNote;
use crate::backend::transfer::{Shape, TableShape, Transfer as _};
use crate::backend::{Backend, ConnectError, Storage as _, Whose};
use crate::catalog::{Status, TenantRecord};
use crate::error::OpenError;
use crate::failpoint::hit;
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;
use crate::value::to_hex;

pub(crate) mod directory;
mod error;
pub(crate) mod manifest;
pub(crate) mod ndjson;

use directory::NewDirectory;
pub use error::ExportError;
pub use manifest::{ExportFormat, ExportedTable};
use manifest::{FORMAT, MANIFEST, Manifest, SCHEMA, SQLITE, SUMS, TABLES};

/// What [`Tenancy::export`] wrote.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct ExportReport {
    /// The tenant.
    pub tenant: TenantId,
    /// The newest migration of its schema.
    pub schema_version: Option<String>,
    /// Its tables, ordered by name.
    pub tables: Vec<ExportedTable>,
    /// Views and virtual tables, which are not among the rows: migrations make them again, empty.
    pub left_out: Vec<String>,
    /// Those of [`left_out`](Self::left_out) that hold rows: full-text and R-tree indexes. They are empty after an
    /// import, which runs no triggers; fill them again from their tables. Rows that are nowhere else are not handed out.
    pub rows_left_out: Vec<String>,
    /// Bytes written.
    pub bytes: u64,
}

impl ExportReport {
    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}

impl<C: Backend> Tenancy<C> {
    /// Writes everything a tenant has into the new directory `directory`: readable, complete, of one moment.
    ///
    /// For handing data out (a customer who leaves, a person's right to a copy) and for another installation, which
    /// takes it in with [`import`](Self::import). A backup is faster and keeps the library's own tables.
    ///
    /// Works for active, suspended and archived tenants, while others write; what is exported is one snapshot, and none
    /// of the pool's connections is used. The files have mode 0600, the directories 0700. Nothing is at `directory` until
    /// all of it is on the disk: it must not exist yet, its parent must, and it must not be inside the data directory,
    /// except below its `exports`.
    ///
    /// # Errors
    /// See [`ExportError`]. A damaged database is refused: what is missing would be missing in the export as well.
    ///
    /// # Example
    /// ```
    /// # use diesel_tenants::{export::ExportFormat, prelude::*};
    /// # diesel::table! { users { id -> Integer, } }
    /// # diesel::table! { patients { id -> Integer, name -> Text, } }
    /// # routes! { static ROUTES; shared { accounts { users } } tenant { wards { patients } } }
    /// # const TENANT: &str = "CREATE TABLE patients (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL);";
    /// # let dir = tempfile::tempdir()?;
    /// # let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES).sqlite(dir.path().join("data")).init()
    /// #     .tenant_migrations(MigrationScript::new("1", "wards", TENANT)).open()?;
    /// # let north = tenancy.create(&"north".parse()?, NewTenant::named("North Clinic"))?;
    /// # diesel::insert_into(patients::table).values(patients::name.eq("Ada")).execute(&mut north.enter()?)?;
    /// let out = dir.path().join("north-export");
    /// let report = tenancy.export(&"north".parse()?, &out, ExportFormat::Ndjson)?;
    /// assert_eq!(report.rows(), 1);
    /// let rows = std::fs::read_to_string(out.join("tables/patients.ndjson"))?;
    /// assert_eq!(rows, "{\"id\":1,\"name\":\"Ada\"}\n");
    ///
    /// let south = tenancy.import(&"south".parse()?, NewTenant::named("South Clinic"), &out)?;
    /// assert_eq!(south.rows, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn export(
        &self,
        id: &TenantId,
        directory: impl AsRef<Path>,
        format: ExportFormat,
    ) -> Result<ExportReport, ExportError> {
        let record = self.registry.tenant(id)?.record();
        if record.status == Status::Reserved {
            // Nothing is lost of one whose database was never made.
            let (id, status) = (record.id, record.status);
            return Err(OpenError::Unavailable { id, status }.into());
        }
        let storage = &self.registry.common.storage;
        directory::refuse_taken(directory.as_ref())?;
        storage.refuse_inside(directory.as_ref())?;
        let mut opened = storage.connect_tenant(&record.key(), record.generation)?;
        let out = NewDirectory::begin(directory.as_ref())?;
        // Entered before anything is handed out, and not where it goes: paths name people.
        let of_export = |action: &'static str| {
            AuditNote::of_library(action)
                .about(record.key())
                .generation(record.generation)
        };
        let layout = match format {
            ExportFormat::Ndjson => "ndjson",
            ExportFormat::Sqlite => "sqlite",
        };
        let begun = of_export("export.begin").with("layout", layout);
        self.registry.audit(&begun)?;
        hit("export.begun");
        let exported = refuse_damaged(&record, &mut opened.conn)
            .and_then(|()| write_out(storage, &mut opened.conn, &record, format, &out));
        drop(opened);
        let exported = exported.and_then(|report| {
            hit("export.written");
            let published = of_export("export.publish")
                .with("rows", report.rows())
                .with("bytes", report.bytes);
            self.registry.audit(&published)?;
            out.publish()?;
            hit("export.published");
            Ok(report)
        });
        if exported.is_err() && !out.is_published() {
            // Nobody has got anything; what it failed with is what the caller is told.
            let _ = self.registry.audit(&of_export("export.fail"));
        }
        exported
    }
}

/// What is damaged may be the half of a table that is not read, and whoever has an export purges the tenant. A row that
/// only breaks a constraint is exported as it is.
fn refuse_damaged<C: Backend>(record: &TenantRecord, conn: &mut C) -> Result<(), ExportError> {
    match conn
        .integrity(true)?
        .into_iter()
        .find(|(is_damage, _)| *is_damage)
    {
        None => Ok(()),
        Some((_, symptom)) => {
            let whose = Whose::Tenant(record.id);
            Err(ConnectError::Damaged { whose, symptom }.into())
        }
    }
}

/// Writes all of it into the staging directory.
fn write_out<C: Backend>(
    storage: &C::Storage,
    conn: &mut C,
    record: &TenantRecord,
    format: ExportFormat,
    out: &NewDirectory,
) -> Result<ExportReport, ExportError> {
    let mut manifest = Manifest {
        format: FORMAT,
        layout: format,
        tenant: record.id.to_string(),
        display_name: record.display_name.to_string(),
        schema_version: None,
        exported_at: unix_seconds(),
        tables: Vec::new(),
        left_out: Vec::new(),
    };
    let mut rows_left_out = Vec::new();
    let schema = match format {
        ExportFormat::Ndjson => in_snapshot(conn, |conn| {
            // Read inside: a migration may have been applied since the connection was made.
            manifest.schema_version = crate::migrate::newest_applied(conn)?;
            write_rows(storage, conn, &mut manifest, Some(out))?;
            rows_left_out = storage.virtual_with_rows(conn)?;
            Ok(storage.definitions(conn)?)
        })?,
        ExportFormat::Sqlite => {
            let path = out.file(SQLITE)?;
            // The copy is its own snapshot, and says itself what it holds.
            manifest.schema_version = storage.copy_out(conn, &path)?;
            let mut copy = storage.open_copy(&path)?;
            write_rows(storage, &mut copy, &mut manifest, None)?;
            rows_left_out = storage.virtual_with_rows(&mut copy)?;
            storage.definitions(&mut copy)?
        }
    };
    out.write(SCHEMA, schema.as_bytes())?;
    out.write(MANIFEST, &manifest.to_json())?;
    let bytes = out.seal(SUMS)?;
    Ok(ExportReport {
        tenant: record.id,
        schema_version: manifest.schema_version,
        tables: manifest.tables,
        left_out: manifest.left_out,
        rows_left_out,
        bytes,
    })
}

fn in_snapshot<C: Backend, T>(
    conn: &mut C,
    f: impl FnOnce(&mut C) -> Result<T, ExportError>,
) -> Result<T, ExportError> {
    use diesel::connection::{AnsiTransactionManager, TransactionManager as _};
    conn.begin_read()?;
    let done = f(conn);
    AnsiTransactionManager::rollback_transaction(conn)?;
    done
}

/// Hashes every table into the manifest, and writes its lines where there is a directory for them.
fn write_rows<C: Backend>(
    storage: &C::Storage,
    conn: &mut C,
    manifest: &mut Manifest,
    out: Option<&NewDirectory>,
) -> Result<(), ExportError> {
    let Shape { tables, others } = storage.shape(conn)?;
    manifest.left_out = others;
    if let Some(out) = out {
        out.create_directory(TABLES)?;
    }
    for (number, table) in tables.iter().enumerate() {
        let mut file = match out {
            Some(out) => Some(out.writer(&manifest::file_of(&table.name, number))?),
            None => None,
        };
        let hashed = hash_rows(storage, conn, table, &mut |line| match &mut file {
            Some(file) => file.write(line),
            None => Ok(()),
        })?;
        if let Some(file) = file {
            file.finish()?;
        }
        hit("export.table");
        manifest.tables.push(hashed);
    }
    Ok(())
}

/// Hashes the lines of a table, handing each on.
pub(crate) fn hash_rows<C: Backend>(
    storage: &C::Storage,
    conn: &mut C,
    table: &TableShape,
    each: &mut dyn FnMut(&[u8]) -> Result<(), ExportError>,
) -> Result<ExportedTable, ExportError> {
    let (mut hash, mut rows, mut failed) = (Sha256::new(), 0, None);
    let names: Vec<&str> = table
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    storage.each_row(conn, table, &mut |row| {
        if failed.is_some() {
            return;
        }
        rows += 1;
        let line = ndjson::line(&names, &row);
        if line.len() > ndjson::LONGEST_LINE {
            failed = Some(ExportError::RowTooLong {
                table: table.name.clone(),
                row: rows,
            });
            return;
        }
        hash.update(&line);
        failed = each(&line).err();
    })?;
    match failed {
        Some(error) => Err(error),
        None => Ok(ExportedTable {
            name: table.name.clone(),
            columns: names.into_iter().map(str::to_owned).collect(),
            rows,
            sha256: to_hex(&hash.finalize()),
            counter: table.counter,
        }),
    }
}

fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}
