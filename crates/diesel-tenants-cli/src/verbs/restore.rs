//! `restore`
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::SystemTime;

use clap::Args;
use diesel_tenants::{
    BackupFilter, BackupRecord, BackupRef, RestoreError, RestoreOptions, Tenancy, TenantId,
};
use serde::Serialize;
use uuid::Uuid;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::{Failure, Kind};
use crate::output::Document;
use crate::show;
use crate::table::Fields;
use crate::value::{OnlyOne, text};

/// Replace a tenant's data with that of a backup
///
/// The backup is verified first; the tenant is closed and fenced meanwhile, in every process; what it had is backed up and
/// kept, so that `undo` brings it back. Wants the id confirmed.
#[derive(Args, Debug)]
pub struct Restore {
    #[command(flatten)]
    tenant: OnlyOne,
    /// The backup's id, its directory, or `latest`: the newest that was asked for, not one that an operation took on its way
    #[arg(value_name = "BACKUP", value_parser = text::<Which>(), required_unless_present = "all")]
    backup: Option<Which>,
    /// Take no backup of the present data before; it is kept as the old generation all the same
    #[arg(long)]
    without_safety_backup: bool,
    /// Leave the schema as it is in the backup
    #[arg(long)]
    without_migrating: bool,
    /// Restore a backup whose schema is not what its migrations make
    #[arg(long)]
    allow_drift: bool,
}

/// Names a backup.
#[derive(Clone, Debug)]
pub(crate) enum Which {
    Latest,
    Id(Uuid),
    Path(PathBuf),
}

impl FromStr for Which {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.parse() {
            _ if text == "latest" => Self::Latest,
            Ok(id) => Self::Id(id),
            Err(_) => Self::Path(text.into()),
        })
    }
}

impl Which {
    /// The backup, `latest` being that of the tenant, with what the question about it calls it.
    fn find(&self, tenancy: &Tenancy, id: &TenantId) -> Result<(BackupRef, String), Failure> {
        let known = match self {
            Self::Path(path) => {
                let said = format!("the backup in {}", show::path(path));
                return Ok((BackupRef::path(path), said));
            }
            _ => tenancy.backups(&BackupFilter::tenant(id))?,
        };
        let called = |it: &BackupRecord| {
            let (reason, age) = (it.reason, show::ago(it.taken_at));
            format!("the {reason} backup that was taken {age}")
        };
        if let Self::Id(backup) = self {
            let said = known.iter().find(|it| it.id == *backup).map(called);
            let said = said.unwrap_or_else(|| format!("backup {backup}"));
            return Ok((BackupRef::id(*backup), said));
        }
        // What a restore takes on its way is the newest then, and is what was to be replaced: the same command given
        // twice would bring it back.
        let asked_for = known.iter().find(|it| it.reason.is_asked_for());
        if let Some(newest) = asked_for
            && newest.taken_at > SystemTime::now()
        {
            let when = show::iso(newest.taken_at);
            let message = format!(
                "the newest backup of tenant `{id}` is of {when}, which is still to come; it cannot be told which is the latest"
            );
            return Err(Failure::new(Kind::Refused, message)
                .hint("look at the clock; `backups` lists them, name one by its id"));
        }
        match asked_for {
            Some(newest) => Ok((BackupRef::from(newest), called(newest))),
            None if known.is_empty() => Err(Failure::new(
                Kind::NotFound,
                format!("tenant `{id}` has no backup"),
            )),
            None => Err(Failure::new(
                Kind::NotFound,
                format!("tenant `{id}` has no backup but those that operations took on their way"),
            )
            .hint("`backups` lists them; name one by its id")),
        }
    }
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Restored {
    id: String,
    backup: String,
    generation: u64,
    path: String,
    /// The generation of before, which is kept for an undo.
    kept_generation: Option<u64>,
    /// The backup that was taken of what it replaced.
    safety_backup: Option<String>,
    /// Versions it was migrated by, oldest first.
    migrated: Vec<String>,
    next: Vec<String>,
}

impl Restore {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let id = self.tenant.id("restore")?;
        let tenancy = app.open()?;
        let record = tenancy.handle(&id)?.record()?;
        let id = record.id;
        let which = self.backup.as_ref();
        let which = which.ok_or_else(|| Failure::new(Kind::Usage, "which backup?"))?;
        let (backup, called) = which.find(&tenancy, &id)?;
        let confirmation =
            app.confirm(&record, &format!("puts {called} in place of the data of"))?;
        let mut options = RestoreOptions::confirmed(confirmation);
        if self.without_safety_backup {
            options = options.without_safety_backup();
        }
        if self.without_migrating {
            options = options.without_migrating();
        }
        if self.allow_drift {
            options = options.allow_drift();
        }
        let done = tenancy.restore(&id, &backup, &options).map_err(explain)?;
        let next = done.kept.map(|_| app.command(&format!("undo {id}")));
        app.emit(&Restored {
            id: id.to_string(),
            backup: done.backup.to_string(),
            generation: done.generation,
            path: show::path(&tenancy.database_file(&id)?.path),
            kept_generation: done.kept,
            safety_backup: done.safety.map(|backup| backup.id.to_string()),
            migrated: done.migrated.iter().map(|it| it.version.clone()).collect(),
            next: next.into_iter().collect(),
        })
    }
}

/// The option that a message of the library calls by the name of its method.
pub(crate) fn explain(error: RestoreError) -> Failure {
    let hint = match &error {
        RestoreError::SchemaDrift { .. } => Some("`--allow-drift` restores it all the same"),
        RestoreError::NoSafetyBackup(_) => Some("mend that, or add `--without-safety-backup`"),
        RestoreError::WrongTenantBackup { .. } => {
            Some("`backups` lists those of each tenant, `clone` makes a new tenant of one")
        }
        _ => None,
    };
    let failure = Failure::from(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

impl Document for Restored {
    const SCHEMA: &'static str = "restore/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(f, "restored {} from backup {}", self.id, self.backup)?;
        let kept = self
            .kept_generation
            .map(|kept| format!("generation {kept}"));
        let migrated = Some(self.migrated.join(", ")).filter(|it| !it.is_empty());
        let fields = Fields::new()
            .with("database", &self.path)
            .with("generation", self.generation.to_string())
            .with_some("migrated", migrated)
            .with_some("kept", kept)
            .with_some("backup of before", self.safety_backup.as_ref());
        write!(f, "{fields}")?;
        show::next(f, &self.next)
    }
}
