//! `backups`
use std::fmt;

use clap::Args;
use diesel_tenants::{BackupError, BackupFilter, Tenancy, TenantId};
use serde::Serialize;
use uuid::Uuid;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::value::{Id, text};
use crate::verbs::backup::{Taken, table};

/// List the backups, newest first; pin one, or remove one
#[derive(Args, Debug)]
pub struct Backups {
    /// Those of this tenant only
    #[arg(value_parser = Id)]
    id: Option<TenantId>,
    /// Those of the shared database only
    #[arg(long, conflicts_with = "id")]
    shared: bool,
    /// Keep this backup from being pruned
    #[arg(long, value_name = "BACKUP", value_parser = text::<Uuid>())]
    pin: Option<Uuid>,
    /// Let this backup be pruned again
    #[arg(long, value_name = "BACKUP", value_parser = text::<Uuid>(), conflicts_with = "pin")]
    unpin: Option<Uuid>,
    /// Remove this backup, for which there is no way back; wants the id of its tenant confirmed, or `shared`
    #[arg(long, value_name = "BACKUP", value_parser = text::<Uuid>(), conflicts_with_all = ["pin", "unpin"])]
    remove: Option<Uuid>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Listed {
    backups: Vec<Taken>,
}

impl Backups {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        for (backup, pinned) in [(self.pin, true), (self.unpin, false)] {
            if let Some(backup) = backup {
                tenancy.pin_backup(backup, pinned)?;
            }
        }
        if let Some(backup) = self.remove {
            remove(app, &tenancy, backup)?;
        }
        let filter = match (&self.id, self.shared) {
            (Some(id), _) => BackupFilter::tenant(id),
            (None, true) => BackupFilter::shared(),
            (None, false) => BackupFilter::all(),
        };
        let backups = tenancy.backups(&filter)?;
        app.emit(&Listed {
            backups: backups.iter().map(Taken::of).collect(),
        })
    }
}

fn remove(app: &App<'_>, tenancy: &Tenancy, id: Uuid) -> Result<(), Failure> {
    let backups = tenancy.backups(&BackupFilter::all())?;
    let found = backups.iter().find(|backup| backup.id == id);
    let found = found.ok_or(BackupError::Unknown { id })?;
    match found.tenant {
        Some(tenant) => drop(app.confirm_id(tenant.id, None, "removes for ever a backup of")?),
        None => app.confirm_word("shared", "removes for ever a backup of the shared database")?,
    }
    Ok(tenancy.remove_backup(id)?)
}

impl Document for Listed {
    const SCHEMA: &'static str = "backups/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        match self.backups.is_empty() {
            true => writeln!(f, "no backups"),
            false => write!(f, "{}", table(&self.backups)),
        }
    }
}
