//! `abandon`
use std::fmt;

use clap::Args;
use console::style;
use diesel_tenants::WorkflowError;
use diesel_tenants::access::Reason;
use diesel_tenants::workflow::AbandonedRun;
use serde::Serialize;
use uuid::Uuid;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::{Failure, Kind};
use crate::output::Document;
use crate::value::text;

/// Give up a run of a workflow that can be neither finished nor undone, and is in the way of others
///
/// Nothing is undone: what its steps have done stands, and is listed, for you to say what is to become of it. Nothing more of
/// the run is done, ever, and a request that comes late with its key is refused. `doctor` lists the runs; try
/// `doctor --retry` first.
#[derive(Args, Debug)]
pub struct Abandon {
    /// The run's id, as `doctor` says it
    #[arg(value_parser = text::<Uuid>())]
    run: Uuid,
    /// Why, for whoever reads the audit log years later; no patient's name
    #[arg(long, value_parser = text::<Reason>())]
    reason: Reason,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct GivenUp {
    run: String,
    /// The workflow's name.
    workflow: String,
    /// The tenant's id.
    tenant: String,
    /// Null where there was no tenant yet.
    uuid: Option<String>,
    /// The steps whose effects stand, in the order they were done in.
    left: Vec<Step>,
    /// False where the tenant's database could not be asked: steps may be done in it that are not in the list.
    tenant_known: bool,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Step {
    /// Its place in the run, from 1.
    number: i32,
    step: String,
    /// tenant, or shared for the shared database and for what the library itself did.
    database: &'static str,
    /// False where a tenant was being created or removed: `show` says how far that got.
    done: bool,
}

impl Abandon {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let runs = tenancy.unfinished_workflows()?;
        // One that is given up already does no more harm when it is asked for again.
        if let Some(run) = runs.iter().find(|it| it.id == self.run && !it.is_abandoned) {
            let what = format!("leaves what {} has done by halves to", run.name);
            app.confirm_id(run.tenant, None, &what)?;
        }
        let given_up = tenancy.abandon_workflow(self.run, &self.reason);
        let given_up = given_up.map_err(|error| {
            let kind = match error {
                WorkflowError::Unknown { .. } => Kind::NotFound,
                WorkflowError::InProgress { .. } => Kind::Busy,
                _ => Kind::Failed,
            };
            Failure::of(kind, &error)
        })?;
        app.emit(&GivenUp::of(given_up))
    }
}

impl GivenUp {
    fn of(run: AbandonedRun) -> Self {
        let left = run.left.into_iter().map(|left| Step {
            number: left.number,
            step: left.step,
            database: if left.is_in_tenant {
                "tenant"
            } else {
                "shared"
            },
            done: left.is_done,
        });
        Self {
            run: run.id.to_string(),
            workflow: run.name,
            tenant: run.tenant.to_string(),
            uuid: run.tenant_uuid.map(|uuid| uuid.to_string()),
            left: left.collect(),
            tenant_known: run.is_tenant_known,
        }
    }
}

impl Document for GivenUp {
    const SCHEMA: &'static str = "abandon/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        let (workflow, tenant) = (&self.workflow, &self.tenant);
        writeln!(f, "{workflow} of {tenant} is given up")?;
        match self.left.is_empty() {
            true => writeln!(f, "nothing that it has done is known")?,
            false => writeln!(f, "what it has done stands:")?,
        }
        for step in &self.left {
            let state = if step.done { "" } else { ", begun" };
            let (number, name, database) = (step.number, &step.step, step.database);
            writeln!(f, "  {number} {name} ({database}{state})")?;
        }
        match self.tenant_known {
            true => Ok(()),
            false => writeln!(
                f,
                "{} the tenant's database could not be asked; look into it",
                style("!").red()
            ),
        }
    }
}
