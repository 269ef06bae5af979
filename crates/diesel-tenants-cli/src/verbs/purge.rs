//! `purge`, `due`
use std::fmt;
use std::path::PathBuf;

use clap::Args;
use diesel_tenants::{BackupOptions, BackupsOnPurge, Certificate, PurgeError, PurgeOptions};
use serde::Serialize;
use uuid::Uuid;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::show;
use crate::table::{Fields, Table, left};
use crate::value::{OnlyOne, text};

/// Remove a deleted tenant and every file of it; there is no way back
///
/// Refused before its date, under a legal hold, and by a clock that has jumped ahead. What stays is a certificate, which is
/// its tombstone: nothing brings it back. Wants the id confirmed.
#[derive(Args, Debug)]
pub struct Purge {
    #[command(flatten)]
    tenant: OnlyOne,
    /// Remove what was put back of a tenant that was purged before, by its uuid; `doctor` finds such files
    #[arg(long, value_name = "UUID", value_parser = text::<Uuid>(), conflicts_with_all = ["with_backups", "i_checked_the_clock"])]
    uuid: Option<Uuid>,
    /// Remove its backups too, instead of leaving them to `prune --after-purge`
    #[arg(long)]
    with_backups: bool,
    /// Take a last backup before, which outlives the purge; none where this is not given
    #[arg(long, conflicts_with = "uuid")]
    final_backup: bool,
    /// Put the final backup into this directory instead of the data directory's own
    #[arg(long, value_name = "DIR", requires = "final_backup")]
    to: Option<PathBuf>,
    /// Believe a clock that is more than a week ahead of what the catalogue last saw
    #[arg(long)]
    i_checked_the_clock: bool,
    /// Go on although its database in use is missing and older ones are there
    #[arg(long, conflicts_with = "uuid")]
    although_its_database_is_missing: bool,
}

/// List the deleted tenants that may be purged now
#[derive(Args, Debug)]
pub struct Due {}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Purged {
    id: String,
    uuid: String,
    generations: Vec<u64>,
    /// Those of them that could not be read.
    unreadable: Vec<u64>,
    bytes: u64,
    backups_removed: u64,
    /// Those that were to be removed, and whose directory is out of reach.
    backups_left: Vec<String>,
    backups_kept: bool,
    /// The last one, where one was taken.
    final_backup: Option<String>,
    /// RFC 3339, UTC.
    completed_at: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct DueNow {
    tenants: Vec<DueTenant>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct DueTenant {
    id: String,
    name: String,
    /// RFC 3339, UTC.
    delete_after: Option<String>,
    next: String,
}

impl Purge {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let id = self.tenant.id("purge")?;
        let tenancy = app.open()?;
        const WHAT: &str = "removes for ever every file of";
        if let Some(uuid) = self.uuid {
            let confirmation = app.confirm_id(id, None, WHAT)?;
            let certificate = tenancy.purge_undead(&uuid, &confirmation)?;
            return app.emit(&Purged::of(&certificate));
        }
        let record = tenancy.handle(&id)?.record()?;
        let confirmation = app.confirm(&record, WHAT)?;
        let mut options = PurgeOptions::default();
        if self.with_backups {
            options = options.backups(BackupsOnPurge::Remove);
        }
        if self.final_backup {
            let backup = match &self.to {
                Some(directory) => BackupOptions::new().directory(directory),
                None => BackupOptions::new(),
            };
            options = options.final_backup(backup);
        }
        if self.i_checked_the_clock {
            options = options.i_checked_the_clock();
        }
        if self.although_its_database_is_missing {
            options = options.although_its_database_is_missing();
        }
        let certificate = tenancy.purge_with(&id, &confirmation, &options);
        let certificate = certificate.map_err(|error| explain(app, error))?;
        app.emit(&Purged::of(&certificate))
    }
}

fn explain(app: &App<'_>, error: PurgeError) -> Failure {
    let hint = match &error {
        PurgeError::NotScheduled { id } => {
            Some(format!("`{}`", app.command(&format!("delete {id}"))))
        }
        PurgeError::OnHold { id } => Some(format!(
            "`{}` says why, `{}` lifts it",
            app.command(&format!("show {id}")),
            app.command(&format!("release {id}"))
        )),
        PurgeError::ClockJump { .. } => {
            Some("look at the clock, then add `--i-checked-the-clock`".to_owned())
        }
        PurgeError::FinalBackup { .. } => {
            Some("mend that, or leave `--final-backup` away; nothing was removed".to_owned())
        }
        _ => None,
    };
    let failure = Failure::from(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

impl Purged {
    fn of(certificate: &Certificate) -> Self {
        Self {
            id: certificate.id.to_string(),
            uuid: certificate.uuid.to_string(),
            generations: certificate
                .generations
                .iter()
                .map(|it| it.generation)
                .collect(),
            unreadable: certificate.unreadable.clone(),
            bytes: certificate.bytes,
            backups_removed: certificate.backups_removed,
            backups_left: certificate
                .backups_left
                .iter()
                .map(Uuid::to_string)
                .collect(),
            backups_kept: certificate.backups == BackupsOnPurge::Keep,
            final_backup: certificate.final_backup.map(|id| id.to_string()),
            completed_at: certificate.completed_at.map(show::iso),
        }
    }
}

impl Due {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let due = tenancy.due()?;
        let tenants = due.iter().map(|record| DueTenant {
            id: record.id.to_string(),
            name: record.display_name.as_str().to_owned(),
            delete_after: record.delete_after.map(show::iso),
            next: app.command(&format!("purge {0} --yes-i-mean {0}", record.id)),
        });
        app.emit(&DueNow {
            tenants: tenants.collect(),
        })
    }
}

impl Document for Purged {
    const SCHEMA: &'static str = "purge/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(f, "purged {}", self.id)?;
        let generations: Vec<String> = self.generations.iter().map(u64::to_string).collect();
        let unreadable: Vec<String> = self.unreadable.iter().map(u64::to_string).collect();
        let unreadable = Some(unreadable.join(", ")).filter(|text| !text.is_empty());
        let backups = match self.backups_kept {
            true => {
                "kept, until `backups --remove` or `prune --after-purge` removes them".to_owned()
            }
            false => format!("{} removed", self.backups_removed),
        };
        let fields = Fields::new()
            .with("uuid", &self.uuid)
            .with("generations", generations.join(", "))
            .with_some("not readable", unreadable.as_ref())
            .with("size", show::bytes(self.bytes))
            .with("backups", backups)
            .with_some("final backup", self.final_backup.as_ref())
            .with_some("completed", self.completed_at.as_ref());
        write!(f, "{fields}")?;
        if !self.backups_left.is_empty() {
            writeln!(
                f,
                "these backups were not removed, because their directory is out of reach; mount its disk, then give each to `backups --remove`:"
            )?;
        }
        let mut left = self.backups_left.iter();
        left.try_for_each(|backup| writeln!(f, "  {backup}"))
    }

    fn exit(&self) -> Exit {
        match self.backups_left.is_empty() {
            true => Exit::Done,
            false => Exit::Findings,
        }
    }
}

impl Document for DueNow {
    const SCHEMA: &'static str = "due/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        if self.tenants.is_empty() {
            return writeln!(f, "no tenant may be purged now");
        }
        let mut table = Table::new([left("ID"), left("SINCE"), left("NAME")]);
        for tenant in &self.tenants {
            table.row([
                tenant.id.clone(),
                show::or_dash(tenant.delete_after.as_ref()),
                tenant.name.clone(),
            ]);
        }
        write!(f, "{table}")?;
        let next: Vec<String> = self
            .tenants
            .iter()
            .map(|tenant| tenant.next.clone())
            .collect();
        show::next(f, &next)
    }
}
