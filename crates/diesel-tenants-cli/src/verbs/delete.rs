//! `delete`, `undelete`
use std::fmt;

use clap::Args;
use diesel_tenants::{Retention, Status, TenantId};
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::show;
use crate::value::{Id, OnlyOne};

/// Delete an archived tenant: set the date from which on it may be purged
///
/// Until then nothing of it is removed, and `undelete` takes it back. A tenant that is only reserved has nothing that could
/// be kept, and is gone at once. Wants the id confirmed.
#[derive(Args, Debug)]
pub struct Delete {
    #[command(flatten)]
    tenant: OnlyOne,
    /// For how many days its data is kept
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    retain_days: u32,
}

/// Take a deletion back: the tenant is archived and kept
#[derive(Args, Debug)]
pub struct Undelete {
    /// The tenant's id
    #[arg(value_parser = Id)]
    id: TenantId,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Deleted {
    id: String,
    uuid: String,
    /// From when on it may be purged: RFC 3339, UTC.
    delete_after: String,
    next: Vec<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Undeleted {
    id: String,
    status: &'static str,
}

/// What was only reserved, and is not known any more.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Unreserved {
    id: String,
}

impl Delete {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let id = self.tenant.id("delete")?;
        let tenancy = app.open()?;
        let record = tenancy.handle(&id)?.record()?;
        if record.status == Status::Reserved {
            app.confirm(&record, "gives free the id of")?;
            tenancy.unreserve(&id)?;
            let id = record.id.to_string();
            return app.emit(&Unreserved { id });
        }
        let days = show::count(self.retain_days as usize, "day");
        let what = format!("deletes, and after {days} lets be purged,");
        let confirmation = app.confirm(&record, &what)?;
        let date = tenancy.delete(&id, &confirmation, Retention::days(self.retain_days))?;
        let id = record.id;
        app.emit(&Deleted {
            id: id.to_string(),
            uuid: record.uuid.to_string(),
            delete_after: show::iso(date),
            next: vec![
                app.command(&format!("undelete {id}")),
                app.command(&format!("purge {id} --yes-i-mean {id}")),
            ],
        })
    }
}

impl Undelete {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        tenancy.undelete(&self.id)?;
        let record = tenancy.handle(&self.id)?.record()?;
        app.emit(&Undeleted {
            id: record.id.to_string(),
            status: record.status.as_str(),
        })
    }
}

impl Document for Deleted {
    const SCHEMA: &'static str = "delete/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(
            f,
            "deleted {}; its data is kept until {}",
            self.id, self.delete_after
        )?;
        show::next(f, &self.next)
    }
}

impl Document for Unreserved {
    const SCHEMA: &'static str = "unreserve/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(f, "{} is not reserved any more; its id is free", self.id)
    }
}

impl Document for Undeleted {
    const SCHEMA: &'static str = "undelete/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(f, "{} is {} and kept", self.id, self.status)
    }
}
