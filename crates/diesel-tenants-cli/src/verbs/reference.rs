//! `reference`
use std::fmt;

use clap::Args;
use diesel_tenants::Standing;
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::show;
use crate::table::{Table, left, right};
use crate::value::text;

/// List the reference lists that were pushed to tenants, or say who is behind with one
///
/// The program that knows a list pushes it; here is seen how far it got. No tenant's database is opened. Exit code 3 where
/// tenants are behind.
#[derive(Args, Debug)]
pub struct Reference {
    /// This list only, with its tenants
    #[arg(value_parser = text::<String>())]
    list: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Lists {
    lists: Vec<List>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct List {
    name: String,
    newest: u64,
    /// Tenants that are not known to have the newest version.
    behind: usize,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct OfList {
    name: String,
    newest: u64,
    tenants: Vec<Tenant>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Tenant {
    id: String,
    /// current, behind or unchecked (it has a new database since it was last looked at).
    standing: &'static str,
    version: Option<u64>,
    /// RFC 3339, UTC.
    applied_at: Option<String>,
}

impl Reference {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let Some(list) = &self.list else {
            let mut lists = Vec::new();
            for (name, newest) in tenancy.reference_lists()? {
                let behind = tenancy.reference_status(&name)?.behind().count();
                lists.push(List {
                    name,
                    newest,
                    behind,
                });
            }
            return app.emit(&Lists { lists });
        };
        let status = tenancy.reference_status(list)?;
        let tenants = status.tenants.iter().map(|tenant| Tenant {
            id: tenant.id.to_string(),
            standing: match tenant.standing {
                Standing::Current => "current",
                Standing::Unchecked => "unchecked",
                _ => "behind",
            },
            version: tenant.version,
            applied_at: tenant.applied_at.map(show::iso),
        });
        app.emit(&OfList {
            name: status.list.clone(),
            newest: status.newest,
            tenants: tenants.collect(),
        })
    }
}

impl Document for Lists {
    const SCHEMA: &'static str = "reference/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        if self.lists.is_empty() {
            return writeln!(f, "no list was ever pushed");
        }
        let mut table = Table::new([left("LIST"), right("NEWEST"), right("BEHIND")]);
        for list in &self.lists {
            table.row([
                list.name.clone(),
                list.newest.to_string(),
                list.behind.to_string(),
            ]);
        }
        write!(f, "{table}")
    }

    fn exit(&self) -> Exit {
        match self.lists.iter().all(|list| list.behind == 0) {
            true => Exit::Done,
            false => Exit::Findings,
        }
    }
}

impl Document for OfList {
    const SCHEMA: &'static str = "reference-list/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(f, "{}, newest version {}", self.name, self.newest)?;
        let mut table = Table::new([
            left("ID"),
            right("VERSION"),
            left("STANDING"),
            left("APPLIED"),
        ]);
        for tenant in &self.tenants {
            table.row([
                tenant.id.clone(),
                show::or_dash(tenant.version.map(|version| version.to_string())),
                tenant.standing.to_owned(),
                show::or_dash(tenant.applied_at.as_ref()),
            ]);
        }
        match table.is_empty() {
            true => Ok(()),
            false => write!(f, "{table}"),
        }
    }

    fn exit(&self) -> Exit {
        match self
            .tenants
            .iter()
            .all(|tenant| tenant.standing == "current")
        {
            true => Exit::Done,
            false => Exit::Findings,
        }
    }
}
