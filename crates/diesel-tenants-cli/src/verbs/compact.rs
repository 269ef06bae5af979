//! `compact`
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

/// Make a tenant's database anew without its free pages
///
/// As its next generation. The tenant is closed meanwhile, in this and every other process; it takes about as long as
/// writing the database twice.
#[derive(Args, Debug)]
pub struct Compact {
    /// The tenant's id
    #[arg(value_parser = Id)]
    id: TenantId,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Compacted {
    id: String,
    bytes_before: u64,
    bytes_after: u64,
    generation: u64,
    path: String,
}

impl Compact {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let done = tenancy.compact(&self.id)?;
        app.emit(&Compacted {
            id: tenancy.handle(&self.id)?.id().to_string(),
            bytes_before: done.before,
            bytes_after: done.after,
            generation: done.generation,
            path: show::path(&tenancy.database_file(&self.id)?.path),
        })
    }
}

impl Document for Compacted {
    const SCHEMA: &'static str = "compact/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        let (before, after) = (
            show::bytes(self.bytes_before),
            show::bytes(self.bytes_after),
        );
        writeln!(
            f,
            "compacted {}: {before} before, {after} now, generation {}",
            self.id, self.generation
        )
    }
}
