//! `reclaim`
use std::fmt;

use clap::Args;
use diesel_tenants::{DisplayName, NewTenant, Subdomain};
use serde::Serialize;
use uuid::Uuid;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::show;
use crate::tenant::Tenant;
use crate::value::text;
use crate::verbs::restore::explain;

/// Take a tenant back whose database is there and whom the shared database does not know
///
/// After `restore-shared`, of tenants that were created after the backup was taken.
#[derive(Args, Debug)]
pub struct Reclaim {
    /// The tenant's uuid, as `restore-shared` names it
    #[arg(value_parser = text::<Uuid>())]
    uuid: Uuid,
    /// The name people see
    #[arg(long, value_parser = text::<DisplayName>())]
    name: DisplayName,
    /// The subdomain it answers at
    #[arg(long, value_parser = text::<Subdomain>())]
    subdomain: Option<Subdomain>,
    /// The plan it is on
    #[arg(long, value_parser = text::<String>())]
    plan: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Reclaimed {
    tenant: Tenant,
    path: String,
}

impl Reclaim {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let mut new = NewTenant::named(self.name.as_str());
        if let Some(subdomain) = &self.subdomain {
            new = new.subdomain(subdomain.as_str());
        }
        if let Some(plan) = &self.plan {
            new = new.plan(plan);
        }
        let record = tenancy
            .reclaim_orphan(self.uuid, new)
            .map_err(explain)?
            .record()?;
        app.emit(&Reclaimed {
            tenant: Tenant::of(&record),
            path: show::path(&tenancy.database_file(&record.id)?.path),
        })
    }
}

impl Document for Reclaimed {
    const SCHEMA: &'static str = "reclaim/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(
            f,
            "{} ({}) is there again, in {}",
            self.tenant.id, self.tenant.name, self.path
        )
    }
}
