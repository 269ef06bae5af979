//! `rename`
use std::fmt;

use clap::Args;
use diesel_tenants::{DisplayName, Rename as To, Subdomain, TenantId};
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::value::{Id, text};

/// Change the name or the subdomain of a tenant while it is in use
///
/// Its id never changes.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("names").required(true).multiple(true).args(["name", "subdomain", "no_subdomain"]))]
pub struct Rename {
    /// The tenant's id
    #[arg(value_parser = Id)]
    id: TenantId,
    /// The name people see
    #[arg(long, value_parser = text::<DisplayName>())]
    name: Option<DisplayName>,
    /// The subdomain it answers at
    #[arg(long, value_parser = text::<Subdomain>())]
    subdomain: Option<Subdomain>,
    /// No subdomain any more
    #[arg(long, conflicts_with = "subdomain")]
    no_subdomain: bool,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Renamed {
    id: String,
    name: String,
    subdomain: Option<String>,
}

impl Rename {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let mut to = To::new();
        if let Some(name) = &self.name {
            to = to.display_name(name.as_str());
        }
        if let Some(subdomain) = &self.subdomain {
            to = to.subdomain(subdomain.as_str());
        }
        if self.no_subdomain {
            to = to.no_subdomain();
        }
        tenancy.rename(&self.id, to)?;
        let record = tenancy.handle(&self.id)?.record()?;
        app.emit(&Renamed {
            id: record.id.to_string(),
            name: record.display_name.as_str().to_owned(),
            subdomain: record.subdomain.as_ref().map(ToString::to_string),
        })
    }
}

impl Document for Renamed {
    const SCHEMA: &'static str = "rename/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        match &self.subdomain {
            Some(subdomain) => writeln!(
                f,
                "{} is {}, at the subdomain {subdomain}",
                self.id, self.name
            ),
            None => writeln!(f, "{} is {}, at no subdomain", self.id, self.name),
        }
    }
}
