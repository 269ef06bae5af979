//! `export`
use std::fmt;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use diesel_tenants::TenantId;
use diesel_tenants::export::ExportFormat;
use serde::Serialize;

use crate::app::{App, quoted};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::show;
use crate::value::Id;

/// Write everything a tenant has into a new directory: readable, complete, of one moment
///
/// For handing data out, and for another installation, which takes it in with `import`. It is patients' data like the
/// database itself: the files are yours alone (mode 0600). Rows of virtual tables (full-text and R-tree indexes) are not
/// exported; where there are some, it says of which and ends with 3.
#[derive(Args, Debug)]
pub struct Export {
    /// The tenant's id
    #[arg(value_parser = Id)]
    id: TenantId,
    /// The directory, which must not exist yet
    directory: PathBuf,
    /// A JSON object for each row, or one plain SQLite file
    #[arg(long, default_value = "ndjson")]
    format: Format,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Format {
    Ndjson,
    Sqlite,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Exported {
    id: String,
    directory: String,
    schema_version: Option<String>,
    tables: usize,
    rows: u64,
    bytes: u64,
    /// Views and virtual tables, which are not among the rows.
    left_out: Vec<String>,
    /// Those of them that hold rows, which an import does not bring back.
    rows_left_out: Vec<String>,
    next: Vec<String>,
}

impl Export {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let format = match self.format {
            Format::Ndjson => ExportFormat::Ndjson,
            Format::Sqlite => ExportFormat::Sqlite,
        };
        let report = tenancy.export(&self.id, &self.directory, format)?;
        let directory = show::path(&self.directory);
        app.emit(&Exported {
            id: report.tenant.to_string(),
            schema_version: report.schema_version.clone(),
            tables: report.tables.len(),
            rows: report.rows(),
            bytes: report.bytes,
            left_out: report.left_out.clone(),
            rows_left_out: report.rows_left_out.clone(),
            next: vec![app.command(&format!(
                "import NEW_ID {} --name \"New Name\"",
                quoted(&directory)
            ))],
            directory,
        })
    }
}

impl Document for Exported {
    const SCHEMA: &'static str = "export/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        let rows = format!(
            "{} of {}",
            show::count(self.rows as usize, "row"),
            show::count(self.tables, "table")
        );
        writeln!(
            f,
            "exported {}: {rows}, {}, in {}",
            self.id,
            show::bytes(self.bytes),
            self.directory
        )?;
        let holds_rows = |name: &String| self.rows_left_out.contains(name);
        let (lost, remade): (Vec<String>, Vec<String>) =
            self.left_out.iter().cloned().partition(holds_rows);
        if !remade.is_empty() {
            writeln!(
                f,
                "left out, as migrations make them again: {}",
                remade.join(", ")
            )?;
        }
        if !lost.is_empty() {
            writeln!(
                f,
                "rows that are not in the export, and not in what is imported from it: those of {}",
                lost.join(", ")
            )?;
        }
        show::next(f, &self.next)
    }

    fn exit(&self) -> Exit {
        match self.rows_left_out.is_empty() {
            true => Exit::Done,
            false => Exit::Findings,
        }
    }
}
