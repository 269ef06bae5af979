//! `quota`
use std::fmt;

use clap::Args;
use diesel_tenants::{Tenancy, TenantId};
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::show;
use crate::table::Fields;
use crate::value::{Id, Size, text};

/// Leaves the quota of a tenant to its plan.
pub(crate) type Unset = fn(&Tenancy, &TenantId) -> Result<(), Failure>;

/// Show how much a tenant holds, and set the most it may
///
/// Counted are the pages of its database. A tenant that has more already keeps it; only growing is refused.
#[derive(Args, Debug)]
pub struct Quota {
    /// The tenant's id
    #[arg(value_parser = Id)]
    id: TenantId,
    /// The most bytes its database may have, such as `500MiB`
    #[arg(long, value_name = "SIZE", value_parser = text::<Size>())]
    set: Option<Size>,
    /// Leave it to its plan
    #[arg(long, conflicts_with = "set")]
    unset: bool,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Used {
    id: String,
    /// Bytes of its database.
    bytes: u64,
    /// Those of them that hold nothing.
    free_bytes: u64,
    /// Bytes on disk, the WAL included.
    disk_bytes: u64,
    /// The most bytes it may have: its own quota, or that of its plan; null without a limit.
    quota_bytes: Option<u64>,
    left_bytes: Option<u64>,
}

impl Quota {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        if let Some(size) = self.set {
            tenancy.set_quota(&self.id, Some(size.0))?;
        } else if self.unset {
            app.unset_quota(&tenancy, &self.id)?;
        }
        let usage = tenancy.usage(&self.id)?;
        app.emit(&Used {
            id: tenancy.handle(&self.id)?.id().to_string(),
            bytes: usage.bytes,
            free_bytes: usage.free,
            disk_bytes: usage.on_disk,
            quota_bytes: usage.quota,
            left_bytes: usage.left(),
        })
    }
}

impl Document for Used {
    const SCHEMA: &'static str = "quota/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(f, "{}", self.id)?;
        let quota = self
            .quota_bytes
            .map_or_else(|| "none".to_owned(), show::bytes);
        let (used, free) = (show::bytes(self.bytes), show::bytes(self.free_bytes));
        let fields = Fields::new()
            .with("used", format!("{used}, of which {free} hold nothing"))
            .with("quota", quota)
            .with_some("left", self.left_bytes.map(show::bytes))
            .with("on disk", show::bytes(self.disk_bytes));
        write!(f, "{fields}")
    }
}
