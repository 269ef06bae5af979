//! `hold`, `release`
use std::fmt;

use clap::Args;
use diesel_tenants::{DisplayName, TenantId};
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::value::{Id, text};

/// Put a tenant under a legal hold: nothing of its data is purged
///
/// It may be used, archived and deleted meanwhile. Again, the reason is replaced.
#[derive(Args, Debug)]
pub struct Hold {
    /// The tenant's id
    #[arg(value_parser = Id)]
    id: TenantId,
    /// Why, for whoever reads it years later; no patient's name
    #[arg(long, value_parser = text::<DisplayName>())]
    reason: DisplayName,
}

/// Lift a legal hold
#[derive(Args, Debug)]
pub struct Release {
    /// The tenant's id
    #[arg(value_parser = Id)]
    id: TenantId,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Held {
    id: String,
    /// The reason; null where there is no hold.
    hold: Option<String>,
}

impl Hold {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        tenancy.hold(&self.id, self.reason.as_str())?;
        let record = tenancy.handle(&self.id)?.record()?;
        app.emit(&Held {
            id: record.id.to_string(),
            hold: record.legal_hold.clone(),
        })
    }
}

impl Release {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        tenancy.release_hold(&self.id)?;
        let record = tenancy.handle(&self.id)?.record()?;
        app.emit(&Held {
            id: record.id.to_string(),
            hold: record.legal_hold.clone(),
        })
    }
}

impl Document for Held {
    const SCHEMA: &'static str = "hold/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        match &self.hold {
            Some(reason) => writeln!(f, "{} is under a legal hold: {reason}", self.id),
            None => writeln!(f, "{} is under no legal hold", self.id),
        }
    }
}
