//! The command that goes on with what this one was told, and with nothing else.
use std::fmt::Display;

use diesel_tenants::TenantId;
use diesel_tenants::fleet::{FleetReport, RunOutcome};

use crate::app::{App, quoted};

/// How many failed tenants are named in what to run next.
const MOST_NAMED: usize = 5;

/// A command that is put together from arguments that were parsed.
pub(crate) struct Again(String);

impl Again {
    pub(crate) fn of(verb: &str) -> Self {
        Self(verb.to_owned())
    }

    /// An argument by itself.
    pub(crate) fn with(mut self, value: impl Display) -> Self {
        self.0.push(' ');
        self.0.push_str(&quoted(&value.to_string()));
        self
    }

    /// A switch, where it was given.
    pub(crate) fn switch(self, name: &str, given: bool) -> Self {
        match given {
            true => self.with(name),
            false => self,
        }
    }

    /// An option, as often as it was given.
    pub(crate) fn each<T: Display>(self, name: &str, values: impl IntoIterator<Item = T>) -> Self {
        values
            .into_iter()
            .fold(self, |again, value| again.with(name).with(value))
    }

    pub(crate) fn command(&self, app: &App<'_>) -> String {
        app.command(&self.0)
    }
}

/// What goes on with a run that was cut short: for its tenants, each backed up first if those before were.
pub(crate) fn resume(app: &App<'_>, report: &FleetReport) -> Option<String> {
    let run = report.run?;
    let backed_up = report.tenants.iter().any(|tenant| tenant.backup.is_some());
    let again = Again::of("runs").with("--resume").with(run);
    Some(again.switch("--backup", backed_up).command(app))
}

/// What to run after a run, where it is known how it was begun.
pub(crate) fn after(app: &App<'_>, report: &FleetReport, again: Again) -> Vec<String> {
    let failed = failed(report);
    match report.outcome {
        RunOutcome::Done => look_into(app, &drifted(report)),
        _ if report.totals.left > 0 && (1..=MOST_NAMED).contains(&failed.len()) => {
            vec![again.each("--except", failed).command(app)]
        }
        _ => {
            let mut next = look_into(app, &failed);
            next.push(again.command(app));
            next
        }
    }
}

/// What to run after a run of which only the report is known.
pub(crate) fn after_another(app: &App<'_>, report: &FleetReport) -> Vec<String> {
    match report.outcome {
        RunOutcome::Interrupted => resume(app, report).into_iter().collect(),
        RunOutcome::Done => look_into(app, &drifted(report)),
        RunOutcome::Failed | RunOutcome::Stopped => {
            let mut next = look_into(app, &failed(report));
            next.push(app.command("migrate --all --dry-run"));
            next
        }
        _ => Vec::new(),
    }
}

fn failed(report: &FleetReport) -> Vec<TenantId> {
    report.failures().map(|tenant| tenant.id).collect()
}

fn drifted(report: &FleetReport) -> Vec<TenantId> {
    report.drifted().map(|tenant| tenant.id).collect()
}

fn look_into(app: &App<'_>, tenants: &[TenantId]) -> Vec<String> {
    let named = tenants.iter().take(MOST_NAMED);
    named
        .map(|id| app.command(&format!("verify {id}")))
        .collect()
}
