//! `repair`
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use clap::Args;
use diesel_tenants::repair::{RepairError, RepairOptions, RepairPlan, RepairReport};
use diesel_tenants::{Status, TenantId, TenantRecord};
use serde::Serialize;

use crate::again::Again;
use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::show;
use crate::value::{Id, text};
use crate::verbs::create::Created;
use crate::verbs::verify::{Found, Verdict};

/// Put a drifted database right, with every row kept; make the one that was never made
///
/// Says what it would do, and does it with `--apply`: after a backup, in one transaction, and verified before it is committed.
/// It only adds; what would lose or change a value it leaves alone and says so.
#[derive(Args, Debug)]
pub struct Repair {
    /// The tenant's id
    #[arg(value_parser = Id)]
    id: TenantId,
    /// Do it; without this, the plan is printed, with exit code 3 where there is something to do
    #[arg(long)]
    apply: bool,
    /// A value for rows that hold nothing in a column that must not be NULL: `TABLE.COLUMN=VALUE`, an integer or a text;
    /// may be given several times
    #[arg(long, value_name = "TABLE.COLUMN=VALUE", value_parser = text::<Fill>())]
    fill: Vec<Fill>,
    /// Take no backup before
    #[arg(long)]
    without_backup: bool,
}

#[derive(Clone, Debug)]
struct Fill {
    table: String,
    column: String,
    value: String,
}

impl FromStr for Fill {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str = "not a value for a column; write it as `TABLE.COLUMN=VALUE`";
        let (place, value) = text.split_once('=').ok_or(RULE)?;
        let (table, column) = place.split_once('.').ok_or(RULE)?;
        if table.is_empty() || column.is_empty() {
            return Err(RULE);
        }
        Ok(Self {
            table: table.to_owned(),
            column: column.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl fmt::Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}={}", self.table, self.column, self.value)
    }
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Planned {
    id: String,
    generation: u64,
    steps: Vec<Step>,
    /// What would not be mended, and why.
    left: Vec<Left>,
    /// Values without which some of it cannot be mended.
    needs: Vec<Need>,
    notes: Vec<String>,
    /// Whether a backup would be taken before.
    backup: bool,
    /// Whether the database would be as it should be afterwards.
    complete: bool,
    next: Vec<String>,
    #[serde(skip)]
    text: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Step {
    text: String,
    sql: Vec<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Left {
    finding: Found,
    why: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Need {
    table: String,
    column: String,
    declared_type: String,
    rows: u64,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Repaired {
    id: String,
    steps: Vec<String>,
    /// Rows of every table that was there before; all were kept.
    rows: BTreeMap<String, u64>,
    /// The backup that was taken before.
    backup: Option<String>,
    after: Verdict,
    /// RFC 3339, UTC.
    repaired_at: String,
}

impl Repair {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let record = tenancy.handle(&self.id)?.record()?;
        if record.status == Status::Reserved {
            return match self.apply {
                true => app.emit(&Created::of(app, &tenancy, &tenancy.complete(&self.id)?)?),
                false => app.emit(&Planned::of_reserved(app, &record)),
            };
        }
        let mut options = RepairOptions::default();
        for Fill {
            table,
            column,
            value,
        } in &self.fill
        {
            // `0042` is no number: as one, the column would get something else than what was written.
            options = match value.parse::<i64>() {
                Ok(number) if number.to_string() == *value => options.fill(table, column, number),
                _ => options.fill(table, column, value.as_str()),
            };
        }
        if self.without_backup {
            options = options.without_backup();
        }
        let plan = tenancy
            .plan_repair(&self.id, &options)
            .map_err(|error| self.explain(app, error))?;
        if !self.apply {
            return app.emit(&self.planned(app, &plan));
        }
        let report = tenancy
            .repair(&self.id, &plan)
            .map_err(|error| self.explain(app, error))?;
        app.emit(&Repaired::of(&report))
    }

    fn explain(&self, app: &App<'_>, error: RepairError) -> Failure {
        match error {
            RepairError::NotRepairable { .. } => {
                let hint = format!(
                    "`{}` lists what it can be restored from",
                    app.command(&format!("backups {}", self.id))
                );
                Failure::from(error).hint(hint)
            }
            error => error.into(),
        }
    }

    fn planned(&self, app: &App<'_>, plan: &RepairPlan) -> Planned {
        let next = match plan.is_empty() {
            true => Vec::new(),
            false => {
                let again = Again::of("repair").with(plan.id).with("--apply");
                let again = again.each("--fill", &self.fill);
                let again = again.switch("--without-backup", self.without_backup);
                vec![again.command(app)]
            }
        };
        Planned {
            id: plan.id.to_string(),
            generation: plan.generation,
            steps: plan
                .steps
                .iter()
                .map(|step| Step {
                    text: step.text.clone(),
                    sql: step.sql.clone(),
                })
                .collect(),
            left: plan
                .left
                .iter()
                .map(|left| Left {
                    finding: Found::of(&left.finding),
                    why: left.why.clone(),
                })
                .collect(),
            needs: plan
                .needs
                .iter()
                .map(|need| Need {
                    table: need.table.clone(),
                    column: need.column.clone(),
                    declared_type: need.declared_type.clone(),
                    rows: need.rows,
                })
                .collect(),
            notes: plan.notes.clone(),
            backup: plan.backup,
            complete: plan.is_complete(),
            next,
            text: plan.to_string(),
        }
    }
}

impl Repaired {
    fn of(report: &RepairReport) -> Self {
        Self {
            id: report.id.to_string(),
            steps: report.steps.clone(),
            rows: report.rows.clone(),
            backup: report.backup.as_ref().map(|backup| backup.id.to_string()),
            after: Verdict::of(&report.after),
            repaired_at: show::iso(report.repaired_at),
        }
    }
}

impl Planned {
    /// Of a tenant whose database was never made.
    fn of_reserved(app: &App<'_>, record: &TenantRecord) -> Self {
        let id = record.id;
        Self {
            id: id.to_string(),
            generation: record.generation,
            steps: vec![Step {
                text: "make the database from the migrations".to_owned(),
                sql: Vec::new(),
            }],
            left: Vec::new(),
            needs: Vec::new(),
            notes: Vec::new(),
            backup: false,
            complete: true,
            next: vec![app.command(&format!("repair {id} --apply"))],
            text: format!("{id} is reserved; its database would be made from the migrations"),
        }
    }
}

impl Document for Planned {
    const SCHEMA: &'static str = "repair-plan/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        show::next(f, &self.next)
    }

    fn exit(&self) -> Exit {
        match self.steps.is_empty() && self.complete {
            true => Exit::Done,
            false => Exit::Findings,
        }
    }
}

impl Document for Repaired {
    const SCHEMA: &'static str = "repair/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        let rows: u64 = self.rows.values().sum();
        let steps = show::count(self.steps.len(), "step");
        let tables = show::count(self.rows.len(), "table");
        writeln!(
            f,
            "repaired {} in {steps}; all {rows} rows of {tables} were kept",
            self.id
        )?;
        for step in &self.steps {
            writeln!(f, "  {step}")?;
        }
        if let Some(backup) = &self.backup {
            writeln!(f, "the backup that was taken before is {backup}")?;
        }
        self.after.write(f)
    }

    fn exit(&self) -> Exit {
        match self.after.is_ready() {
            true => Exit::Done,
            false => Exit::Findings,
        }
    }
}
