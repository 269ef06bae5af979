//! `verify`
use std::collections::BTreeMap;
use std::fmt;

use clap::Args;
use console::style;
use diesel_tenants::verify::{
    Finding, Health, Integrity, Verification, VerifyError, VerifyOptions,
};
use diesel_tenants::{Tenancy, TenantId};
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::show;
use crate::value::Chosen;

/// Look into tenants' databases and say exactly what is wrong with them
///
/// Whether it is there and the tenant's, its pages, its foreign keys, its schema beside the one the migrations make, its
/// ledger. Nothing is changed. Exit code 3 where something is not ready.
#[derive(Args, Debug)]
pub struct Verify {
    #[command(flatten)]
    tenants: Chosen,
    /// Compare each index with its table too
    #[arg(long)]
    full: bool,
    /// Look at the schema and the ledger only, not at every page
    #[arg(long, conflicts_with = "full")]
    schema_only: bool,
    /// How many tenants to look at at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    workers: u8,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Verified {
    tenants: Vec<Verdict>,
    /// The shared database; null unless all were asked for.
    shared: Option<Verdict>,
    /// Tenants that could not be looked at.
    failed: Vec<Unseen>,
    /// Directories that belong to no tenant.
    orphans: Vec<String>,
    /// Tenants whose verdict could not be kept for `list`, `show` and `doctor`.
    not_remembered: Vec<String>,
    /// Why.
    not_remembered_because: Option<String>,
    /// How many tenants have each health.
    counts: BTreeMap<&'static str, usize>,
    next: Vec<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Verdict {
    /// Null for the shared database.
    id: Option<String>,
    /// ready, incomplete, unreachable, foreign, corrupt or missing.
    health: &'static str,
    generation: u64,
    findings: Vec<Found>,
    /// RFC 3339, UTC.
    checked_at: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Found {
    /// For programs: `missing_column`, `behind`, `leftover`, ….
    kind: String,
    message: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Unseen {
    id: String,
    message: String,
}

impl Found {
    pub(crate) fn of(finding: &Finding) -> Self {
        Self {
            kind: finding.kind(),
            message: finding.to_string(),
        }
    }
}

impl Verdict {
    pub(crate) fn of(found: &Verification) -> Self {
        Self {
            id: found.id.map(|id| id.to_string()),
            health: found.status.as_str(),
            generation: found.generation,
            findings: found.reasons.iter().map(Found::of).collect(),
            checked_at: show::iso(found.checked_at),
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.health == Health::Ready.as_str()
    }

    pub(crate) fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        let whose = self.id.as_deref().unwrap_or("the shared database");
        let health = match self.health {
            "ready" => style(self.health).green(),
            "incomplete" => style(self.health).yellow(),
            _ => style(self.health).red(),
        };
        writeln!(f, "{whose} is {health}")?;
        self.findings
            .iter()
            .try_for_each(|finding| writeln!(f, "  - {}", finding.message))
    }
}

impl Verify {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let integrity = match (self.full, self.schema_only) {
            (true, _) => Integrity::Full,
            (false, true) => Integrity::Skip,
            (false, false) => Integrity::Quick,
        };
        let options = VerifyOptions::default()
            .integrity(integrity)
            .workers(self.workers.into())
            .shared_refs(app.shared_refs());
        let mut found = Verified {
            tenants: Vec::new(),
            shared: None,
            failed: Vec::new(),
            orphans: Vec::new(),
            not_remembered: Vec::new(),
            not_remembered_because: None,
            counts: BTreeMap::new(),
            next: Vec::new(),
        };
        match self.tenants.ids().as_deref() {
            None => all(app, &tenancy, &options, &mut found)?,
            Some([id]) => found.add(app, &tenancy.verify(id, &options)?),
            Some(ids) => {
                for id in ids {
                    match tenancy.verify(id, &options) {
                        Ok(verdict) => found.add(app, &verdict),
                        Err(error) => found.fail(*id, error),
                    }
                }
            }
        }
        app.emit(&found)
    }
}

/// What to run next about one tenant. A backup is only for one whose data is lost: whose file cannot be looked at, or is at
/// another place, has lost nothing, and what it has is newer than any backup.
fn next_of(found: &Verification, id: TenantId) -> Vec<String> {
    let behind = |finding: &Finding| matches!(finding, Finding::Behind { .. });
    let newer = |finding: &Finding| matches!(finding, Finding::NewerGeneration { .. });
    if found.reasons.iter().any(newer) {
        let restore = "restore-shared BACKUP --yes-i-mean shared".to_owned();
        return vec!["backups --shared".to_owned(), restore];
    }
    match found.status {
        Health::Ready => Vec::new(),
        Health::Incomplete if found.reasons.iter().all(behind) => vec![format!("migrate {id}")],
        Health::Incomplete => vec![format!("repair {id}")],
        Health::Missing | Health::Corrupt => vec![format!("backups {id}")],
        // Where it is, to put its owner, mode or place right as the finding says.
        _ => vec![format!("path {id}"), format!("verify {id}")],
    }
}

fn all(
    app: &App<'_>,
    tenancy: &Tenancy,
    options: &VerifyOptions,
    found: &mut Verified,
) -> Result<(), Failure> {
    let bar = app.progress(0, "verified");
    let fleet = tenancy.verify_fleet(options, |progress| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
    });
    bar.finish_and_clear();
    let fleet = fleet?;
    fleet
        .tenants
        .iter()
        .for_each(|verdict| found.add(app, verdict));
    for (id, error) in fleet.failed {
        found.fail(id, error);
    }
    if let Some((ids, error)) = fleet.not_remembered {
        found.not_remembered = ids.iter().map(ToString::to_string).collect();
        found.not_remembered_because = Some(Failure::from(error).on_one_line());
    }
    found.shared = Some(Verdict::of(&fleet.shared));
    found.orphans = fleet.orphans.iter().map(ToString::to_string).collect();
    Ok(())
}

impl Verified {
    fn add(&mut self, app: &App<'_>, found: &Verification) {
        *self.counts.entry(found.status.as_str()).or_default() += 1;
        self.tenants.push(Verdict::of(found));
        let Some(id) = found.id else { return };
        for next in next_of(found, id) {
            let next = app.command(&next);
            // The shared database is restored once, for whomever.
            if !self.next.contains(&next) {
                self.next.push(next);
            }
        }
    }

    fn fail(&mut self, id: TenantId, error: VerifyError) {
        let message = Failure::from(error).on_one_line();
        let id = id.to_string();
        self.failed.push(Unseen { id, message });
    }

    fn is_ready(&self) -> bool {
        let mut all = self.tenants.iter().chain(&self.shared);
        all.all(Verdict::is_ready) && self.orphans.is_empty()
    }
}

impl Document for Verified {
    const SCHEMA: &'static str = "verify/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        let all = self.shared.is_some();
        for verdict in self.shared.iter().chain(&self.tenants) {
            // Of a whole fleet those that are as they should be are only counted.
            if !all || !verdict.findings.is_empty() {
                verdict.write(f)?;
            }
        }
        for orphan in &self.orphans {
            writeln!(f, "{orphan}")?;
        }
        for Unseen { id, message } in &self.failed {
            writeln!(f, "{id} could not be looked at: {message}")?;
        }
        if let Some(why) = &self.not_remembered_because {
            let tenants = show::count(self.not_remembered.len(), "tenant");
            writeln!(f, "what was found of {tenants} could not be kept: {why}")?;
        }
        if all {
            let counts = self
                .counts
                .iter()
                .map(|(health, count)| format!("{count} {health}"));
            let counts: Vec<String> = counts.collect();
            match counts.is_empty() {
                true => writeln!(f, "no tenants")?,
                false => writeln!(
                    f,
                    "{}: {}",
                    show::count(self.tenants.len(), "tenant"),
                    counts.join(", ")
                )?,
            }
        }
        show::next(f, &self.next)
    }

    fn exit(&self) -> Exit {
        let all_done = self.failed.is_empty() && self.not_remembered.is_empty();
        match (all_done, self.is_ready()) {
            (false, _) => Exit::Failed,
            (true, false) => Exit::Findings,
            (true, true) => Exit::Done,
        }
    }
}
