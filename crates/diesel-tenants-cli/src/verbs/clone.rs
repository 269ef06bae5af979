//! `clone`
use std::fmt;

use clap::Args;
use diesel_tenants::{BackupRef, CloneOptions, DisplayName, NewTenant, Subdomain, TenantId};
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::{Failure, Kind};
use crate::output::Document;
use crate::show;
use crate::tenant::Tenant;
use crate::value::{Id, text};
use crate::verbs::restore::{Which, explain};

/// Make a new tenant of a backup
///
/// It has an id, a uuid and a database of its own; the tenant the backup was taken of is not touched.
#[derive(Args, Debug)]
pub struct Clone {
    /// The backup's id or its directory
    #[arg(value_name = "BACKUP", value_parser = text::<Which>())]
    backup: Which,
    /// The new tenant's id
    #[arg(value_parser = Id)]
    id: TenantId,
    /// The name people see
    #[arg(long, value_parser = text::<DisplayName>())]
    name: DisplayName,
    /// The subdomain it answers at
    #[arg(long, value_parser = text::<Subdomain>())]
    subdomain: Option<Subdomain>,
    /// Take a backup of another catalogue too
    #[arg(long)]
    from_any_catalog: bool,
    /// Take a backup whose schema is not what its migrations make
    #[arg(long)]
    allow_drift: bool,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Cloned {
    tenant: Tenant,
    path: String,
    next: Vec<String>,
}

impl Clone {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let backup = match &self.backup {
            Which::Latest => {
                return Err(Failure::new(
                    Kind::Usage,
                    "`clone` wants the backup's id or its directory",
                ));
            }
            Which::Id(id) => BackupRef::id(*id),
            Which::Path(path) => BackupRef::path(path),
        };
        let mut new = NewTenant::named(self.name.as_str());
        if let Some(subdomain) = &self.subdomain {
            new = new.subdomain(subdomain.as_str());
        }
        let mut options = CloneOptions::new();
        if self.from_any_catalog {
            options = options.from_any_catalog();
        }
        if self.allow_drift {
            options = options.allow_drift();
        }
        let tenant = tenancy.clone_from_backup(&backup, &self.id, new, &options);
        let record = tenant.map_err(explain)?.record()?;
        app.emit(&Cloned {
            tenant: Tenant::of(&record),
            path: show::path(&tenancy.database_file(&record.id)?.path),
            next: vec![app.command(&format!("show {}", record.id))],
        })
    }
}

impl Document for Cloned {
    const SCHEMA: &'static str = "clone/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(
            f,
            "created {} ({}) from the backup, in {}",
            self.tenant.id, self.tenant.name, self.path
        )?;
        show::next(f, &self.next)
    }
}
