//! Runs in the catalogue: one operation over many tenants, worked on by any number of processes, that survives all of
//! them.
//!
//! A run has a row, a row for each tenant it touches, and a row for each *worker*: one call of one process. A worker
//! claims pending tenants, a few at a time, and records what became of each. What a dead worker has claimed is given
//! back by whoever notices. A run is finished by its last worker. [`RunStore`] is what the engine asks of the catalogue;
//! each method is one short transaction, since all workers share the catalogue's write lock.
use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use diesel::result::QueryResult;
use uuid::Uuid;

use crate::access::Principal;
use crate::tenant_id::TenantId;

/// The runs that are remembered. The oldest is forgotten, with its tenants, when one more begins.
pub(crate) const REMEMBERED: i64 = 100;

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RunOutcome {
    /// It is being worked on.
    Running,
    /// Nobody works on it any more and it is not finished: the next call with the same target goes on with it.
    Interrupted,
    /// Each tenant was migrated, or needed nothing, or was skipped.
    Done,
    /// It went through all tenants, and some failed.
    Failed,
    /// The stop rule ended it. What is left is left for the next call.
    Stopped,
    /// It was interrupted, and a run with another target took its place.
    Superseded,
}

impl RunOutcome {
    const ALL: [Self; 6] = [
        Self::Running,
        Self::Interrupted,
        Self::Done,
        Self::Failed,
        Self::Stopped,
        Self::Superseded,
    ];

    /// The word for it, as stored and printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Superseded => "superseded",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }
}

impl fmt::Display for RunOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where a tenant is in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TenantState {
    /// The catalogue says that it needs nothing. It was not opened.
    UpToDate,
    /// Not begun.
    Pending,
    /// Being worked on, or left so by a process that died.
    Running,
    /// It has what it should have.
    Done,
    /// It has not. The error says why.
    Failed,
    /// Its status does not allow it.
    Skipped,
}

impl TenantState {
    const ALL: [Self; 6] = [
        Self::UpToDate,
        Self::Pending,
        Self::Running,
        Self::Done,
        Self::Failed,
        Self::Skipped,
    ];

    /// The word for it, as stored and printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UpToDate => "up_to_date",
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }
}

impl fmt::Display for TenantState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A run, as the catalogue has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[doc(hidden)]
pub struct Run {
    pub id: Uuid,
    pub target_version: Option<String>,
    pub target_digest: String,
    pub selection: String,
    /// Those whose failures count. The wave of this number, if there is one, is that of the tenants that were known to fail.
    pub waves: u64,
    /// The run stops when more than this many tenants have failed. `None`: never.
    pub failures_allowed: Option<u64>,
    /// Otherwise it stops at the first failure in a wave that is not the last.
    pub canaries_may_fail: bool,
    pub instance: Uuid,
    pub started_at: SystemTime,
    pub finished_at: Option<SystemTime>,
    pub outcome: Option<RunOutcome>,
    pub counts: Counts,
}

impl Run {
    /// Whether a tenant's failure ends the run. `failed` are those that failed in the waves whose failures count.
    pub fn stops_at_failure_in(&self, wave: u64, failed: u64) -> bool {
        if wave >= self.waves {
            return false;
        }
        let canary = wave + 1 < self.waves && !self.canaries_may_fail;
        canary
            || self
                .failures_allowed
                .is_some_and(|allowed| failed > allowed)
    }
}

/// How many tenants of a run are where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[doc(hidden)]
pub struct Counts {
    /// Not part of the run: they needed nothing.
    pub up_to_date: u64,
    /// Part of the run.
    pub total: u64,
    pub done: u64,
    pub failed: u64,
    pub skipped: u64,
}

impl Counts {
    pub fn left(&self) -> u64 {
        self.total
            .saturating_sub(self.done + self.failed + self.skipped)
    }
}

/// A tenant's newest failure among the runs that are remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[doc(hidden)]
pub struct LastFailure {
    /// Of the run.
    pub target_digest: String,
    /// The newest migration the tenant had afterwards.
    pub at_version: Option<String>,
}

/// One call of one process that works on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub struct RunWorker {
    pub id: Uuid,
    pub instance: Uuid,
}

/// A tenant in a run, as the catalogue has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[doc(hidden)]
pub struct RunTenant {
    pub position: u64,
    pub tenant_uuid: Uuid,
    pub tenant_id: TenantId,
    pub wave: u64,
    pub state: TenantState,
    pub attempts: u64,
    pub from_version: Option<String>,
    pub result: RunResult,
}

/// What became of a tenant in a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[doc(hidden)]
pub struct RunResult {
    pub to_version: Option<String>,
    pub applied: Vec<String>,
    pub duration: Option<Duration>,
    pub overran: bool,
    /// The word for the kind, and the text. Of one that was skipped, why; of one that is done, that it has drifted.
    pub error: Option<(String, String)>,
    /// The backup that was taken before.
    pub backup: Option<Uuid>,
}

/// What a worker may do next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[doc(hidden)]
pub enum Claimed {
    /// These tenants are its own to work on.
    Tenants(Vec<RunTenant>),
    /// Others work on tenants that come first; their workers.
    Wait(Vec<RunWorker>),
    /// Nothing, and nobody works on anything any more.
    Nothing,
}

/// What the engine asks of the runs in the catalogue. Each method is one transaction. Implemented by this crate only.
#[doc(hidden)]
pub trait RunStore {
    /// The run that is not finished, if there is one, and its workers.
    fn runs_open(&mut self) -> QueryResult<Option<(Run, Vec<RunWorker>)>>;
    /// The newest run there ever was, finished or not.
    fn runs_newest(&mut self) -> QueryResult<Option<Uuid>>;
    /// Begins a run. False if one is open already, or was since `after` was the newest: what the tenants need was found
    /// out before it, and may be done.
    fn runs_start(
        &mut self,
        run: &Run,
        after: Option<Uuid>,
        tenants: &[RunTenant],
        worker: RunWorker,
        by: &Principal,
    ) -> QueryResult<bool>;
    /// Begins to work on an open run, and gives it those of `tenants` it does not have: those from wave `waves` on as such
    /// that are known to fail. Returns the run, or `None` if it was finished meanwhile.
    fn runs_join(
        &mut self,
        run: Uuid,
        tenants: &[RunTenant],
        waves: u64,
        worker: RunWorker,
    ) -> QueryResult<Option<Run>>;
    /// Finishes a run whose workers are these and dead. False if it has others by now.
    fn runs_supersede(
        &mut self,
        run: Uuid,
        workers: &[RunWorker],
        by: &Principal,
    ) -> QueryResult<bool>;

    /// Claims up to `most` tenants of the wave that is being worked on.
    fn runs_claim(&mut self, run: Uuid, worker: Uuid, most: usize) -> QueryResult<Claimed>;
    /// Gives back what a worker has claimed and not finished, and takes the worker out of the run.
    fn runs_release(&mut self, run: Uuid, worker: Uuid) -> QueryResult<()>;
    /// Gives back some of what a worker has claimed and not begun.
    fn runs_give_back(&mut self, run: Uuid, worker: Uuid, positions: &[u64]) -> QueryResult<()>;
    /// Records what became of a tenant the worker has claimed, and ends the run if its rule says so. Returns the run.
    fn runs_record(&mut self, run: Uuid, worker: Uuid, tenant: &RunTenant) -> QueryResult<Run>;
    /// As [`runs_release`](Self::runs_release), and finishes the run if nothing is left to do or to wait for.
    fn runs_leave(&mut self, run: Uuid, worker: Uuid, by: &Principal) -> QueryResult<()>;

    /// Lets nothing more be begun in an open run, and finishes it if nobody works on it. False if it is finished.
    fn runs_stop(&mut self, run: Uuid, by: &Principal) -> QueryResult<bool>;

    /// The runs that are remembered, newest first.
    fn runs_all(&mut self) -> QueryResult<Vec<Run>>;
    fn runs_find(&mut self, run: Uuid) -> QueryResult<Option<Run>>;
    /// The tenants of a run, in the order they are taken.
    fn runs_tenants(&mut self, run: Uuid) -> QueryResult<Vec<RunTenant>>;
    /// The newest failure of each tenant, by its uuid.
    fn runs_last_failures(&mut self) -> QueryResult<HashMap<Uuid, LastFailure>>;
}

diesel::table! {
    #[sql_name = "__tenants_runs"]
    runs (id) {
        id -> Binary,
        kind -> Text,
        target_version -> Nullable<Text>,
        target_digest -> Text,
        selection -> Text,
        waves -> BigInt,
        failures_allowed -> Nullable<BigInt>,
        canaries_may_fail -> Bool,
        instance -> Binary,
        started_at -> BigInt,
        finished_at -> Nullable<BigInt>,
        outcome -> Nullable<Text>,
        up_to_date -> BigInt,
        total -> BigInt,
        done -> BigInt,
        failed -> BigInt,
        skipped -> BigInt,
    }
}
diesel::table! {
    #[sql_name = "__tenants_run_tenants"]
    run_tenants (run_id, position) {
        run_id -> Binary,
        position -> BigInt,
        tenant_uuid -> Binary,
        tenant_id -> Text,
        wave -> BigInt,
        state -> Text,
        worker -> Nullable<Binary>,
        attempts -> BigInt,
        from_version -> Nullable<Text>,
        to_version -> Nullable<Text>,
        applied -> Text,
        duration -> Nullable<BigInt>,
        overran -> Bool,
        error_kind -> Nullable<Text>,
        error -> Nullable<Text>,
        backup -> Nullable<Binary>,
    }
}
diesel::allow_tables_to_appear_in_same_query!(runs, run_tenants);
diesel::table! {
    #[sql_name = "__tenants_run_workers"]
    run_workers (id) {
        id -> Binary,
        run_id -> Binary,
        instance -> Binary,
    }
}
