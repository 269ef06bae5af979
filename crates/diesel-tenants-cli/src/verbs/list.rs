//! `list`
use std::fmt;

use clap::Args;
use diesel_tenants::Status;
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::show;
use crate::table::{Table, left, right};
use crate::tenant::Tenant;
use crate::value::text;

/// List the tenants
///
/// As the catalogue has them; no database of a tenant is opened.
#[derive(Args, Debug)]
#[command(visible_alias = "ls")]
pub struct List {
    /// Those of this status only, such as `active`; may be given several times
    #[arg(long, value_name = "STATUS", value_parser = text::<Status>())]
    status: Vec<Status>,
    /// Those on this plan only
    #[arg(long, value_name = "PLAN", value_parser = text::<String>())]
    plan: Option<String>,
    /// Print the ids only, one a line
    #[arg(long, conflicts_with = "json")]
    ids: bool,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Listed {
    tenants: Vec<Line>,
    #[serde(skip)]
    ids: bool,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Line {
    #[serde(flatten)]
    tenant: Tenant,
    /// Bytes of its database on disk; null where there is no file.
    bytes: Option<u64>,
}

impl List {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let mut tenants = Vec::new();
        for record in tenancy.tenants()? {
            let of_status = self.status.is_empty() || self.status.contains(&record.status);
            let of_plan = self.plan.is_none() || self.plan == record.plan;
            if of_status && of_plan {
                tenants.push(Line {
                    tenant: Tenant::of(&record),
                    bytes: tenancy.database_file(&record.id)?.bytes,
                });
            }
        }
        app.emit(&Listed {
            tenants,
            ids: self.ids,
        })
    }
}

impl Document for Listed {
    const SCHEMA: &'static str = "list/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        if self.ids {
            return self
                .tenants
                .iter()
                .try_for_each(|line| writeln!(f, "{}", line.tenant.id));
        }
        if self.tenants.is_empty() {
            return writeln!(f, "no tenants");
        }
        let mut table = Table::new([
            left("ID"),
            left("STATUS"),
            left("PLAN"),
            left("SCHEMA"),
            right("SIZE"),
            left("CREATED"),
            left("NAME"),
        ]);
        for Line { tenant, bytes } in &self.tenants {
            table.row([
                tenant.id.clone(),
                show::status(tenant.record.status).to_string(),
                show::or_dash(tenant.plan.as_ref()),
                show::or_dash(tenant.schema_version.as_ref()),
                bytes.map_or_else(|| "missing".to_owned(), show::bytes),
                show::ago(tenant.record.created_at),
                tenant.name.clone(),
            ]);
        }
        write!(f, "{table}")
    }
}
