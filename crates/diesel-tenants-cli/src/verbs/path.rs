//! `path`
use std::fmt;

use clap::Args;
use diesel_tenants::TenantId;
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::show;
use crate::value::Id;

/// Print the path of a tenant's database file
///
/// The file it is in now: restoring, compacting and recreating make a new one. Read it with SQLite's own means, never
/// with `cp` while a service runs: what is in the `-wal` beside it would be lost.
#[derive(Args, Debug)]
pub struct PathOf {
    /// The tenant's id
    #[arg(value_parser = Id, required_unless_present = "shared")]
    id: Option<TenantId>,
    /// The shared database instead
    #[arg(long, conflicts_with = "id")]
    shared: bool,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Located {
    /// Null for the shared database.
    id: Option<String>,
    path: String,
    /// Bytes on disk; null where there is no file.
    bytes: Option<u64>,
}

impl PathOf {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let file = match &self.id {
            Some(id) => tenancy.database_file(id)?,
            None => tenancy.shared_file()?,
        };
        app.emit(&Located {
            id: self.id.map(|id| id.to_string()),
            path: show::path(&file.path),
            bytes: file.bytes,
        })
    }
}

impl Document for Located {
    const SCHEMA: &'static str = "path/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(f, "{}", self.path)
    }
}
