//! `backup`
use std::fmt;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use diesel_tenants::{
    BackupError, BackupOptions, BackupReason, BackupRecord, BackupSetOptions, Tenancy, TenantId,
};
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::show;
use crate::table::{Table, left, right};
use crate::value::{Id, once};

/// Back up databases, as they are at one moment, while others go on writing
///
/// Each copy is looked into, hashed and described by a manifest before it counts. With `--all` it goes on past a tenant that
/// fails, and ends with exit code 1.
#[derive(Args, Debug)]
pub struct Backup {
    /// The tenants' ids
    #[arg(value_parser = Id, value_name = "ID", required_unless_present_any = ["all", "shared"])]
    ids: Vec<TenantId>,
    /// The shared database and all tenants
    #[arg(long, conflicts_with_all = ["ids", "shared"])]
    all: bool,
    /// The shared database
    #[arg(long)]
    shared: bool,
    /// Put them into this directory, which must exist, instead of `backups/` in the data directory
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Keep them from being pruned
    #[arg(long)]
    pin: bool,
    /// How many databases to copy at the same time, with `--all`
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64))]
    workers: u8,
    /// Why they are taken
    #[arg(long, value_name = "WHY", default_value = "manual")]
    reason: Reason,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Reason {
    Manual,
    Scheduled,
}

#[derive(Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct BackedUp {
    /// The set they were taken in, with `--all`.
    set: Option<String>,
    /// The directory of the set, with a manifest that names all of it.
    set_path: Option<String>,
    backups: Vec<Taken>,
    failed: Vec<Failed>,
    /// Tenants that were created while the set was taken.
    missed: Vec<String>,
}

/// A backup that counts.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Taken {
    pub(crate) id: String,
    /// Null for the shared database.
    pub(crate) tenant: Option<String>,
    /// RFC 3339, UTC: what was committed before is in it.
    pub(crate) taken_at: String,
    pub(crate) reason: &'static str,
    pub(crate) generation: u64,
    pub(crate) schema_version: Option<String>,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    pub(crate) pinned: bool,
    pub(crate) path: String,
    #[serde(skip)]
    pub(crate) taken: Option<std::time::SystemTime>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Failed {
    /// Null for the shared database.
    tenant: Option<String>,
    message: String,
}

impl Taken {
    pub(crate) fn of(record: &BackupRecord) -> Self {
        Self {
            id: record.id.to_string(),
            tenant: record.tenant.map(|tenant| tenant.id.to_string()),
            taken_at: show::iso(record.taken_at),
            reason: record.reason.as_str(),
            generation: record.generation,
            schema_version: record.schema_version.clone(),
            bytes: record.bytes,
            sha256: record.sha256.clone(),
            pinned: record.pinned,
            path: show::path(&record.path),
            taken: Some(record.taken_at),
        }
    }
}

/// Backups as a table for people.
pub(crate) fn table(backups: &[Taken]) -> Table {
    let mut table = Table::new([
        left("BACKUP"),
        left("OF"),
        right("SIZE"),
        left("SCHEMA"),
        left("REASON"),
        left("PINNED"),
        left("TAKEN"),
    ]);
    for backup in backups {
        table.row([
            backup.id.clone(),
            backup
                .tenant
                .clone()
                .unwrap_or_else(|| "(shared)".to_owned()),
            show::bytes(backup.bytes),
            show::or_dash(backup.schema_version.as_ref()),
            backup.reason.to_owned(),
            if backup.pinned { "yes" } else { "-" }.to_owned(),
            backup.taken.map(show::ago).unwrap_or_default(),
        ]);
    }
    table
}

impl Backup {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let reason = match self.reason {
            Reason::Manual => BackupReason::Manual,
            Reason::Scheduled => BackupReason::Scheduled,
        };
        let mut options = BackupOptions::new().reason(reason).pinned(self.pin);
        if let Some(directory) = &self.to {
            options = options.directory(directory);
        }
        if self.all {
            return self.all(app, &tenancy, options);
        }
        let mut what: Vec<Option<TenantId>> = Vec::new();
        if self.shared {
            what.push(None);
        }
        what.extend(once(&self.ids).into_iter().map(Some));
        let bar = app.progress(what.len() as u64, "backed up");
        let alone = what.len() == 1;
        let mut done = BackedUp::default();
        for tenant in what {
            let taken: Result<BackupRecord, BackupError> = match &tenant {
                Some(id) => tenancy.backup(id, &options),
                None => tenancy.backup_shared(&options),
            };
            match taken {
                Ok(record) => done.backups.push(Taken::of(&record)),
                Err(error) if alone => return Err(error.into()),
                Err(error) => done.failed.push(Failed {
                    tenant: tenant.map(|id| id.to_string()),
                    message: Failure::from(error).on_one_line(),
                }),
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        app.emit(&done)
    }

    fn all(&self, app: &App<'_>, tenancy: &Tenancy, each: BackupOptions) -> Result<Exit, Failure> {
        let bar = app.progress(0, "backed up");
        let options = BackupSetOptions::new()
            .each(each)
            .workers(self.workers.into());
        let set = tenancy.backup_all(&options, |progress| {
            bar.set_length(progress.total as u64);
            bar.set_position(progress.done as u64);
        });
        bar.finish_and_clear();
        let set = set?;
        let failed = set.failed.into_iter().map(|(tenant, error)| Failed {
            tenant: tenant.map(|tenant| tenant.id.to_string()),
            message: Failure::from(error).on_one_line(),
        });
        app.emit(&BackedUp {
            set: Some(set.id.to_string()),
            set_path: Some(show::path(&set.path)),
            backups: set.members.iter().map(Taken::of).collect(),
            failed: failed.collect(),
            missed: set
                .missed
                .iter()
                .map(|tenant| tenant.id.to_string())
                .collect(),
        })
    }
}

impl Document for BackedUp {
    const SCHEMA: &'static str = "backup/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        write!(f, "{}", table(&self.backups))?;
        for Failed { tenant, message } in &self.failed {
            let whose = tenant.as_deref().unwrap_or("the shared database");
            writeln!(f, "{whose} was not backed up: {message}")?;
        }
        if !self.missed.is_empty() {
            writeln!(
                f,
                "created meanwhile, and not in the set: {}",
                self.missed.join(", ")
            )?;
        }
        match (&self.set_path, &self.backups[..]) {
            (Some(path), _) => writeln!(f, "a set, in {path}"),
            (None, [one]) => writeln!(f, "in {}", one.path),
            (None, _) => Ok(()),
        }
    }

    fn exit(&self) -> Exit {
        match self.failed.is_empty() && self.missed.is_empty() {
            true => Exit::Done,
            false => Exit::Failed,
        }
    }
}
