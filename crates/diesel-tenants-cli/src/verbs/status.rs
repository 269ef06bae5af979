//! `suspend`, `resume`, `archive`, `unarchive`
use std::fmt;

use clap::Args;
use diesel_tenants::{LifecycleError, Status, Tenancy, TenantId};
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::value::Id;

/// Close a tenant for use; its data stays untouched
///
/// Contexts that are open go on until they are dropped; other processes follow within their freshness bound, 1 s unless
/// set otherwise.
#[derive(Args, Debug)]
pub struct Suspend {
    #[command(flatten)]
    tenant: One,
}

/// Open a suspended tenant again
#[derive(Args, Debug)]
pub struct Resume {
    #[command(flatten)]
    tenant: One,
}

/// Take a suspended tenant out of use for good; its data is kept
#[derive(Args, Debug)]
pub struct Archive {
    #[command(flatten)]
    tenant: One,
}

/// Bring an archived tenant back to suspended
#[derive(Args, Debug)]
pub struct Unarchive {
    #[command(flatten)]
    tenant: One,
}

#[derive(Args, Debug)]
struct One {
    /// The tenant's id
    #[arg(value_parser = Id)]
    id: TenantId,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Changed {
    id: String,
    from: &'static str,
    to: &'static str,
}

impl One {
    fn change(
        &self,
        app: &App<'_>,
        how: fn(&Tenancy, &TenantId) -> Result<(), LifecycleError>,
    ) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let tenant = tenancy.handle(&self.id)?;
        let from = tenant.record()?.status;
        how(&tenancy, &self.id).map_err(|error| explain(app, error))?;
        app.emit(&Changed {
            id: tenant.id().to_string(),
            from: from.as_str(),
            to: tenant.record()?.status.as_str(),
        })
    }
}

/// Which command leads to the status this one wanted.
fn explain(app: &App<'_>, error: LifecycleError) -> Failure {
    let LifecycleError::WrongStatus { id, status, to } = &error else {
        return error.into();
    };
    let first = match (status, to) {
        (Status::Active, Some(Status::Archived)) => Some("suspend"),
        (Status::Archived, Some(Status::Active)) => Some("unarchive"),
        _ => None,
    };
    let hint = first.map(|verb| format!("first `{}`", app.command(&format!("{verb} {id}"))));
    let failure = Failure::from(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

impl Suspend {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        self.tenant.change(app, Tenancy::suspend)
    }
}

impl Resume {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        self.tenant.change(app, Tenancy::resume)
    }
}

impl Archive {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        self.tenant.change(app, Tenancy::archive)
    }
}

impl Unarchive {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        self.tenant.change(app, Tenancy::unarchive)
    }
}

impl Document for Changed {
    const SCHEMA: &'static str = "status/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(f, "{} is {} (was {})", self.id, self.to, self.from)
    }
}
