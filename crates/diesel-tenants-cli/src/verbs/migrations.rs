//! `migrations`
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use clap::Args;
use diesel_tenants::migrate::{SchemaMismatch, Verdict};
use diesel_tenants::{Status, TenantId};
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::show;
use crate::table::{Table, left, right};
use crate::value::Id;

/// List the migrations: of all tenants how many have each, or of one when each was applied
///
/// Exit code 3 where some are pending, or where a database does not fit this program. Without an id no tenant's database
/// is opened.
#[derive(Args, Debug)]
pub struct Migrations {
    /// This tenant only, read from its database
    #[arg(value_parser = Id)]
    id: Option<TenantId>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct OfAll {
    migrations: Vec<Migration>,
    /// How many have a database.
    tenants: usize,
    behind: Vec<String>,
    ahead: Vec<String>,
    next: Vec<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Migration {
    version: String,
    name: String,
    /// How many tenants have it.
    applied: usize,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct OfOne {
    id: String,
    migrations: Vec<Entry>,
    /// up-to-date, behind, ahead, changed, unknown, out-of-order or unfit.
    verdict: &'static str,
    next: Vec<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Entry {
    version: String,
    name: String,
    /// RFC 3339, UTC; null where it is pending.
    applied_at: Option<String>,
}

impl Migrations {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        match self.id {
            Some(id) => of_one(app, id),
            None => of_all(app),
        }
    }
}

fn of_all(app: &App<'_>) -> Result<Exit, Failure> {
    let tenancy = app.open()?;
    // Whoever has no database is behind nothing: `migrate` would leave it alone for ever.
    let mut records = tenancy.tenants()?;
    records.retain(|record| !matches!(record.status, Status::Reserved | Status::Failed));
    let set = tenancy.tenant_migrations();
    let mut document = OfAll {
        migrations: Vec::new(),
        tenants: records.len(),
        behind: Vec::new(),
        ahead: Vec::new(),
        next: Vec::new(),
    };
    for record in &records {
        match set.gate(record.schema_version.as_deref()) {
            Ok(()) => {}
            Err(SchemaMismatch::Ahead { .. }) => document.ahead.push(record.id.to_string()),
            Err(_) => document.behind.push(record.id.to_string()),
        }
    }
    for script in set.iter() {
        let has = |version: &String| version.as_str() >= script.version();
        let applied = records
            .iter()
            .filter(|record| record.schema_version.as_ref().is_some_and(has));
        document.migrations.push(Migration {
            version: script.version().to_owned(),
            name: script.name().to_owned(),
            applied: applied.count(),
        });
    }
    if !document.behind.is_empty() {
        document.next.push(app.command("migrate --all"));
    }
    app.emit(&document)
}

fn of_one(app: &App<'_>, id: TenantId) -> Result<Exit, Failure> {
    let tenancy = app.open()?;
    let id = tenancy.handle(&id)?.id();
    let status = tenancy.migration_status(&id)?;
    let applied = status.applied.iter().map(|row| Entry {
        version: row.version.clone(),
        name: row.name.clone(),
        applied_at: Some(show::iso(at(row.applied_at))),
    });
    let pending = status.pending.iter().map(|pending| Entry {
        version: pending.version.clone(),
        name: pending.name.clone(),
        applied_at: None,
    });
    let (verdict, next) = match &status.verdict {
        Verdict::UpToDate => ("up-to-date", None),
        Verdict::Behind { .. } => ("behind", Some("migrate")),
        Verdict::Ahead { .. } => ("ahead", None),
        Verdict::Changed { .. } => ("changed", Some("verify")),
        Verdict::Unknown { .. } => ("unknown", Some("verify")),
        Verdict::OutOfOrder { .. } => ("out-of-order", Some("verify")),
        _ => ("unfit", Some("verify")),
    };
    app.emit(&OfOne {
        id: id.to_string(),
        migrations: applied.chain(pending).collect(),
        verdict,
        next: next
            .map(|verb| app.command(&format!("{verb} {id}")))
            .into_iter()
            .collect(),
    })
}

fn at(millis: i64) -> std::time::SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

impl Document for OfAll {
    const SCHEMA: &'static str = "migrations/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        let mut table = Table::new([left("VERSION"), left("NAME"), right("TENANTS")]);
        for migration in &self.migrations {
            table.row([
                migration.version.clone(),
                migration.name.clone(),
                format!("{}/{}", migration.applied, self.tenants),
            ]);
        }
        match table.is_empty() {
            true => writeln!(f, "this program has no tenant migrations")?,
            false => write!(f, "{table}")?,
        }
        if !self.behind.is_empty() {
            writeln!(f, "{} behind", show::count(self.behind.len(), "tenant"))?;
        }
        if !self.ahead.is_empty() {
            let count = show::count(self.ahead.len(), "tenant");
            writeln!(f, "{count} ahead of this program; deploy the newer one")?;
        }
        show::next(f, &self.next)
    }

    fn exit(&self) -> Exit {
        match self.behind.is_empty() && self.ahead.is_empty() {
            true => Exit::Done,
            false => Exit::Findings,
        }
    }
}

impl Document for OfOne {
    const SCHEMA: &'static str = "migrations-of/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        let mut table = Table::new([left("VERSION"), left("NAME"), left("APPLIED")]);
        for entry in &self.migrations {
            let applied = entry.applied_at.as_deref().unwrap_or("pending");
            table.row([
                entry.version.clone(),
                entry.name.clone(),
                applied.to_owned(),
            ]);
        }
        write!(f, "{table}")?;
        writeln!(f, "{} is {}", self.id, self.verdict)?;
        show::next(f, &self.next)
    }

    fn exit(&self) -> Exit {
        match self.verdict {
            "up-to-date" => Exit::Done,
            _ => Exit::Findings,
        }
    }
}
