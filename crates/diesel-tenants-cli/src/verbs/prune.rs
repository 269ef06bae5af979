//! `prune`
use std::fmt;

use clap::Args;
use diesel_tenants::{BackupError, BackupRecord, RetentionPolicy, Spared};
use serde::Serialize;

use crate::app::App;
use crate::clock::Jump;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::show;
use crate::value::{Span, text};
use crate::verbs::backup::{Taken, table};

/// Remove backups that no rule keeps
///
/// A backup is kept if any of the numbers keeps it; the newest of each database and every pinned one are kept whatever they
/// are. Days, weeks and months are those of UTC. Where the newest backup of a database is not there, none of that database
/// is removed.
#[derive(Args, Debug)]
pub struct Prune {
    /// How many of the newest to keep of each database
    #[arg(long, value_name = "N", default_value_t = RetentionPolicy::default().keep_last)]
    keep_last: usize,
    /// For how many days to keep the newest of the day
    #[arg(long, value_name = "N", default_value_t = RetentionPolicy::default().daily)]
    daily: usize,
    /// For how many weeks to keep the newest of the week
    #[arg(long, value_name = "N", default_value_t = RetentionPolicy::default().weekly)]
    weekly: usize,
    /// For how many months to keep the newest of the month
    #[arg(long, value_name = "N", default_value_t = RetentionPolicy::default().monthly)]
    monthly: usize,
    /// Remove every backup, the newest too, of a tenant that was purged this long ago; pinned ones stay
    #[arg(long, value_name = "AGE", value_parser = text::<Span>())]
    after_purge: Option<Span>,
    /// Believe a clock that is more than a week ahead of what the shared database last saw
    #[arg(long, conflicts_with = "dry_run")]
    i_checked_the_clock: bool,
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Pruned {
    dry_run: bool,
    /// Removed, or what would be.
    removed: Vec<Taken>,
    removed_bytes: u64,
    kept: usize,
    /// Those that could not be removed.
    failed: Vec<Failed>,
    /// Databases whose newest backup is not there, so that none was removed.
    held: Vec<Failed>,
    /// Tenants none of whose backups is removed, however old.
    spared: Vec<SparedTenant>,
    /// Those that are kept only because the clock is not believed.
    held_by_clock: Vec<String>,
    /// Why it is not.
    clock_jump: Option<Jump>,
    /// What kept the sets none of whose backups is left from being removed.
    sets_failed: Vec<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SparedTenant {
    id: String,
    uuid: String,
    /// Whether it is under a legal hold; else the catalogue does not know it.
    on_hold: bool,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Failed {
    backup: String,
    /// Null for the shared database.
    tenant: Option<String>,
    message: String,
}

impl Failed {
    fn of((backup, error): (BackupRecord, BackupError)) -> Self {
        Self {
            backup: backup.id.to_string(),
            tenant: backup.tenant.map(|tenant| tenant.id.to_string()),
            message: Failure::from(error).on_one_line(),
        }
    }
}

impl Prune {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let policy = RetentionPolicy {
            keep_last: self.keep_last,
            daily: self.daily,
            weekly: self.weekly,
            monthly: self.monthly,
            after_purge: self.after_purge.map(|age| age.0),
        };
        if self.i_checked_the_clock {
            tenancy.i_checked_the_clock()?;
        }
        let report = tenancy.prune_backups(&policy, self.dry_run)?;
        app.emit(&Pruned {
            dry_run: self.dry_run,
            removed_bytes: report.bytes(),
            removed: report.removed.iter().map(Taken::of).collect(),
            kept: report.kept.len(),
            failed: report.failed.into_iter().map(Failed::of).collect(),
            held: report.held.into_iter().map(Failed::of).collect(),
            spared: report
                .spared
                .iter()
                .map(|(key, why)| SparedTenant {
                    id: key.id.to_string(),
                    uuid: key.uuid.to_string(),
                    on_hold: *why == Spared::OnHold,
                })
                .collect(),
            held_by_clock: report
                .held_by_clock
                .iter()
                .map(|backup| backup.id.to_string())
                .collect(),
            clock_jump: report.clock_jump.map(Jump::from),
            sets_failed: report
                .sets_failed
                .into_iter()
                .map(|error| Failure::from(error).on_one_line())
                .collect(),
        })
    }
}

impl Document for Pruned {
    const SCHEMA: &'static str = "prune/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        if !self.removed.is_empty() {
            write!(f, "{}", table(&self.removed))?;
        }
        let (count, size) = (
            show::count(self.removed.len(), "backup"),
            show::bytes(self.removed_bytes),
        );
        match self.dry_run {
            true => writeln!(
                f,
                "{count} ({size}) would be removed, {} kept; nothing was done",
                self.kept
            )?,
            false => writeln!(f, "{count} ({size}) removed, {} kept", self.kept)?,
        }
        for failed in &self.failed {
            writeln!(
                f,
                "{} could not be removed: {}",
                failed.backup, failed.message
            )?;
        }
        for failed in &self.sets_failed {
            writeln!(f, "an empty set could not be removed: {failed}")?;
        }
        for held in &self.held {
            let whose = held.tenant.as_deref().unwrap_or("the shared database");
            writeln!(
                f,
                "none of {whose} was removed, its newest is not in order: {}",
                held.message
            )?;
        }
        for spared in self.spared.iter().filter(|spared| !spared.on_hold) {
            writeln!(
                f,
                "none of {} ({}) was removed: the catalogue does not know it, and nobody has purged it; `reclaim` takes it \
                 back, `backups --remove` removes one",
                spared.id, spared.uuid
            )?;
        }
        Jump::write(self.clock_jump.as_ref(), &self.held_by_clock, f)
    }

    fn exit(&self) -> Exit {
        let is_done = self.failed.is_empty() && self.sets_failed.is_empty();
        match (
            is_done,
            self.held.is_empty()
                && self.held_by_clock.is_empty()
                && self.spared.iter().all(|spared| spared.on_hold),
        ) {
            (false, _) => Exit::Failed,
            (true, false) => Exit::Findings,
            (true, true) => Exit::Done,
        }
    }
}
