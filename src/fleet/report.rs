//! What a run says of itself: while it goes on, afterwards, and years later.
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serializer;
use uuid::Uuid;

use super::error::{FailureKind, TenantError, on_one_line};
use crate::backend::Backend;
use crate::catalog::runs::{Counts, Run, RunOutcome, RunTenant, TenantState};
use crate::catalog::to_millis;
use crate::tenant_id::TenantId;

/// What became of a fleet's migration. As JSON, times are Unix milliseconds and durations milliseconds.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct FleetReport {
    /// The run. `None` where nothing was to be done: no tenant was opened, and nothing was recorded.
    pub run: Option<Uuid>,
    /// What became of it.
    pub outcome: RunOutcome,
    /// The newest migration of the target.
    pub target_version: Option<String>,
    /// What names the whole target set: [`MigrationSet::digest`](crate::MigrationSet::digest).
    pub target_digest: String,
    /// Whether this call went on with a run whose processes were dead.
    pub resumed: bool,
    /// Whether this call helped with a run that another one had begun and was working on.
    pub joined: bool,
    /// When the run began.
    #[serde(serialize_with = "unix_millis")]
    pub started_at: SystemTime,
    /// When it was finished.
    #[serde(serialize_with = "unix_millis_or_null")]
    pub finished_at: Option<SystemTime>,
    /// In how many waves, that of the tenants that were known to fail included.
    pub waves: u64,
    /// How many tenants are where.
    pub totals: FleetTotals,
    /// The tenants of the run in the order they were taken, then those that needed nothing, by id. A report of
    /// [`Tenancy::fleet_run`](crate::Tenancy::fleet_run) has the former only.
    pub tenants: Vec<TenantReport>,
}

impl FleetReport {
    /// Whether every tenant has what it should have, but for those whose status did not allow it. Those that have
    /// [drifted](Self::drifted) have all migrations.
    pub fn is_success(&self) -> bool {
        self.outcome == RunOutcome::Done
    }

    /// The tenants that failed.
    pub fn failures(&self) -> impl Iterator<Item = &TenantReport> {
        let tenants = self.tenants.iter();
        tenants.filter(|tenant| tenant.state == TenantState::Failed)
    }

    /// The tenants that have all migrations, and a schema that is another one than they make.
    pub fn drifted(&self) -> impl Iterator<Item = &TenantReport> {
        self.tenants.iter().filter(|tenant| tenant.drifted)
    }

    /// The report on one tenant.
    pub fn tenant(&self, id: &TenantId) -> Option<&TenantReport> {
        self.tenants.iter().find(|tenant| tenant.id == *id)
    }
}

/// How many tenants of a run are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct FleetTotals {
    /// Needed nothing, and were not opened.
    pub up_to_date: u64,
    /// Have what they should have by now.
    pub done: u64,
    /// Have not.
    pub failed: u64,
    /// Their status does not allow it.
    pub skipped: u64,
    /// Are not begun or not finished.
    pub left: u64,
}

impl From<Counts> for FleetTotals {
    fn from(counts: Counts) -> Self {
        Self {
            up_to_date: counts.up_to_date,
            done: counts.done,
            failed: counts.failed,
            skipped: counts.skipped,
            left: counts.left(),
        }
    }
}

/// What became of one tenant.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct TenantReport {
    /// Its id.
    pub id: TenantId,
    /// Where it is.
    pub state: TenantState,
    /// The wave it belongs to, counted from 1; `None` if it needed nothing.
    pub wave: Option<u64>,
    /// The newest migration before, as the catalogue had it.
    pub from: Option<String>,
    /// The newest migration afterwards.
    pub to: Option<String>,
    /// The versions that this run applied, oldest first.
    pub applied: Vec<String>,
    /// How long it took, from the moment it was taken.
    #[serde(rename = "duration_ms", serialize_with = "millis_or_null")]
    pub duration: Option<Duration>,
    /// Whether it took longer than the time a tenant was given. See
    /// [`MigrateFleet::tenant_timeout`](super::MigrateFleet::tenant_timeout).
    pub overran: bool,
    /// Whether its schema is another one than the migrations make, although it has them all: somebody changed it beside
    /// them. [`Tenancy::verify`](crate::Tenancy::verify) names every difference. Looked at only where it was worked on.
    pub drifted: bool,
    /// How often it was begun: more than once if a process died over it.
    pub attempts: u64,
    /// The backup that was taken before; see [`MigrateFleet::backup_first`](super::MigrateFleet::backup_first).
    pub backup: Option<Uuid>,
    /// Why it was skipped.
    pub skipped_because: Option<String>,
    /// Why it failed.
    pub error: Option<TenantFailure>,
}

/// Why a tenant failed.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct TenantFailure {
    /// For programs.
    pub kind: FailureKind,
    /// For people: the error and its causes on one line, the database's own words last.
    ///
    /// No bind values: a migration has none. A migration or trigger that puts data into its own error, with
    /// `RAISE(ABORT, …)` of an expression, puts it here.
    pub message: String,
    /// The error itself. `None` if another process met it.
    #[serde(skip)]
    pub error: Option<Arc<TenantError>>,
}

impl TenantFailure {
    pub(super) fn new<C: Backend>(error: TenantError) -> Self {
        Self {
            kind: FailureKind::of::<C>(&error),
            message: on_one_line(&error),
            error: Some(Arc::new(error)),
        }
    }
}

/// What stands in the place of an error where a tenant is done and has drifted.
pub(super) fn drift() -> (String, String) {
    let text = "its schema is not the one that the migrations make";
    ("drifted".to_owned(), text.to_owned())
}

impl TenantReport {
    pub(super) fn up_to_date(id: TenantId, version: Option<String>) -> Self {
        Self {
            id,
            state: TenantState::UpToDate,
            wave: None,
            from: version.clone(),
            to: version,
            applied: Vec::new(),
            duration: None,
            overran: false,
            drifted: false,
            attempts: 0,
            backup: None,
            skipped_because: None,
            error: None,
        }
    }

    pub(super) fn of(tenant: RunTenant) -> Self {
        let result = tenant.result;
        let drifted = tenant.state == TenantState::Done && result.error.is_some();
        let (skipped_because, error) = match (tenant.state, result.error) {
            (TenantState::Done, _) => (None, None),
            (TenantState::Skipped, Some((_, why))) => (Some(why), None),
            (_, Some((kind, message))) => {
                let kind = FailureKind::parse(&kind);
                let failure = TenantFailure {
                    kind,
                    message,
                    error: None,
                };
                (None, Some(failure))
            }
            (_, None) => (None, None),
        };
        Self {
            id: tenant.tenant_id,
            state: tenant.state,
            wave: Some(tenant.wave + 1),
            from: tenant.from_version,
            to: result.to_version,
            applied: result.applied,
            duration: result.duration,
            overran: result.overran,
            drifted,
            attempts: tenant.attempts,
            backup: result.backup,
            skipped_because,
            error,
        }
    }
}

/// One run among those that are remembered, without its tenants. As JSON, times are Unix milliseconds.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct FleetRun {
    /// Its id, for [`Tenancy::fleet_run`](crate::Tenancy::fleet_run).
    pub id: Uuid,
    /// What became of it.
    pub outcome: RunOutcome,
    /// The newest migration of the target.
    pub target_version: Option<String>,
    /// What names the whole target set.
    pub target_digest: String,
    /// When it began.
    #[serde(serialize_with = "unix_millis")]
    pub started_at: SystemTime,
    /// When it was finished.
    #[serde(serialize_with = "unix_millis_or_null")]
    pub finished_at: Option<SystemTime>,
    /// In how many waves, beside that of the tenants that were known to fail.
    pub waves: u64,
    /// How many tenants are where.
    pub totals: FleetTotals,
}

impl FleetRun {
    pub(super) fn of(run: Run, outcome: RunOutcome) -> Self {
        Self {
            id: run.id,
            outcome,
            target_version: run.target_version,
            target_digest: run.target_digest,
            started_at: run.started_at,
            finished_at: run.finished_at,
            waves: run.waves,
            totals: run.counts.into(),
        }
    }
}

/// How far a run is. Passed to the observer after each tenant, and now and then while others work.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FleetProgress {
    /// The run.
    pub run: Uuid,
    /// The wave that was being worked on last, counted from 1.
    pub wave: u64,
    /// In how many waves.
    pub waves: u64,
    /// How many tenants are where, whichever process worked on them.
    pub totals: FleetTotals,
    /// Tenants that were finished, by whomever, since this call began to work.
    pub finished_here: u64,
    /// Since this call began to work.
    pub elapsed: Duration,
    /// What became of the tenant this process has just finished.
    pub last: Option<TenantReport>,
}

impl FleetProgress {
    /// Tenants in the run, finished or not.
    pub fn total(&self) -> u64 {
        let FleetTotals {
            done,
            failed,
            skipped,
            left,
            ..
        } = self.totals;
        done + failed + skipped + left
    }

    /// How long the rest takes if it goes on as it did since this call began. `None` before the first tenant.
    pub fn remaining(&self) -> Option<Duration> {
        let each = self.elapsed.as_secs_f64() / self.finished_here as f64;
        Duration::try_from_secs_f64(each * self.totals.left as f64).ok()
    }
}

fn unix_millis<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(to_millis(*at))
}

fn unix_millis_or_null<S: Serializer>(
    at: &Option<SystemTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => unix_millis(at, serializer),
        None => serializer.serialize_none(),
    }
}

fn millis_or_null<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => {
            let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
            serializer.serialize_u64(millis)
        }
        None => serializer.serialize_none(),
    }
}
