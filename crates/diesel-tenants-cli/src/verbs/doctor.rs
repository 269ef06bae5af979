//! `doctor`
use std::fmt;

use clap::Args;
use console::style;
use diesel::QueryResult;
use diesel::dsl::sql;
use diesel::sql_types::Text;
use diesel_tenants::migrate::SchemaMismatch;
use diesel_tenants::pool::fd_budget;
use diesel_tenants::{RunQueryDsl as _, Status, Tenancy};
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::show;

/// Less than this share of the disk free is worth a word.
const LITTLE_ROOM: f64 = 0.1;

/// Look over the whole fleet and say what to do next
///
/// Finishes or undoes what dead processes left half done, as every command does, and then lists what is not as it should
/// be, each with the command that puts it right. Exit code 3 where there is something. It opens no tenant's database:
/// `verify --all` does.
#[derive(Args, Debug)]
pub struct Doctor {}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Examined {
    data: String,
    tenants: usize,
    findings: Vec<Finding>,
    sqlite_version: String,
    max_connections: usize,
    disk_free_bytes: u64,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Finding {
    /// unfinished, failed, missing, behind, ahead, orphan-directory, descriptors or disk.
    kind: &'static str,
    tenant: Option<String>,
    message: String,
    /// The command to run next, or what to do.
    next: String,
}

impl Doctor {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let mut findings = Vec::new();
        unfinished(app, &tenancy, &mut findings)?;
        tenants(app, &tenancy, &mut findings)?;
        for orphan in tenancy.orphan_directories()? {
            let path = show::path(&orphan);
            findings.push(Finding {
                kind: "orphan-directory",
                tenant: None,
                message: format!("{path} belongs to no tenant"),
                next: "look what it is, then move it out of the data directory".to_owned(),
            });
        }
        let max_connections = tenancy.stats().max_connections;
        let allowed = fd_budget(Some(0));
        if max_connections > allowed {
            findings.push(Finding {
                kind: "descriptors",
                tenant: None,
                message: format!(
                    "up to {max_connections} connections are allowed, the limit of open files is enough for {allowed}"
                ),
                next: "raise `ulimit -n` or lower `max_connections`".to_owned(),
            });
        }
        let disk = tenancy.disk_space()?;
        if (disk.free as f64) < disk.total as f64 * LITTLE_ROOM {
            let (free, total) = (show::bytes(disk.free), show::bytes(disk.total));
            findings.push(Finding {
                kind: "disk",
                tenant: None,
                message: format!("{free} of {total} are free on the disk of the data directory"),
                next: app.command("stats"),
            });
        }
        app.emit(&Examined {
            data: show::path(tenancy.data_directory()),
            tenants: tenancy.tenants()?.len(),
            findings,
            sqlite_version: sqlite_version(&tenancy)?,
            max_connections,
            disk_free_bytes: disk.free,
        })
    }
}

fn unfinished(
    app: &App<'_>,
    tenancy: &Tenancy,
    findings: &mut Vec<Finding>,
) -> Result<(), Failure> {
    // Opening has tried already; this attempt says why it could not be done.
    let why = tenancy.recover().err();
    for operation in tenancy.unfinished()? {
        let (id, kind) = (operation.tenant, operation.kind);
        let (message, next) = match (operation.alive, &why) {
            (true, _) => (
                format!("{kind} of {id} is under way in another process"),
                "wait for it".to_owned(),
            ),
            (false, Some(error)) => (
                format!("{kind} of {id} was cut short: {error}"),
                app.command(&format!("verify {id}")),
            ),
            (false, None) => (
                format!("{kind} of {id} was cut short"),
                app.command("doctor"),
            ),
        };
        findings.push(Finding {
            kind: "unfinished",
            tenant: Some(id.to_string()),
            message,
            next,
        });
    }
    Ok(())
}

fn tenants(app: &App<'_>, tenancy: &Tenancy, findings: &mut Vec<Finding>) -> Result<(), Failure> {
    for record in tenancy.tenants()? {
        let id = record.id;
        let mut found = |kind, message: String, next: String| {
            findings.push(Finding {
                kind,
                tenant: Some(id.to_string()),
                message,
                next,
            });
        };
        if record.status == Status::Failed {
            found(
                "failed",
                format!("{id} could not be created, nor removed"),
                app.command(&format!("show {id}")),
            );
            continue;
        }
        if tenancy.database_file(&id)?.bytes.is_none() {
            found(
                "missing",
                format!("the database of {id} is missing"),
                app.command(&format!("verify {id}")),
            );
            continue;
        }
        match tenancy
            .tenant_migrations()
            .gate(record.schema_version.as_deref())
        {
            Ok(()) => {}
            Err(SchemaMismatch::Ahead { found: at, .. }) => {
                found(
                    "ahead",
                    format!("{id} is at {at}, which this program does not know"),
                    "deploy the newer program".to_owned(),
                );
            }
            Err(_) => {
                let at = show::or_dash(record.schema_version.as_ref());
                found(
                    "behind",
                    format!("{id} is at {at} and misses migrations"),
                    app.command(&format!("migrate {id}")),
                );
            }
        }
    }
    Ok(())
}

fn sqlite_version(tenancy: &Tenancy) -> Result<String, Failure> {
    let version: QueryResult<String> =
        tenancy.shared()?.unrouted("which SQLite is linked", |raw| {
            diesel::select(sql::<Text>("sqlite_version()")).get_result(raw)
        });
    Ok(version?)
}

impl Document for Examined {
    const SCHEMA: &'static str = "doctor/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{} {}", style("!").red().bold(), finding.message)?;
            writeln!(f, "    {}", finding.next)?;
        }
        let tenants = show::count(self.tenants, "tenant");
        match self.findings.len() {
            0 => write!(f, "{tenants}, nothing to do")?,
            n => write!(f, "{tenants}, {}", show::count(n, "finding"))?,
        }
        writeln!(
            f,
            " (SQLite {}, at most {} connections, {} free)",
            self.sqlite_version,
            self.max_connections,
            show::bytes(self.disk_free_bytes),
        )
    }

    fn exit(&self) -> Exit {
        match self.findings.is_empty() {
            true => Exit::Done,
            false => Exit::Findings,
        }
    }
}
