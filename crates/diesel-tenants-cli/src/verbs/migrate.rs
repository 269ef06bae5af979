//! `migrate`
use std::fmt;
use std::str::FromStr;

use clap::Args;
use diesel_tenants::fleet::{
    FleetError, FleetPlan, FleetProgress, FleetReport, MigrateFleet, PlannedAction, StopRule,
    TenantState,
};
use diesel_tenants::{Status, Tenancy, TenantId};
use serde::Serialize;

use crate::again::{self, Again};
use crate::app::App;
use crate::exit::Exit;
use crate::failure::{Failure, Kind};
use crate::output::Document;
use crate::show;
use crate::table::{Table, left};
use crate::value::{Chosen, Id, Span, text};

/// Bring tenants to the newest migration, as one run that survives
///
/// In waves: one tenant, one percent, the rest; the first failure before the last wave stops the run. A tenant that fails does
/// not stop the others; it is named in the report, and the exit code is 1. In the next run it comes last, whatever its id, and
/// its failing again stops nothing. One that has all migrations and another schema than they make is done, and named; the
/// exit code is then 3. A run that was killed is gone on with by the same command, and touches only what is
/// left; where nothing is to be done, no database is opened.
#[derive(Args, Debug)]
pub struct Migrate {
    #[command(flatten)]
    tenants: Chosen,
    /// Not this tenant; may be given several times
    #[arg(long, value_name = "ID", value_parser = Id)]
    except: Vec<TenantId>,
    /// Begin with this tenant; may be given several times
    #[arg(long, value_name = "ID", value_parser = Id)]
    first: Vec<TenantId>,
    /// Say what would be done, and do nothing; exit code 3 where there is something
    #[arg(long)]
    dry_run: bool,
    /// Look into every database instead of trusting the catalogue
    #[arg(long)]
    deep: bool,
    /// Back each tenant up just before it is migrated; one that cannot be backed up is not migrated
    #[arg(long)]
    backup: bool,
    /// Look through each database for damage just before it is migrated; a damaged one is left as it is. Reads all of it
    #[arg(long)]
    check: bool,
    /// How many failures end the run: a number, a percentage such as `5%`, or `never`
    #[arg(long, value_name = "FAILURES", default_value = DEFAULT_STOP, value_parser = text::<Stop>())]
    stop_after: Stop,
    /// How many tenants to work on at once [default: the number of processor cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    workers: Option<u8>,
    /// How long one tenant may take: waiting for others to leave it alone, and its migrations. Its backup and the check, which
    /// take as long as it is large, are not counted, and a migration that runs is not interrupted
    #[arg(long, value_name = "TIME", default_value = DEFAULT_TIMEOUT, value_parser = text::<Span>())]
    timeout: Span,
}

const DEFAULT_STOP: &str = "5%";
pub(crate) const DEFAULT_TIMEOUT: &str = "1m";

#[derive(Clone, Copy, Debug)]
struct Stop(StopRule);

impl FromStr for Stop {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str =
            "not a number of failures; give one such as `3`, a percentage such as `5%`, or `never`";
        if text == "never" {
            return Ok(Self(StopRule::Never));
        }
        let rule = match text.strip_suffix('%') {
            Some(percent) => percent
                .parse()
                .ok()
                .filter(|percent| *percent <= 100)
                .map(StopRule::Percent),
            None => text.parse().ok().map(StopRule::Failures),
        };
        rule.map(Self).ok_or(RULE)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            StopRule::Failures(count) => write!(f, "{count}"),
            StopRule::Percent(percent) => write!(f, "{percent}%"),
            _ => f.write_str("never"),
        }
    }
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Migrated {
    /// Null where nothing was to be done.
    run: Option<String>,
    /// running, interrupted, done, failed, stopped or superseded.
    outcome: &'static str,
    target_version: Option<String>,
    /// Whether it went on with a run that was cut short.
    resumed: bool,
    /// Whether it helped with a run of another process.
    joined: bool,
    waves: u64,
    totals: Totals,
    /// Those that were worked on or skipped; tenants that needed nothing are only counted.
    tenants: Vec<Tenant>,
    next: Vec<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Totals {
    up_to_date: u64,
    done: u64,
    failed: u64,
    skipped: u64,
    left: u64,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Tenant {
    id: String,
    /// pending, running, done, failed or skipped.
    state: &'static str,
    wave: Option<u64>,
    from: Option<String>,
    to: Option<String>,
    /// Versions this run applied, oldest first.
    applied: Vec<String>,
    duration_ms: Option<u64>,
    /// Whether its schema is another one than the migrations make, although it has them all.
    drifted: bool,
    /// The backup that was taken before.
    backup: Option<String>,
    skipped_because: Option<String>,
    error: Option<Error>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Error {
    /// For programs: `migration_failed`, `locked`, `missing`, ….
    kind: &'static str,
    message: String,
}

impl Migrate {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let mut options = MigrateFleet::default()
            .except(self.except.iter().copied())
            .first(self.first.iter().copied())
            .stop_after(self.stop_after.0)
            .backup_first(self.backup)
            .check_first(self.check)
            .tenant_timeout(self.timeout.0);
        if let Some(ids) = self.tenants.ids() {
            ids.iter()
                .try_for_each(|id| has_database(app, &tenancy, id))?;
            options = options.only(ids.iter().copied());
        }
        if self.deep {
            options = options.deep();
        }
        if let Some(workers) = self.workers {
            options = options.workers(workers.into());
        }
        if self.dry_run {
            let plan = tenancy.plan_fleet(&options)?;
            return app.emit(&Planned::of(&plan, self.again().command(app)));
        }
        let report = observed(app, |progress| tenancy.migrate_fleet(&options, progress))?;
        let next = again::after(app, &report, self.again());
        app.emit(&Migrated::of(&report, next))
    }

    /// What was asked for, for the same tenants and with the same care; a dry run is over.
    fn again(&self) -> Again {
        let again = match self.tenants.ids() {
            None => Again::of("migrate").with("--all"),
            Some(ids) => ids.iter().fold(Again::of("migrate"), Again::with),
        };
        let (stop, timeout) = (self.stop_after.to_string(), self.timeout.to_string());
        again
            .each("--first", &self.first)
            .switch("--deep", self.deep)
            .switch("--backup", self.backup)
            .switch("--check", self.check)
            .each("--stop-after", (stop != DEFAULT_STOP).then_some(stop))
            .each("--workers", self.workers)
            .each("--timeout", (timeout != DEFAULT_TIMEOUT).then_some(timeout))
            .each("--except", &self.except)
    }
}

/// Who names a tenant that has no database yet is not told that there is nothing to do. One that is not known is refused by
/// the run.
fn has_database(app: &App<'_>, tenancy: &Tenancy, id: &TenantId) -> Result<(), Failure> {
    let Ok(tenant) = tenancy.handle(id) else {
        return Ok(());
    };
    let record = tenant.record()?;
    if record.status != Status::Reserved {
        return Ok(());
    }
    let id = record.id;
    let message = format!("tenant `{id}` is reserved and has no database to migrate yet");
    let next = app.command(&format!("repair {id} --apply"));
    Err(Failure::new(Kind::Refused, message).hint(format!("`{next}` makes it")))
}

/// A run with its progress on the terminal.
pub(crate) fn observed(
    app: &App<'_>,
    run: impl FnOnce(&mut dyn FnMut(&FleetProgress)) -> Result<FleetReport, FleetError>,
) -> Result<FleetReport, FleetError> {
    let bar = app.progress(0, "migrated");
    let report = run(&mut |progress: &FleetProgress| {
        bar.set_length(progress.total());
        bar.set_position(progress.total() - progress.totals.left);
        if progress.totals.failed > 0 {
            bar.set_message(format!("migrated ({} failed)", progress.totals.failed));
        }
    });
    bar.finish_and_clear();
    report
}

impl Migrated {
    pub(crate) fn of(report: &FleetReport, next: Vec<String>) -> Self {
        let totals = &report.totals;
        let worked_on =
            |tenant: &&diesel_tenants::fleet::TenantReport| tenant.state != TenantState::UpToDate;
        let tenants = report
            .tenants
            .iter()
            .filter(worked_on)
            .map(|tenant| Tenant {
                id: tenant.id.to_string(),
                state: tenant.state.as_str(),
                wave: tenant.wave,
                from: tenant.from.clone(),
                to: tenant.to.clone(),
                applied: tenant.applied.clone(),
                duration_ms: tenant
                    .duration
                    .map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
                drifted: tenant.drifted,
                backup: tenant.backup.map(|backup| backup.to_string()),
                skipped_because: tenant.skipped_because.clone(),
                error: tenant.error.as_ref().map(|error| Error {
                    kind: error.kind.as_str(),
                    message: error.message.clone(),
                }),
            });
        Self {
            run: report.run.map(|run| run.to_string()),
            outcome: report.outcome.as_str(),
            target_version: report.target_version.clone(),
            resumed: report.resumed,
            joined: report.joined,
            waves: report.waves,
            totals: Totals {
                up_to_date: totals.up_to_date,
                done: totals.done,
                failed: totals.failed,
                skipped: totals.skipped,
                left: totals.left,
            },
            tenants: tenants.collect(),
            next,
        }
    }
}

impl Document for Migrated {
    const SCHEMA: &'static str = "migrate/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        let Totals {
            up_to_date,
            done,
            failed,
            skipped,
            left: not_begun,
        } = self.totals;
        let version = show::or_dash(self.target_version.as_ref());
        if self.resumed {
            writeln!(f, "went on with a run that was cut short")?;
        }
        if self.run.is_none() {
            return writeln!(
                f,
                "nothing to do: {} at {version}",
                show::count(up_to_date as usize, "tenant")
            );
        }
        let migrated = show::count(done as usize, "tenant");
        write!(f, "migrated {migrated} to {version}")?;
        for (count, what) in [
            (failed, "failed"),
            (skipped, "skipped"),
            (not_begun, "not begun"),
            (up_to_date, "up to date before"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        writeln!(f)?;
        let backups = self.tenants.iter().filter(|tenant| tenant.backup.is_some());
        match backups.count() {
            0 => {}
            n => writeln!(f, "{} taken before", show::count(n, "backup"))?,
        }
        let mut failures = Table::new([left("FAILED"), left("KIND"), left("WHY")]);
        for tenant in &self.tenants {
            if let Some(error) = &tenant.error {
                failures.row([
                    tenant.id.clone(),
                    error.kind.to_owned(),
                    error.message.clone(),
                ]);
            }
        }
        let mut drifted = Table::new([left("DONE, BUT DRIFTED"), left("WHY")]);
        for tenant in self.tenants.iter().filter(|tenant| tenant.drifted) {
            let why = "its schema is not the one that the migrations make";
            drifted.row([tenant.id.clone(), why.to_owned()]);
        }
        let mut skipped = Table::new([left("SKIPPED"), left("WHY")]);
        for tenant in &self.tenants {
            if let Some(why) = &tenant.skipped_because {
                skipped.row([tenant.id.clone(), why.clone()]);
            }
        }
        for table in [failures, drifted, skipped] {
            if !table.is_empty() {
                write!(f, "\n{table}")?;
            }
        }
        show::next(f, &self.next)
    }

    fn exit(&self) -> Exit {
        let drifted = self.tenants.iter().any(|tenant| tenant.drifted);
        match self.outcome {
            "done" if drifted => Exit::Findings,
            "done" => Exit::Done,
            _ => Exit::Failed,
        }
    }
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Planned {
    target_version: Option<String>,
    /// How many tenants each wave would have.
    waves: Vec<u64>,
    /// Those that would be worked on, in the order they would be taken, and those that would be skipped.
    tenants: Vec<PlannedTenant>,
    up_to_date: usize,
    next: Vec<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PlannedTenant {
    id: String,
    version: Option<String>,
    /// migrate, look, refuse or skip.
    action: &'static str,
    /// Versions that would be applied, oldest first.
    pending: Vec<String>,
    /// Why it would be refused.
    message: Option<String>,
}

impl Planned {
    fn of(plan: &FleetPlan, again: String) -> Self {
        let mut planned = Self {
            target_version: plan.target_version.clone(),
            waves: plan.waves.clone(),
            tenants: Vec::new(),
            up_to_date: 0,
            next: match plan.is_empty() {
                true => Vec::new(),
                false => vec![again],
            },
        };
        for tenant in &plan.tenants {
            let (action, pending, message) = match &tenant.action {
                PlannedAction::Migrate { pending } => ("migrate", pending.as_slice(), None),
                PlannedAction::Look { pending } => ("look", pending.as_slice(), None),
                PlannedAction::Refuse { message, .. } => {
                    ("refuse", [].as_slice(), Some(message.clone()))
                }
                PlannedAction::Skip => (
                    "skip",
                    [].as_slice(),
                    Some(format!("it is {}", tenant.status)),
                ),
                _ => {
                    planned.up_to_date += 1;
                    continue;
                }
            };
            planned.tenants.push(PlannedTenant {
                id: tenant.id.to_string(),
                version: tenant.version.clone(),
                action,
                pending: pending
                    .iter()
                    .map(|pending| pending.version.clone())
                    .collect(),
                message,
            });
        }
        planned
    }
}

impl Document for Planned {
    const SCHEMA: &'static str = "migrate-plan/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        let version = show::or_dash(self.target_version.as_ref());
        let mut table = Table::new([left("TENANT"), left("AT"), left("WOULD"), left("WHAT")]);
        for tenant in &self.tenants {
            table.row([
                tenant.id.clone(),
                show::or_dash(tenant.version.as_ref()),
                tenant.action.to_owned(),
                tenant
                    .message
                    .clone()
                    .unwrap_or_else(|| tenant.pending.join(", ")),
            ]);
        }
        if !table.is_empty() {
            write!(f, "{table}")?;
        }
        let up_to_date = show::count(self.up_to_date, "tenant");
        writeln!(f, "{up_to_date} up to date at {version}; nothing was done")?;
        show::next(f, &self.next)
    }

    fn exit(&self) -> Exit {
        match self.waves.is_empty() {
            true => Exit::Done,
            false => Exit::Findings,
        }
    }
}
