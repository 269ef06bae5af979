//! Runs of workflows: what the catalogue keeps of them, and what stands in the tenants' databases.
use std::fmt;
use std::str::FromStr;

use diesel::result::QueryResult;
use serde::Serialize;
use uuid::Uuid;

use crate::access::{Principal, Reason};
use crate::tenant_id::TenantId;

diesel::table! {
    #[sql_name = "__tenants_workflows"]
    workflows (id) {
        id -> Binary,
        name -> Text,
        key -> Nullable<Text>,
        tenant_id -> Text,
        tenant_uuid -> Nullable<Binary>,
        instance -> Binary,
        state -> Text,
        input -> Nullable<Text>,
        digest -> Binary,
        output -> Nullable<Text>,
        started_at -> BigInt,
        changed_at -> BigInt,
        forget_at -> Nullable<BigInt>,
        failed_step -> Nullable<Text>,
        failure -> Nullable<Text>,
    }
}
// Steps are numbered from 1. What stands under other numbers is said of the run: see `RESTORED` and `in_tenant`.
diesel::table! {
    #[sql_name = "__tenants_workflow_journal"]
    journal (run, number) {
        run -> Binary,
        number -> Integer,
        step -> Text,
        phase -> Text,
        result -> Nullable<Text>,
    }
}
diesel::table! {
    #[sql_name = "__tenants_workflow_steps"]
    keys (run, number) {
        run -> Binary,
        number -> Integer,
        step -> Text,
        phase -> Text,
        result -> Nullable<Text>,
    }
}

/// An enum that is stored as a word.
macro_rules! stored_as_word {
    ($Type:ident { $($Variant:ident = $word:literal),* $(,)? }) => {
        impl $Type {
            /// The word for it, as stored and printed.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$Variant => $word),* }
            }
        }

        impl FromStr for $Type {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok(Self::$Variant),)*
                    _ => Err(UnknownWord),
                }
            }
        }

        impl fmt::Display for $Type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

/// A word the journal of workflows does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the journal of workflows holds a word this build does not know; run the build that wrote it"
)]
#[non_exhaustive]
pub struct UnknownWord;

/// Where a run of a workflow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RunState {
    /// Under way, or left so by a process that died or could not go on. It is finished or undone by whoever finds it.
    Running,
    /// Finished; what its steps left in the tenant's database is still to be emptied.
    Finished,
    /// Finished.
    Done,
    /// Undone; what its steps left in the tenant's database is still to be emptied.
    Reverted,
    /// Undone. Nothing is left of it.
    Undone,
    /// It can be neither finished nor undone without somebody's help.
    Stuck,
}
stored_as_word!(RunState {
    Running = "running",
    Finished = "finished",
    Done = "done",
    Reverted = "reverted",
    Undone = "undone",
    Stuck = "stuck",
});

/// What became of a step.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Something outside of the transaction is being done; what it made is looked for under the name in the result.
    Begun,
    Done,
    Undone,
    /// Not done, and never will be.
    Void,
}
stored_as_word!(Phase {
    Begun = "begun",
    Done = "done",
    Undone = "undone",
    Void = "void",
});

/// A run, as the catalogue has it.
#[doc(hidden)]
#[derive(Clone)]
pub struct RunRow {
    pub id: Uuid,
    pub name: String,
    pub key: Option<String>,
    pub tenant_id: TenantId,
    pub tenant_uuid: Option<Uuid>,
    pub instance: Uuid,
    pub state: RunState,
    pub input: Option<String>,
    pub digest: Vec<u8>,
    pub output: Option<String>,
    pub started_at: i64,
    pub changed_at: i64,
    pub failed_step: Option<String>,
    pub failure: Option<String>,
    /// In whose name this process works on it. Not stored with the run, but with the entries it leaves in the audit log.
    pub by: Principal,
}

impl RunRow {
    /// Whether it was given up. It is over, and a run that came to its end by itself has no failure.
    pub(crate) fn is_abandoned(&self) -> bool {
        matches!(self.state, RunState::Finished | RunState::Done) && self.failure.is_some()
    }
}

/// A step of a run, as the journal or the tenant's database has it.
#[doc(hidden)]
#[derive(Clone)]
pub struct StepRow {
    pub number: i32,
    pub step: String,
    pub phase: Phase,
    pub result: Option<String>,
}

/// The number under which the journal says of a run that it was under way when the shared database was backed up that was
/// restored since. What it has done after that is not in the journal, and others may rest on it.
#[doc(hidden)]
pub const RESTORED: i32 = 0;

impl StepRow {
    /// What the journal says of a run that is over: the last step it did in the tenant's database. The same key gives what
    /// the run gave for as long as that is to be found there.
    pub fn in_tenant(number: i32, step: &str) -> Self {
        Self {
            number: -number,
            step: step.to_owned(),
            phase: Phase::Done,
            result: None,
        }
    }

    /// Whether this says of all of a run, in the tenant's database, that it ended so.
    pub fn is_mark(&self, ended: &str) -> bool {
        self.phase == Phase::Void && self.step == ended
    }

    /// The number of that step, if this is what says so.
    pub fn of_tenant(&self) -> Option<i32> {
        (self.number < RESTORED).then_some(-self.number)
    }
}

/// How a run ends.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Ending<'a> {
    pub state: RunState,
    /// What the same key gives from now on.
    pub output: Option<&'a str>,
    pub failed_step: Option<&'a str>,
    pub failure: Option<&'static str>,
    /// When it may be forgotten, if ever.
    pub forget_at: Option<i64>,
}

/// What the engine asks of the journal of workflows. The methods are statements in the transaction that is open; where
/// there is none, each is one by itself unless it says otherwise.
#[doc(hidden)]
pub trait WorkflowStore {
    fn run_get(&mut self, id: Uuid) -> QueryResult<Option<RunRow>>;
    /// The run about this tenant that has this key, if one has it that was not undone. `uuid` is that of the tenant of this
    /// id, if there is one: a run about another one is none.
    fn run_of_key(
        &mut self,
        name: &str,
        tenant: &TenantId,
        uuid: Option<Uuid>,
        key: &str,
    ) -> QueryResult<Option<RunRow>>;
    /// Runs that are not over, oldest first.
    fn workflows_open(&mut self) -> QueryResult<Vec<RunRow>>;
    /// The oldest run about this tenant, of one of these workflows, that is under way, left or stuck.
    fn run_among(
        &mut self,
        tenant: &TenantId,
        uuid: Option<Uuid>,
        names: &[&str],
    ) -> QueryResult<Option<RunRow>>;
    /// Enters a run. False where its key is taken. A run about an earlier tenant of the id lets go of it. Two statements.
    fn run_insert(&mut self, run: &RunRow) -> QueryResult<bool>;
    /// Makes `by` the instance that works on a run, if it is still in this state and belongs to the one it did.
    fn run_take_over(&mut self, run: &RunRow, by: Uuid) -> QueryResult<bool>;
    /// Says that no instance works on a run any more, if the one it names did.
    fn run_release(&mut self, run: &RunRow) -> QueryResult<()>;
    fn run_set_tenant(&mut self, id: Uuid, tenant: Uuid) -> QueryResult<()>;
    /// Ends a run, takes out what it was given and made, and forgets those whose time has come. Several statements.
    fn run_end(&mut self, run: &RunRow, ending: &Ending<'_>) -> QueryResult<()>;
    /// Says that a run needs help. What it was given stays.
    fn run_stuck(&mut self, run: &RunRow, step: &str, failure: &'static str) -> QueryResult<()>;
    /// Ends a run that is given up, if it is in this state still and belongs to the instance it did, and enters that. What it
    /// was given and made is taken out. As one transaction.
    fn run_abandon(&mut self, run: &RunRow, reason: &Reason) -> QueryResult<bool>;
    /// Marks a run that was finished or reverted as being all over.
    fn run_tidied(&mut self, id: Uuid) -> QueryResult<()>;

    fn journal(&mut self, run: Uuid) -> QueryResult<Vec<StepRow>>;
    /// Enters a step, or what became of it.
    fn journal_put(&mut self, run: Uuid, step: &StepRow) -> QueryResult<()>;

    /// In a tenant's database: makes sure there is a place for keys.
    fn keys_prepare(&mut self) -> QueryResult<()>;
    /// In a tenant's database: the steps of a run.
    fn keys(&mut self, run: Uuid) -> QueryResult<Vec<StepRow>>;
    /// In a tenant's database: enters a step. Fails where it is there.
    fn key_insert(&mut self, run: Uuid, step: &StepRow) -> QueryResult<()>;
    /// In a tenant's database: says that a step was undone.
    fn key_undone(&mut self, run: Uuid, number: i32) -> QueryResult<()>;
    /// In a tenant's database, as one transaction: enters a step as void, unless it was done. Returns what it is.
    fn key_void(&mut self, run: Uuid, number: i32, step: &str) -> QueryResult<StepRow>;
    /// In a tenant's database: takes the results of a run's steps out. That they were done stays.
    fn keys_empty(&mut self, run: Uuid) -> QueryResult<()>;
    /// In a tenant's database: runs whose id is less than this one, so many at the most.
    fn keys_before(&mut self, run: Uuid, most: i64) -> QueryResult<Vec<Uuid>>;
    /// In a tenant's database: takes out all keys of these runs.
    fn keys_forget(&mut self, runs: &[Uuid]) -> QueryResult<()>;
}
