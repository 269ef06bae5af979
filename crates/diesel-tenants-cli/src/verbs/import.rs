//! `import`
use std::fmt;
use std::path::PathBuf;

use clap::Args;
use diesel_tenants::{DisplayName, NewTenant, Subdomain, TenantId};
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::{Failure, Kind};
use crate::output::Document;
use crate::show;
use crate::tenant::Tenant;
use crate::value::{Id, text};

/// Make a new tenant of what `export` wrote, here or on another installation
///
/// All or nothing. Every hash and count is checked before anything is made, and once more against what was loaded.
#[derive(Args, Debug)]
pub struct Import {
    /// The new tenant's id
    #[arg(value_parser = Id)]
    id: TenantId,
    /// The directory of the export
    directory: PathBuf,
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
pub(crate) struct Imported {
    tenant: Tenant,
    path: String,
    /// The id it had where it was exported.
    was: String,
    exported_version: Option<String>,
    rows: u64,
    next: Vec<String>,
}

impl Import {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        if !self.directory.is_dir() {
            let message = format!("{:?} is no directory", self.directory);
            return Err(Failure::new(Kind::NotFound, message)
                .hint("give the directory that `export` wrote"));
        }
        let mut new = NewTenant::named(self.name.as_str());
        if let Some(subdomain) = &self.subdomain {
            new = new.subdomain(subdomain.as_str());
        }
        if let Some(plan) = &self.plan {
            new = new.plan(plan);
        }
        let imported = tenancy.import(&self.id, new, &self.directory)?;
        let record = imported.tenant.record()?;
        let next = ["verify", "backup"].map(|verb| app.command(&format!("{verb} {}", record.id)));
        app.emit(&Imported {
            tenant: Tenant::of(&record),
            path: show::path(&tenancy.database_file(&record.id)?.path),
            was: imported.was,
            exported_version: imported.exported_version,
            rows: imported.rows,
            next: next.into(),
        })
    }
}

impl Document for Imported {
    const SCHEMA: &'static str = "import/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        let Self { tenant, was, .. } = self;
        let rows = show::count(self.rows as usize, "row");
        writeln!(
            f,
            "imported {} ({}), which was {was}: {rows}, in {}",
            tenant.id, tenant.name, self.path
        )?;
        show::next(f, &self.next)
    }
}
