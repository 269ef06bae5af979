//! `audit`
use std::collections::VecDeque;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use diesel_tenants::access::ActorId;
use diesel_tenants::audit::{AuditEntry, AuditFilter, AuditHead};
use diesel_tenants::{Tenancy, TenantId};
use serde::Serialize;
use serde_json::Value;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::{Failure, Kind};
use crate::output::Document;
use crate::printable;
use crate::show;
use crate::table::{Table, left, right};
use crate::value::{Id, Span, text};

/// Read the audit log: who did what, when and why
///
/// Every change this program or the service makes to a tenant is in it, in the name of who did it (`--as`). Entries are only
/// ever added, and each holds the hash of the one before.
#[derive(Args, Debug)]
pub struct Audit {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    List(List),
    Export(Export),
    Verify(Verify),
    Head(Head),
    Prune(Prune),
}

/// List entries, oldest first: the newest of those that fit
#[derive(Args, Debug)]
struct List {
    #[command(flatten)]
    which: Which,
    /// Only those after this number, from there on: the next page
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// At most this many
    #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

/// Write entries as JSON, one a line, for an archive; that it was done is entered first
#[derive(Args, Debug)]
struct Export {
    #[command(flatten)]
    which: Which,
    /// A new file for them; without it they go to stdout
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// Check that every entry is as it was entered, in its place; exit code 3 where one is not
#[derive(Args, Debug)]
struct Verify {
    /// Also that the entry is there which `audit head` printed into this file: it was kept where nobody who can write to
    /// the shared database could change it
    #[arg(long, value_name = "HEAD-FILE")]
    against: Option<PathBuf>,
}

/// Print the number and the hash of the newest entry, to be kept elsewhere for `verify --against`
#[derive(Args, Debug)]
struct Head {}

/// Take away entries that are older than any rule asks for; wants `--yes-i-mean audit`
#[derive(Args, Debug)]
struct Prune {
    /// How old an entry must be; six years at the least
    #[arg(long, value_name = "AGE", default_value = "7years", value_parser = text::<Span>())]
    older_than: Span,
}

#[derive(Args, Debug)]
struct Which {
    /// Only about this tenant
    #[arg(long, value_name = "ID", value_parser = Id)]
    tenant: Option<TenantId>,
    /// Only by this actor, such as `uid:1000`
    #[arg(long, value_name = "NAME", value_parser = text::<ActorId>())]
    actor: Option<ActorId>,
    /// Only of this action, such as `purge.begin`
    #[arg(long, value_name = "ACTION", value_parser = text::<String>())]
    action: Option<String>,
    /// Only from then on: `7d` ago, a day such as `2026-11-25`, or `2026-11-25T19:00:00Z`
    #[arg(long, value_name = "TIME", value_parser = text::<Moment>())]
    since: Option<Moment>,
    /// Only before then
    #[arg(long, value_name = "TIME", value_parser = text::<Moment>())]
    until: Option<Moment>,
}

/// A time, or how long ago it was.
#[derive(Clone, Copy, Debug)]
struct Moment(SystemTime);

impl FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str =
            "not a time; write `7d` for that long ago, `2026-11-25` or `2026-11-25T19:00:00Z`";
        if let Ok(ago) = humantime::parse_duration(text) {
            return SystemTime::now().checked_sub(ago).map(Self).ok_or(RULE);
        }
        let time = match text.contains('T') {
            true => humantime::parse_rfc3339(text),
            false => humantime::parse_rfc3339(&format!("{text}T00:00:00Z")),
        };
        time.map(Self).map_err(|_| RULE)
    }
}

impl Which {
    fn filter(&self) -> AuditFilter {
        let mut filter = AuditFilter::all();
        if let Some(id) = &self.tenant {
            filter = filter.tenant(id);
        }
        if let Some(actor) = &self.actor {
            filter = filter.actor(actor);
        }
        if let Some(action) = &self.action {
            filter = filter.action(action);
        }
        if let Some(since) = self.since {
            filter = filter.since(since.0);
        }
        if let Some(until) = self.until {
            filter = filter.until(until.0);
        }
        filter
    }
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Listed {
    /// Oldest first.
    entries: Vec<Entry>,
    /// Whether there are more that fit: before the first or, with `--after`, after the last.
    more: bool,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Entry {
    seq: u64,
    /// RFC 3339, UTC.
    at: String,
    actor: String,
    /// user, service or system.
    actor_kind: String,
    role: Option<String>,
    action: String,
    tenant: Option<String>,
    tenant_uuid: Option<String>,
    generation: Option<u64>,
    /// The operation, grant or run it belongs to.
    subject: Option<String>,
    reason: Option<String>,
    /// What else there is to say, by name.
    detail: Value,
    hash: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Exported {
    file: String,
    entries: u64,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Verified {
    intact: bool,
    /// The first entry that is kept.
    first: u64,
    last: u64,
    /// How many entries are in order.
    sound: u64,
    /// The first thing that is wrong.
    fault: Option<String>,
    /// The head it was compared with.
    against: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Newest {
    /// As `verify --against` reads it: `number:hash`.
    head: String,
    seq: u64,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Pruned {
    removed: u64,
}

impl Audit {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        match &self.verb {
            Verb::List(verb) => verb.run(app),
            Verb::Export(verb) => verb.run(app),
            Verb::Verify(verb) => verb.run(app),
            Verb::Head(Head {}) => {
                let head = app.open()?.audit_head()?;
                app.emit(&Newest {
                    head: head.to_string(),
                    seq: head.seq,
                })
            }
            Verb::Prune(verb) => verb.run(app),
        }
    }
}

impl List {
    fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let (filter, limit) = (self.which.filter(), usize::from(self.limit));
        let (entries, more) = match self.after {
            Some(seq) => {
                let mut page = tenancy.audit_entries(&filter.after(seq), limit + 1)?;
                let more = page.len() > limit;
                page.truncate(limit);
                (page, more)
            }
            None => newest(&tenancy, filter, limit)?,
        };
        app.emit(&Listed {
            entries: entries.into_iter().map(Entry::of).collect(),
            more,
        })
    }
}

/// The last entries that fit, and whether there are more before them.
fn newest(
    tenancy: &Tenancy,
    mut filter: AuditFilter,
    limit: usize,
) -> Result<(Vec<AuditEntry>, bool), Failure> {
    const PAGE: usize = 1000;
    let (mut last, mut more) = (VecDeque::new(), false);
    loop {
        let page = tenancy.audit_entries(&filter, PAGE)?;
        let is_last = page.len() < PAGE;
        if let Some(entry) = page.last() {
            filter = filter.after(entry.seq);
        }
        last.extend(page);
        let surplus = last.len().saturating_sub(limit);
        more |= surplus > 0;
        last.drain(..surplus);
        if is_last {
            return Ok((last.into(), more));
        }
    }
}

impl Entry {
    fn of(entry: AuditEntry) -> Self {
        Self {
            seq: entry.seq,
            at: show::iso(entry.at()),
            // What was tampered with may not be an object at all, and is shown as it is.
            detail: serde_json::from_str(&entry.detail).unwrap_or(Value::String(entry.detail)),
            actor: entry.actor,
            actor_kind: entry.actor_kind,
            role: entry.role,
            action: entry.action,
            tenant: entry.tenant_id,
            tenant_uuid: entry.tenant_uuid.map(|uuid| uuid.to_string()),
            generation: entry.generation,
            subject: entry.subject.map(|uuid| uuid.to_string()),
            reason: entry.reason,
            hash: entry.hash,
        }
    }
}

impl Export {
    fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let filter = self.which.filter();
        let Some(file) = &self.to else {
            if app.options.json {
                let message = "without a file the entries themselves go to stdout";
                let failure = Failure::new(Kind::Usage, message);
                return Err(failure.hint("give `--to FILE`, or leave out `--json`"));
            }
            let tenancy = app.open()?;
            let mut out = BufWriter::new(io::stdout().lock());
            tenancy.export_audit(&filter, &mut out)?;
            out.flush().map_err(|e| Failure::of(Kind::Failed, &e))?;
            return Ok(Exit::Done);
        };
        let tenancy = app.open()?;
        let failed = |error: io::Error| {
            let kind = match error.kind() {
                io::ErrorKind::AlreadyExists => Kind::Refused,
                _ => Kind::Failed,
            };
            Failure {
                message: format!("{file:?} cannot be written"),
                causes: vec![error.to_string()],
                ..Failure::new(kind, "")
            }
        };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        // Reasons may name patients.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut out = BufWriter::new(options.open(file).map_err(failed)?);
        let entries = tenancy.export_audit(&filter, &mut out)?;
        let written = out.into_inner().map_err(io::IntoInnerError::into_error);
        written.and_then(|file| file.sync_all()).map_err(failed)?;
        app.emit(&Exported {
            file: show::path(file),
            entries,
        })
    }
}

impl Verify {
    fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let head = self.against.as_deref().map(read_head).transpose()?;
        let tenancy = app.open()?;
        let found = match &head {
            Some(head) => tenancy.verify_audit_against(head)?,
            None => tenancy.verify_audit()?,
        };
        app.emit(&Verified {
            intact: found.is_intact(),
            first: found.first,
            last: found.last,
            sound: found.sound,
            fault: found.fault.map(|fault| fault.to_string()),
            against: head.map(|head| head.to_string()),
        })
    }
}

fn read_head(file: &std::path::Path) -> Result<AuditHead, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => Kind::NotFound,
            _ => Kind::Failed,
        };
        let failure = Failure::of(kind, &error);
        Failure {
            message: format!("{file:?} cannot be read"),
            causes: vec![error.to_string()],
            ..failure
        }
    })?;
    text.parse().map_err(|error| {
        let failure = Failure::new(Kind::Usage, format!("{file:?}: {error}"));
        failure.hint("`audit head` prints one")
    })
}

impl Prune {
    fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        app.confirm_word("audit", "takes entries out of the audit log for ever")?;
        let removed = app.open()?.prune_audit(self.older_than.0)?;
        app.emit(&Pruned { removed })
    }
}

impl Document for Listed {
    const SCHEMA: &'static str = "audit-list/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        if self.entries.is_empty() {
            return writeln!(f, "no entry fits");
        }
        let mut table = Table::new([
            right("SEQ"),
            left("AT"),
            left("WHO"),
            left("WHAT"),
            left("TENANT"),
            left("WHY"),
        ]);
        for entry in &self.entries {
            table.row([
                entry.seq.to_string(),
                entry.at.clone(),
                printable(&entry.actor),
                printable(&entry.action),
                printable(entry.tenant.as_deref().unwrap_or("-")),
                printable(entry.reason.as_deref().unwrap_or("-")),
            ]);
        }
        write!(f, "{table}")?;
        match self.more {
            true => writeln!(f, "there are more; narrow it down, or raise `--limit`"),
            false => Ok(()),
        }
    }
}

impl Document for Exported {
    const SCHEMA: &'static str = "audit-export/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        let entries = match self.entries {
            1 => "1 entry".to_owned(),
            n => format!("{n} entries"),
        };
        writeln!(f, "{entries} in {}", self.file)
    }
}

impl Document for Verified {
    const SCHEMA: &'static str = "audit-verify/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        let (first, last) = (self.first, self.last);
        match &self.fault {
            Some(fault) => writeln!(
                f,
                "{fault}; {} before it are in order, from {first} on",
                self.sound
            ),
            None if self.sound == 0 => writeln!(f, "the audit log is empty"),
            None => writeln!(f, "the audit log is in order, from entry {first} to {last}"),
        }
    }

    fn exit(&self) -> Exit {
        match self.intact {
            true => Exit::Done,
            false => Exit::Findings,
        }
    }
}

impl Document for Newest {
    const SCHEMA: &'static str = "audit-head/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(f, "{}", self.head)
    }
}

impl Document for Pruned {
    const SCHEMA: &'static str = "audit-prune/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        match self.removed {
            0 => writeln!(f, "no entry is that old"),
            1 => writeln!(f, "1 entry removed"),
            n => writeln!(f, "{n} entries removed"),
        }
    }
}
