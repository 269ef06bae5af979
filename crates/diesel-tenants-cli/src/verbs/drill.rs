//! `drill`
use std::fmt;

use clap::Args;
use diesel_tenants::{BackupFilter, BackupRef, DrillOptions, DrillReport, RestoreError};
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::{Failure, Kind};
use crate::output::Document;
use crate::show;
use crate::table::{Table, left, right};
use crate::value::text;
use crate::verbs::restore::Which;

/// Restore backups to a scratch database, to know that they can be, and report
///
/// Nothing but the scratch is touched, and that is removed. With `--all`, the newest backup of every database, or of a
/// `--sample` of them, so that it can be done every night. Exit code 3 where one could not be restored.
#[derive(Args, Debug)]
pub struct Drill {
    /// The backup's id or its directory
    #[arg(value_name = "BACKUP", value_parser = text::<Which>(), required_unless_present = "all")]
    backup: Option<Which>,
    /// The newest backup of every database
    #[arg(long, conflicts_with = "backup")]
    all: bool,
    /// Of this many databases at most, those first that were drilled longest ago or never
    #[arg(long, requires = "all", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    sample: Option<u32>,
    /// How many to restore at once; each needs room for its database
    #[arg(long, requires = "all", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    workers: u8,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Drilled {
    drills: Vec<Restorable>,
    failed: Vec<Failed>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Restorable {
    backup: String,
    /// Null for the shared database.
    tenant: Option<String>,
    rows: u64,
    bytes: u64,
    schema_version: Option<String>,
    /// How many migrations it was brought up by.
    migrated: usize,
    duration_ms: u64,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Failed {
    backup: String,
    /// Null for the shared database.
    tenant: Option<String>,
    message: String,
}

impl Restorable {
    fn of(report: &DrillReport) -> Self {
        Self {
            backup: report.backup.to_string(),
            tenant: report.tenant.map(|tenant| tenant.id.to_string()),
            rows: report.rows,
            bytes: report.bytes,
            schema_version: report.schema_version.clone(),
            migrated: report.migrated,
            duration_ms: u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl Drill {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let mut done = Drilled {
            drills: Vec::new(),
            failed: Vec::new(),
        };
        match &self.backup {
            Some(Which::Latest) => {
                let failure = Failure::new(
                    Kind::Usage,
                    "which backup is the latest depends on the tenant",
                );
                return Err(failure.hint("give the backup's id or its directory, or `--all`"));
            }
            Some(Which::Id(id)) => {
                done.add_one(tenancy.drill(&BackupRef::id(*id)), id.to_string())?
            }
            Some(Which::Path(path)) => {
                done.add_one(tenancy.drill(&BackupRef::path(path)), show::path(path))?
            }
            None => {
                let backups = tenancy.backups(&BackupFilter::all())?.len();
                app.output.note_progress(format_args!(
                    "restoring the newest of {} to a scratch",
                    show::count(backups, "backup")
                ));
                let mut options = DrillOptions::default().workers(self.workers.into());
                if let Some(most) = self.sample {
                    options = options.sample(most as usize);
                }
                for drilled in tenancy.drill_newest(&options)? {
                    let tenant = drilled.backup.tenant.map(|tenant| tenant.id.to_string());
                    match drilled.report {
                        Ok(report) => done.drills.push(Restorable::of(&report)),
                        Err(error) => done.failed.push(Failed {
                            backup: drilled.backup.id.to_string(),
                            tenant,
                            message: Failure::from(error).on_one_line(),
                        }),
                    }
                }
            }
        }
        // By tenant, the shared database last.
        done.drills
            .sort_by_key(|drill| (drill.tenant.is_none(), drill.tenant.clone()));
        done.failed
            .sort_by_key(|failed| (failed.tenant.is_none(), failed.tenant.clone()));
        app.emit(&done)
    }
}

impl Drilled {
    /// One that is not there, or could not be tried now, is an error; one that cannot be restored is a finding.
    fn add_one(
        &mut self,
        report: Result<DrillReport, RestoreError>,
        backup: String,
    ) -> Result<(), Failure> {
        match report {
            Ok(report) => self.drills.push(Restorable::of(&report)),
            Err(error) => {
                let failure = Failure::from(error);
                if matches!(failure.kind, Kind::NotFound | Kind::Busy | Kind::Usage) {
                    return Err(failure);
                }
                let message = failure.on_one_line();
                self.failed.push(Failed {
                    backup,
                    tenant: None,
                    message,
                });
            }
        }
        Ok(())
    }
}

impl Document for Drilled {
    const SCHEMA: &'static str = "drill/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        if self.drills.is_empty() && self.failed.is_empty() {
            return writeln!(f, "no backups");
        }
        let mut table = Table::new([
            left("RESTORABLE"),
            left("OF"),
            right("ROWS"),
            right("SIZE"),
            left("SCHEMA"),
        ]);
        for drill in &self.drills {
            table.row([
                drill.backup.clone(),
                drill
                    .tenant
                    .clone()
                    .unwrap_or_else(|| "(shared)".to_owned()),
                drill.rows.to_string(),
                show::bytes(drill.bytes),
                show::or_dash(drill.schema_version.as_ref()),
            ]);
        }
        if !table.is_empty() {
            write!(f, "{table}")?;
        }
        for failed in &self.failed {
            writeln!(
                f,
                "{} cannot be restored: {}",
                failed.backup, failed.message
            )?;
        }
        Ok(())
    }

    fn exit(&self) -> Exit {
        match self.failed.is_empty() {
            true => Exit::Done,
            false => Exit::Findings,
        }
    }
}
