//! `delete`
use std::fmt;

use clap::Args;
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::value::OnlyOne;

/// Delete an archived tenant
///
/// Every file of it is removed; there is no way back. Its id can be taken again only on purpose. Wants the id confirmed.
#[derive(Args, Debug)]
pub struct Delete {
    #[command(flatten)]
    tenant: OnlyOne,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Deleted {
    id: String,
    uuid: String,
}

impl Delete {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let id = self.tenant.id("delete")?;
        let tenancy = app.open()?;
        let record = tenancy.handle(&id)?.record()?;
        let confirmation = app.confirm(&record, "deletes every file of")?;
        tenancy.delete(&id, &confirmation)?;
        app.emit(&Deleted {
            id: record.id.to_string(),
            uuid: record.uuid.to_string(),
        })
    }
}

impl Document for Deleted {
    const SCHEMA: &'static str = "delete/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(f, "deleted {}", self.id)
    }
}
