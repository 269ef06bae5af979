//! `runs`
use std::fmt;

use clap::Args;
use diesel_tenants::fleet::{FleetError, FleetRun, MigrateFleet, RunOutcome};
use serde::Serialize;
use uuid::Uuid;

use crate::again;
use crate::app::App;
use crate::exit::Exit;
use crate::failure::{Failure, Kind};
use crate::output::Document;
use crate::show;
use crate::table::{Table, left, right};
use crate::value::{Span, text};
use crate::verbs::migrate::{Migrated, observed};

/// List the runs of `migrate`, report on one again, go on with it or stop it
#[derive(Args, Debug)]
pub struct Runs {
    /// The run's id, for its report
    #[arg(value_parser = text::<Uuid>())]
    run: Option<Uuid>,
    /// Go on with this run, which was cut short, for the tenants it was begun for
    #[arg(long, requires = "run")]
    resume: bool,
    /// Let nothing more of this run be begun; what is being worked on, by whichever process, is finished
    #[arg(long, requires = "run", conflicts_with = "resume")]
    stop: bool,
    /// Back each tenant up just before it is migrated; one that cannot be backed up is not migrated
    #[arg(long, requires = "resume")]
    backup: bool,
    /// Look through each database for damage just before it is migrated; a damaged one is left as it is. Reads all of it
    #[arg(long, requires = "resume")]
    check: bool,
    /// How many tenants to work on at once [default: the number of processor cores]
    #[arg(long, requires = "resume", value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    workers: Option<u8>,
    /// As for `migrate` [default: 1m]
    #[arg(long, requires = "resume", value_name = "TIME", value_parser = text::<Span>())]
    timeout: Option<Span>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Stopped {
    run: String,
    /// stopped, or running while what was begun is finished.
    outcome: &'static str,
    /// Tenants that were not begun.
    left: u64,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Listed {
    /// Newest first, at most 100.
    runs: Vec<Run>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Run {
    id: String,
    /// running, interrupted, done, failed, stopped or superseded.
    outcome: &'static str,
    target_version: Option<String>,
    started_at: String,
    finished_at: Option<String>,
    done: u64,
    failed: u64,
    left: u64,
    #[serde(skip)]
    started: Option<std::time::SystemTime>,
}

impl Run {
    fn of(run: &FleetRun) -> Self {
        Self {
            id: run.id.to_string(),
            outcome: run.outcome.as_str(),
            target_version: run.target_version.clone(),
            started_at: show::iso(run.started_at),
            finished_at: run.finished_at.map(show::iso),
            done: run.totals.done,
            failed: run.totals.failed,
            left: run.totals.left,
            started: Some(run.started_at),
        }
    }
}

impl Runs {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let Some(run) = self.run else {
            let runs = tenancy.fleet_runs()?.iter().map(Run::of).collect();
            return app.emit(&Listed { runs });
        };
        let explain = |error: FleetError| match error {
            FleetError::UnknownRun { .. } => {
                Failure::from(error).hint(format!("`{}` lists them", app.command("runs")))
            }
            FleetError::OtherTarget { .. } => {
                let stop = app.command(&format!("runs --stop {run}"));
                Failure::from(error).hint(format!("`{stop}` stops it"))
            }
            _ => error.into(),
        };
        if self.stop {
            let stopped = tenancy.stop_fleet_run(run).map_err(explain)?;
            let report = tenancy.fleet_run(run).map_err(explain)?;
            if !stopped {
                let message = format!("run {run} is over already: it is {}", report.outcome);
                return Err(Failure::new(Kind::Refused, message));
            }
            return app.emit(&Stopped {
                run: run.to_string(),
                outcome: report.outcome.as_str(),
                left: report.totals.left,
            });
        }
        let report = match self.resume {
            true => {
                let options = self.options();
                observed(app, |progress| {
                    tenancy.resume_fleet_run(run, &options, progress)
                })
            }
            false => tenancy.fleet_run(run),
        };
        let report = report.map_err(explain)?;
        let next = again::after_another(app, &report);
        app.emit(&Migrated::of(&report, next))
    }

    fn options(&self) -> MigrateFleet {
        let mut options = MigrateFleet::default()
            .backup_first(self.backup)
            .check_first(self.check);
        if let Some(workers) = self.workers {
            options = options.workers(workers.into());
        }
        if let Some(timeout) = self.timeout {
            options = options.tenant_timeout(timeout.0);
        }
        options
    }
}

impl Document for Stopped {
    const SCHEMA: &'static str = "run-stopped/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        let left = show::count(self.left as usize, "tenant");
        writeln!(f, "nothing more of run {} is begun; {left} left", self.run)
    }

    fn exit(&self) -> Exit {
        Exit::Done
    }
}

impl Document for Listed {
    const SCHEMA: &'static str = "runs/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        if self.runs.is_empty() {
            return writeln!(f, "no runs");
        }
        let mut table = Table::new([
            left("RUN"),
            left("OUTCOME"),
            left("TO"),
            right("DONE"),
            right("FAILED"),
            right("LEFT"),
            left("STARTED"),
        ]);
        for run in &self.runs {
            table.row([
                run.id.clone(),
                run.outcome.to_owned(),
                show::or_dash(run.target_version.as_ref()),
                run.done.to_string(),
                run.failed.to_string(),
                run.left.to_string(),
                run.started.map(show::ago).unwrap_or_default(),
            ]);
        }
        write!(f, "{table}")
    }

    fn exit(&self) -> Exit {
        let cut_short = RunOutcome::Interrupted.as_str();
        match self.runs.first() {
            Some(run) if run.outcome == cut_short => Exit::Findings,
            _ => Exit::Done,
        }
    }
}
