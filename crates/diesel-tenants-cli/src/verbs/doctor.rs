//! `doctor`
use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use console::style;
use diesel::QueryResult;
use diesel::dsl::sql;
use diesel::sql_types::Text;
use diesel_tenants::backend::TenantKey;
use diesel_tenants::fleet::RunOutcome;
use diesel_tenants::migrate::SchemaMismatch;
use diesel_tenants::pool::fd_budget;
use diesel_tenants::verify::Health;
use diesel_tenants::workflow::RunState;
use diesel_tenants::{BackupFilter, BackupRecord, RunQueryDsl as _, Status, Tenancy, TenantId};
use serde::Serialize;
use uuid::Uuid;

use crate::again;
use crate::app::App;
use crate::exit::Exit;
use crate::failure::{Failure, Kind};
use crate::output::Document;
use crate::show;
use crate::value::{Span, text};

/// Look over the whole fleet and say what to do next
///
/// Finishes or undoes what dead processes left half done, as every command does, and then lists what is not as it should
/// be, each with the command that puts it right. Exit code 3 where there is something. It opens no tenant's database:
/// `verify --all` does, and what that found last is part of this.
#[derive(Args, Debug)]
pub struct Doctor {
    /// How old the newest backup of a tenant may be that somebody or a timer asked for: one that an operation took before it
    /// went to work does not count
    #[arg(long, value_name = "AGE", default_value = "2d", value_parser = text::<Span>())]
    backup_age: Span,
    /// Try once more to finish or undo workflows that are stuck, before looking
    #[arg(long)]
    retry: bool,
    /// Remove what operations that are no more have left unfinished in the directories of tenants, before looking
    #[arg(long)]
    fix: bool,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Examined {
    data: String,
    tenants: usize,
    findings: Vec<Finding>,
    sqlite_version: String,
    /// The most connections a process with these limits keeps open.
    max_connections: usize,
    disk_free_bytes: u64,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Finding {
    /// unfinished, workflow, run, reserved, failed, missing, behind, ahead, not-ready, backup-missing, backup-lost, backup-old, due, undead, buried,
    /// reclaimable, orphan-directory, leftover, hospital, descriptors or disk.
    kind: &'static str,
    tenant: Option<String>,
    message: String,
    /// The command to run next, or what to do.
    next: String,
}

/// What an application has looked at besides.
pub(crate) type Examine = fn(&Tenancy, &mut Findings<'_>) -> Result<(), Failure>;

/// What is gathered while everything is looked at.
pub(crate) struct Findings<'a> {
    app: &'a App<'a>,
    found: Vec<Finding>,
}

impl Findings<'_> {
    /// A command of this program.
    #[cfg(feature = "hospital")]
    pub(crate) fn command(&self, arguments: &str) -> String {
        self.app.command(arguments)
    }

    fn of(&mut self, id: TenantId, kind: &'static str, message: impl Into<String>, command: &str) {
        let next = self.app.command(command);
        self.add(Some(id), kind, message, next);
    }

    pub(crate) fn add(
        &mut self,
        id: Option<TenantId>,
        kind: &'static str,
        message: impl Into<String>,
        next: impl Into<String>,
    ) {
        self.found.push(Finding {
            kind,
            tenant: id.map(|id| id.to_string()),
            message: message.into(),
            next: next.into(),
        });
    }
}

impl Doctor {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let mut findings = Findings {
            app,
            found: Vec::new(),
        };
        unfinished(&tenancy, &mut findings)?;
        workflows(&tenancy, self.retry, &mut findings)?;
        runs(&tenancy, &mut findings)?;
        tenants(&tenancy, &mut findings)?;
        let beside = backups(&tenancy, self.backup_age.0, &mut findings)?;
        ends(&tenancy, &mut findings)?;
        if let Some(examine) = app.examine() {
            examine(&tenancy, &mut findings)?;
        }
        leftovers(&tenancy, self.fix, &mut findings)?;
        let disk = surroundings(&tenancy, beside, &mut findings)?;
        app.emit(&Examined {
            data: show::path(tenancy.data_directory()),
            tenants: tenancy.tenants()?.len(),
            findings: findings.found,
            sqlite_version: sqlite_version(&tenancy)?,
            max_connections: tenancy.stats().max_connections,
            disk_free_bytes: disk,
        })
    }
}

/// What other processes are doing, and what dead ones left that could not be settled.
fn unfinished(tenancy: &Tenancy, findings: &mut Findings<'_>) -> Result<(), Failure> {
    // Opening has tried already; this attempt says why it could not be done.
    let why = tenancy
        .recover()
        .err()
        .map(|error| Failure::from(error).on_one_line());
    let operations = tenancy.unfinished()?;
    if let Some(why) = why.as_ref().filter(|_| operations.is_empty()) {
        // A backup that was cut short, or a generation that was given up.
        let message = format!("what was left half done could not be settled: {why}");
        let next = findings.app.command("doctor");
        let next = format!("mend that, then run `{next}` again");
        findings.add(None, "unfinished", message, next);
    }
    for operation in operations {
        let (id, kind) = (operation.tenant, operation.kind);
        if operation.alive {
            let message = format!("{kind} of {id} is under way in another process");
            findings.add(Some(id), "unfinished", message, "wait for it");
            continue;
        }
        let why = why.as_deref().unwrap_or("it can be settled now");
        let message = format!("{kind} of {id} was cut short: {why}");
        findings.of(id, "unfinished", message, &format!("verify {id}"));
    }
    Ok(())
}

/// Workflows that are not over: opening has tried to finish or undo those that dead processes left.
fn workflows(tenancy: &Tenancy, retry: bool, findings: &mut Findings<'_>) -> Result<(), Failure> {
    for run in tenancy.unfinished_workflows()? {
        let (id, name, tenant) = (run.id, &run.name, run.tenant);
        if run.is_alive {
            let message = format!("{name} of {tenant} is under way ({id})");
            findings.add(Some(tenant), "workflow", message, "wait for it");
            continue;
        }
        let app = findings.app;
        let abandon = || app.command(&format!("abandon {id} --reason '…'"));
        if run.is_abandoned {
            let message = format!(
                "{name} of {tenant} was given up, and what it left in the tenant's database cannot be emptied yet ({id})"
            );
            findings.of(tenant, "workflow", message, &format!("verify {tenant}"));
            continue;
        }
        if !run.is_registered {
            let message = format!(
                "{name} of {tenant} was cut short, and this program does not know it ({id})"
            );
            let next = format!(
                "run the program it belongs to, which finishes or undoes it; or give it up by `{}`",
                abandon()
            );
            findings.add(Some(tenant), "workflow", message, next);
            continue;
        }
        let retried = retry.then(|| tenancy.retry_workflow(id));
        let why = match retried {
            Some(Ok(state)) if !matches!(state, RunState::Stuck | RunState::Running) => continue,
            Some(Err(error)) => Failure::of(Kind::Failed, &error).on_one_line(),
            _ => run
                .failure
                .clone()
                .unwrap_or_else(|| "it was cut short".to_owned()),
        };
        let at = match &run.failed_step {
            Some(step) => format!(" at `{step}`"),
            None => String::new(),
        };
        let message = format!(
            "{name} of {tenant} is {}{at}: {why} ({id})",
            run.state.as_str()
        );
        // What was tried just now is not what to do next.
        let next = match retry {
            true => format!("mend what is in its way, or give it up by `{}`", abandon()),
            false => findings.app.command("doctor --retry"),
        };
        findings.add(Some(tenant), "workflow", message, next);
    }
    Ok(())
}

/// The newest run of migrations, if nobody works on it any more and it is not finished.
fn runs(tenancy: &Tenancy, findings: &mut Findings<'_>) -> Result<(), Failure> {
    let newest = tenancy.fleet_runs()?.into_iter().next();
    if let Some(run) = newest.filter(|run| run.outcome == RunOutcome::Interrupted) {
        let left = show::count(run.totals.left as usize, "tenant");
        let message = format!(
            "a run of migrations was cut short, with {left} left ({})",
            run.id
        );
        // Not `migrate --all`: it may have been begun for some of them, and with a backup of each.
        let report = tenancy.fleet_run(run.id)?;
        let next = again::resume(findings.app, &report).unwrap_or_default();
        findings.add(None, "run", message, next);
    }
    Ok(())
}

/// Each tenant as the catalogue and the file system have it, and as it was verified last.
fn tenants(tenancy: &Tenancy, findings: &mut Findings<'_>) -> Result<(), Failure> {
    let health = tenancy.health_of_all()?;
    for record in tenancy.tenants()? {
        let id = record.id;
        if record.status == Status::Failed {
            let message = format!("{id} could be neither created nor removed");
            findings.of(id, "failed", message, &format!("show {id}"));
            continue;
        }
        if record.status == Status::Reserved {
            let message = format!("{id} is reserved and has no database yet");
            findings.of(id, "reserved", message, &format!("repair {id} --apply"));
            continue;
        }
        if tenancy.database_file(&id)?.bytes.is_none() {
            let message = format!("the database of {id} is missing");
            findings.of(id, "missing", message, &format!("backups {id}"));
            continue;
        }
        match tenancy
            .tenant_migrations()
            .gate(record.schema_version.as_deref())
        {
            Ok(()) => {}
            Err(SchemaMismatch::Ahead { found, .. }) => {
                let message = format!("{id} is at {found}, which this program does not know");
                findings.add(Some(id), "ahead", message, "deploy the newer program");
            }
            Err(_) => {
                let at = show::or_dash(record.schema_version.as_ref());
                let message = format!("{id} is at {at} and misses migrations");
                findings.of(id, "behind", message, &format!("migrate {id}"));
            }
        }
        if let Some(last) = health.get(&id)
            && last.status != Health::Ready
        {
            let when = show::ago(last.checked_at);
            let message = format!("{id} was {} when it was verified, {when}", last.status);
            findings.of(id, "not-ready", message, &format!("verify {id}"));
        }
    }
    Ok(())
}

/// Whether there is a backup of everything that is young enough, and whose files are there.
///
/// Returns whether one of the newest is on the disk of the data directory, or is to be, there being none yet.
fn backups(
    tenancy: &Tenancy,
    most: Duration,
    findings: &mut Findings<'_>,
) -> Result<bool, Failure> {
    let mut newest: HashMap<Option<Uuid>, BackupRecord> = HashMap::new();
    let taken = tenancy.backups(&BackupFilter::all())?;
    for backup in taken.into_iter().filter(|it| it.reason.is_asked_for()) {
        newest
            .entry(backup.tenant.map(|tenant| tenant.uuid))
            .or_insert(backup);
    }
    let mut check = |of: Option<(Uuid, TenantId)>| {
        let id = of.map(|(_, id)| id);
        let (whose, command) = match id {
            Some(id) => (id.to_string(), format!("backup {id}")),
            None => (
                "the shared database".to_owned(),
                "backup --shared".to_owned(),
            ),
        };
        let next = findings.app.command(&command);
        match newest.get(&of.map(|(uuid, _)| uuid)) {
            None => findings.add(id, "backup-missing", format!("{whose} has no backup"), next),
            Some(backup) => {
                if let Err(error) = tenancy.backup_is_there(backup) {
                    let why = Failure::from(error).on_one_line();
                    let message = format!("the newest backup of {whose} is not in order: {why}");
                    findings.add(id, "backup-lost", message, next);
                } else if backup.taken_at.elapsed().is_ok_and(|age| age > most) {
                    let age = show::ago(backup.taken_at);
                    let message = format!("the newest backup of {whose} was taken {age}");
                    findings.add(id, "backup-old", message, next);
                }
            }
        }
    };
    check(None);
    for record in tenancy.tenants()? {
        if !matches!(record.status, Status::Failed | Status::Reserved) {
            check(Some((record.uuid, record.id)));
        }
    }
    let data = device(tenancy.data_directory());
    let mut devices = newest.values().map(|backup| device(&backup.path));
    // One that is not mounted is on another disk.
    Ok(newest.is_empty() || devices.any(|it| it.is_some() && it == data))
}

/// What tells disks apart.
fn device(path: &Path) -> Option<u64> {
    let metadata = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let device = std::os::unix::fs::MetadataExt::dev(&metadata);
    #[cfg(not(unix))]
    let device = u64::from(metadata.is_dir());
    Some(device)
}

/// Tenants at their end, and those that should be past it.
fn ends(tenancy: &Tenancy, findings: &mut Findings<'_>) -> Result<(), Failure> {
    for record in tenancy.due()? {
        let id = record.id;
        findings.of(
            id,
            "due",
            format!("the retention of {id} is over"),
            &format!("purge {id}"),
        );
    }
    for undead in tenancy.undead()? {
        let size = show::bytes(undead.bytes);
        let message = format!(
            "{} was deleted, and {size} of it are there ({})",
            undead.id, undead.uuid
        );
        findings.of(
            undead.id,
            "undead",
            message,
            &format!("purge {} --uuid {}", undead.id, undead.uuid),
        );
    }
    for record in tenancy.buried() {
        let message = format!(
            "{} had been purged before this shared database was restored; it was set to deleted again",
            record.id
        );
        findings.add(
            Some(record.id),
            "buried",
            message,
            "nothing; it is said once",
        );
    }
    for orphan in tenancy.orphans()? {
        if let Some(TenantKey { id, uuid, .. }) = orphan.reclaimable {
            let message = format!(
                "the database of {id} is there, and this shared database does not know it; leave it where it is"
            );
            let command = format!("reclaim {uuid} --name \"{id}\"");
            findings.of(id, "reclaimable", message, &command);
            continue;
        }
        findings.add(
            None,
            "orphan-directory",
            orphan.to_string(),
            "look what it is, then move it out of the data directory",
        );
    }
    Ok(())
}

/// What operations that are no more were making, and nobody takes up again.
fn leftovers(tenancy: &Tenancy, fix: bool, findings: &mut Findings<'_>) -> Result<(), Failure> {
    for left in tenancy.leftovers()? {
        let (id, names) = (left.id, left.names.join(", "));
        let why = match fix.then(|| tenancy.remove_leftovers(&id)) {
            Some(Ok(_)) => continue,
            Some(Err(error)) => format!(": {}", Failure::from(error).on_one_line()),
            None => String::new(),
        };
        let message = format!("an operation on {id} that is no more has left {names}{why}");
        findings.of(id, "leftover", message, "doctor --fix");
    }
    Ok(())
}

/// The process's limits and the disk. Returns the bytes that are free.
///
/// `beside` is whether the backups are on the same disk.
fn surroundings(
    tenancy: &Tenancy,
    beside: bool,
    findings: &mut Findings<'_>,
) -> Result<u64, Failure> {
    let (connections, enough_for) = (tenancy.stats().max_connections, fd_budget(Some(0)));
    if connections > enough_for {
        let message = format!(
            "up to {connections} connections are allowed, the limit of open files is enough for {enough_for}"
        );
        findings.add(
            None,
            "descriptors",
            message,
            "raise `ulimit -n` or lower `max_connections`",
        );
    }
    // A backup of all tenants needs room for a copy of everything, one after the other a restore, a drill, a compaction or a
    // migration with its WAL for a copy of one.
    let mut needed = tenancy.shared_file()?.bytes.unwrap_or(0);
    for record in tenancy.tenants()? {
        let bytes = tenancy.database_file(&record.id)?.bytes.unwrap_or(0);
        needed = match beside {
            true => needed + bytes,
            false => needed.max(bytes),
        };
    }
    let what = match beside {
        true => "everything",
        false => "the largest database",
    };
    let disk = tenancy.disk_space()?;
    if disk.free < needed {
        let (free, needed) = (show::bytes(disk.free), show::bytes(needed));
        let message = format!(
            "{free} are free on the disk of the data directory, a copy of {what} has {needed}"
        );
        let next = findings.app.command("stats");
        findings.add(None, "disk", message, next);
    }
    Ok(disk.free)
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
