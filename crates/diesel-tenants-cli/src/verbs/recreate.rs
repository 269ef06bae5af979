//! `recreate`
use std::fmt;

use clap::Args;
use diesel_tenants::{RecreateError, RecreateOptions};
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::show;
use crate::table::Fields;
use crate::value::OnlyOne;

/// Give a tenant a new and empty database in place of the one it has
///
/// A backup is taken before, and the old database is kept, so that `undo` brings it back. Wants the id confirmed.
#[derive(Args, Debug)]
pub struct Recreate {
    #[command(flatten)]
    tenant: OnlyOne,
    /// Take no backup before
    #[arg(long)]
    without_backup: bool,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Recreated {
    id: String,
    generation: u64,
    path: String,
    /// The generation of before, which is kept for an undo.
    kept_generation: Option<u64>,
    /// What was wrong with the database of before, where it could not be used any more.
    lost: Option<String>,
    /// The backup that was taken before.
    backup: Option<String>,
    next: Vec<String>,
}

impl Recreate {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let id = self.tenant.id("recreate")?;
        let tenancy = app.open()?;
        let record = tenancy.handle(&id)?.record()?;
        let confirmation = app.confirm(&record, "gives a new and EMPTY database to")?;
        let mut options = RecreateOptions::default();
        if self.without_backup {
            options = options.without_backup();
        }
        let done = tenancy.recreate_with(&id, &confirmation, &options);
        let done = done.map_err(|error| match error {
            RecreateError::Backup { .. } => Failure::from(error)
                .hint("find out why, or add `--without-backup` if you do mean it"),
            error => error.into(),
        })?;
        let next = done
            .kept
            .map(|_| app.command(&format!("undo {}", record.id)));
        app.emit(&Recreated {
            id: record.id.to_string(),
            generation: done.generation,
            path: show::path(&tenancy.database_file(&id)?.path),
            kept_generation: done.kept,
            lost: done.lost,
            backup: done.backup.map(|backup| backup.id.to_string()),
            next: next.into_iter().collect(),
        })
    }
}

impl Document for Recreated {
    const SCHEMA: &'static str = "recreate/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(f, "recreated {}: its database is new and empty", self.id)?;
        let kept = self
            .kept_generation
            .map(|kept| format!("generation {kept}"));
        let fields = Fields::new()
            .with("database", &self.path)
            .with("generation", self.generation.to_string())
            .with_some("kept", kept)
            .with_some("backup", self.backup.as_ref())
            .with_some("lost", self.lost.as_ref());
        write!(f, "{fields}")?;
        show::next(f, &self.next)
    }
}
