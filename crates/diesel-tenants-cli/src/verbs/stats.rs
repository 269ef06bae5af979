//! `stats`
use std::collections::BTreeMap;
use std::fmt;

use clap::Args;
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::show;
use crate::table::{Fields, Table, left, right};

/// Count the tenants, by status and plan, and add up their sizes
///
/// As the catalogue and the file system have it; no tenant's database is opened.
#[derive(Args, Debug)]
pub struct Stats {
    /// How many of the largest tenants to name
    #[arg(long, value_name = "N", default_value_t = 5)]
    largest: usize,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Counted {
    tenants: usize,
    by_status: BTreeMap<&'static str, usize>,
    /// Tenants on no plan are under the empty name.
    by_plan: BTreeMap<String, usize>,
    /// Bytes on disk of all tenants' databases in use.
    tenants_bytes: u64,
    shared_bytes: u64,
    largest: Vec<Sized>,
    disk_free_bytes: u64,
    disk_bytes: u64,
    /// The most connections a process with these limits keeps open.
    max_connections: usize,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Sized {
    id: String,
    bytes: u64,
}

impl Stats {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let records = tenancy.tenants()?;
        let (mut by_status, mut by_plan) = (BTreeMap::new(), BTreeMap::new());
        let mut sizes = Vec::new();
        for record in &records {
            *by_status.entry(record.status.as_str()).or_default() += 1;
            *by_plan
                .entry(record.plan.clone().unwrap_or_default())
                .or_default() += 1;
            let bytes = tenancy.database_file(&record.id)?.bytes.unwrap_or(0);
            sizes.push(Sized {
                id: record.id.to_string(),
                bytes,
            });
        }
        let tenants_bytes = sizes.iter().map(|tenant| tenant.bytes).sum();
        sizes.sort_by_key(|tenant| std::cmp::Reverse(tenant.bytes));
        sizes.truncate(self.largest);
        let disk = tenancy.disk_space()?;
        app.emit(&Counted {
            tenants: records.len(),
            by_status,
            by_plan,
            tenants_bytes,
            shared_bytes: tenancy.shared_file()?.bytes.unwrap_or(0),
            largest: sizes,
            disk_free_bytes: disk.free,
            disk_bytes: disk.total,
            max_connections: tenancy.stats().max_connections,
        })
    }
}

impl Document for Counted {
    const SCHEMA: &'static str = "stats/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(f, "{}", show::count(self.tenants, "tenant"))?;
        let (free, total) = (
            show::bytes(self.disk_free_bytes),
            show::bytes(self.disk_bytes),
        );
        let fields = Fields::new()
            .with("tenants' databases", show::bytes(self.tenants_bytes))
            .with("shared database", show::bytes(self.shared_bytes))
            .with("disk", format!("{free} free of {total}"))
            .with(
                "connections",
                format!("at most {} in a process", self.max_connections),
            );
        write!(f, "{fields}")?;
        let mut counts = Table::new([left("STATUS"), right("TENANTS")]);
        for (status, count) in &self.by_status {
            counts.row([(*status).to_owned(), count.to_string()]);
        }
        if !counts.is_empty() {
            write!(f, "\n{counts}")?;
        }
        let mut plans = Table::new([left("PLAN"), right("TENANTS")]);
        for (plan, count) in &self.by_plan {
            let plan = Some(plan).filter(|plan| !plan.is_empty());
            plans.row([show::or_dash(plan), count.to_string()]);
        }
        if !plans.is_empty() {
            write!(f, "\n{plans}")?;
        }
        let mut largest = Table::new([left("LARGEST"), right("SIZE")]);
        for tenant in &self.largest {
            largest.row([tenant.id.clone(), show::bytes(tenant.bytes)]);
        }
        match largest.is_empty() {
            true => Ok(()),
            false => write!(f, "\n{largest}"),
        }
    }
}
