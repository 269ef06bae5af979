//! `undo`
use std::fmt;

use clap::Args;
use diesel_tenants::RestoreError;
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::show;
use crate::value::OnlyOne;

/// Bring back the data a tenant had before it was restored, recreated or undone
///
/// What was written since is kept in turn: undoing twice changes nothing. Wants the id confirmed.
#[derive(Args, Debug)]
pub struct Undo {
    #[command(flatten)]
    tenant: OnlyOne,
    /// Bring this old generation back instead of the newest; `generations` lists them
    #[arg(long, value_name = "N")]
    generation: Option<u64>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Undone {
    id: String,
    generation: u64,
    /// The old generation it is a copy of, which stays.
    copy_of: u64,
    /// The one it replaced, kept in turn.
    kept_generation: Option<u64>,
    path: String,
}

impl Undo {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let id = self.tenant.id("undo")?;
        let tenancy = app.open()?;
        let record = tenancy.handle(&id)?.record()?;
        let old = tenancy.old_generations(&id)?;
        let id = record.id;
        let wanted = match (self.generation, old.as_slice()) {
            (_, []) => return Err(RestoreError::NothingToUndo { id }.into()),
            (None, [newest, ..]) => newest,
            (Some(generation), old) => old
                .iter()
                .find(|old| old.generation == generation)
                .ok_or(RestoreError::NotKept { id, generation })?,
        };
        let what = format!(
            "brings back generation {}, of before a {}, to",
            wanted.generation, wanted.replaced_by
        );
        let confirmation = app.confirm(&record, &what)?;
        let done = tenancy.undo_to(&id, wanted.generation, &confirmation)?;
        app.emit(&Undone {
            id: id.to_string(),
            generation: done.generation,
            copy_of: done.copy_of,
            kept_generation: done.kept,
            path: show::path(&tenancy.database_file(&id)?.path),
        })
    }
}

impl Document for Undone {
    const SCHEMA: &'static str = "undo/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        let Self {
            id,
            generation,
            copy_of,
            ..
        } = self;
        write!(
            f,
            "{id} has the data of generation {copy_of} again, as generation {generation}"
        )?;
        match self.kept_generation {
            Some(kept) => writeln!(f, "; generation {kept} is kept"),
            None => writeln!(f),
        }
    }
}
