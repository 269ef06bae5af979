//! `runs`
use std::fmt;

use clap::Args;
use diesel_tenants::fleet::{FleetError, FleetRun, RunOutcome};
use serde::Serialize;
use uuid::Uuid;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::show;
use crate::table::{Table, left, right};
use crate::value::text;
use crate::verbs::migrate::Migrated;

/// List the runs of `migrate`, or report on one again
#[derive(Args, Debug)]
pub struct Runs {
    /// The run's id, for its report
    #[arg(value_parser = text::<Uuid>())]
    run: Option<Uuid>,
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
        match tenancy.fleet_run(run) {
            Ok(report) => app.emit(&Migrated::of(app, &report)),
            Err(error @ FleetError::UnknownRun { .. }) => {
                Err(Failure::from(error).hint(format!("`{}` lists them", app.command("runs"))))
            }
            Err(error) => Err(error.into()),
        }
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
