//! Work on the shared database *and* on a tenant's, which no transaction spans: done wholly or not at all.
//!
//! A [`Workflow`] is a function whose effects are *steps*. A step in the shared database is one transaction there; one in
//! the tenant's database is one transaction there; and creating the tenant is a step, too. What each has made is written
//! down in the very transaction that makes it: in the journal (shared), or under the run's key in the tenant's database.
//! So after a crash it is known what was done. The function is then run again: steps that were done are not done again
//! but give what they gave, and at the first that was not, the run is *undone* backwards by the undo each step came with;
//! or, past the step that was marked by [`Flow::committing`], *finished*.
//!
//! | killed after | recovery |
//! |---|---|
//! | the run and its first step, in one shared transaction: `workflow.began` if it is no shared step, `workflow.shared-step` | undoes it |
//! | a step in the tenant: `workflow.tenant-step` | undoes it, or finishes the run if this was the committing step |
//! | a tenant about to be created, and created: `workflow.creating`, `workflow.created` | removes it; past the commit, goes on |
//! | past the commit, a verb of the library, and the journal: `workflow.verb` | goes on after it |
//! | **the committing step**; where none was marked, the one that ends the run | finishes the run |
//! | the run is over: `workflow.ended` | empties the results in the tenant's database |
//! | those are empty: `workflow.tidied` | has nothing to do |
//! | in undoing: `workflow.voided`, `workflow.removing`, `workflow.undid-step`, `workflow.undone` | goes on undoing |
//!
//! The tenant's database decides: a step is done if its key is there, whatever the journal of the shared database says.
//! Before a step in a tenant is taken for not done, a *void* key is written in its place, so that it cannot be done any
//! more, not even by a commit whose answer was lost.
//!
//! The journal holds what a run was given and what its steps made, as JSON, until the run is over: personal data, perhaps,
//! in the application's own shared database and in the tenant's. Then it is taken out, but for the run's result, which
//! stays for as long as the same key must give the same answer ([`Workflow::KEEP`]). None of it is in errors, logs or
//! `Debug`.
//!
//! A tenant that is restored to an older state loses what steps did there since, as it loses everything else since. A run
//! that was over is not run again for that, and its key gives [`WorkflowError::Superseded`]; one that was not is undone. Which
//! steps were done stays known in the tenant's database for 90 days after a run was begun: for a *shared* database that is
//! restored to when the run was not over. One that is older than that is [stuck](RunState::Stuck) then.
//!
//! A *shared* database that is restored has runs under way that have long been over, and the tenants know of that. Such a
//! run goes on by what its keys in the tenant say: it is finished, or undone, or was over. Nothing is done by guess. It is
//! [stuck](RunState::Stuck) where the tenant it created may be in use, or is not in the catalogue; where a verb would be
//! called; and where steps in the shared database are lost on which those in the tenant rest.
//!
//! What can be neither finished nor undone, and is in the way of others ([`Workflow::ALONE`]), can be given up:
//! [`Tenancy::abandon_workflow`].
//!
//! # Example
//! ```
//! use diesel_tenants::prelude::*;
//! use diesel_tenants::workflow::{Flow, Halt, IdempotencyKey, Workflow};
//! # mod schema {
//! #     diesel::table! { users { id -> Integer, name -> Text, active -> Bool, } }
//! #     diesel::table! { patients { id -> Integer, user_id -> Integer, name -> Text, } }
//! # }
//! # use schema::{patients, users};
//! # routes! {
//! #     static ROUTES;
//! #     shared { accounts { schema::users } }
//! #     tenant { patients { schema::patients } }
//! # }
//!
//! /// A user in the shared database, and the patient in the hospital's.
//! struct Admit;
//!
//! impl Workflow for Admit {
//!     const NAME: &'static str = "admit";
//!     type Input = String;
//!     type Output = (i32, i32);
//!     type Error = diesel::result::Error;
//!
//!     fn run<'a>(
//!         &'a self,
//!         flow: &mut Flow<'a, SqliteConnection, Self>,
//!         name: &'a String,
//!     ) -> Result<(i32, i32), Halt<Self::Error>> {
//!         let user: i32 = flow.shared_or_undo(
//!             "user",
//!             |shared| {
//!                 diesel::insert_into(users::table)
//!                     .values((users::name.eq(name), users::active.eq(false)))
//!                     .returning(users::id)
//!                     .get_result(shared)
//!             },
//!             |shared, user| diesel::delete(users::table.find(user)).execute(shared).map(drop),
//!         )?;
//!         let patient: i32 = flow.committing().tenant("patient", |tenant| {
//!             diesel::insert_into(patients::table)
//!                 .values((patients::name.eq(name), patients::user_id.eq(user)))
//!                 .returning(patients::id)
//!                 .get_result(tenant)
//!         })?;
//!         flow.finish("activate", |shared| {
//!             diesel::update(users::table.find(user)).set(users::active.eq(true)).execute(shared)?;
//!             Ok((user, patient))
//!         })
//!     }
//! }
//!
//! # const USERS: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL, active BOOLEAN NOT NULL)";
//! # const PATIENTS: &str = "CREATE TABLE patients (id INTEGER PRIMARY KEY NOT NULL, user_id INTEGER NOT NULL, name TEXT NOT NULL)";
//! # let dir = tempfile::tempdir()?;
//! # let data = dir.path().join("data");
//! let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES)
//!     .sqlite(data)
//!     .init()
//! #   .shared_migrations(MigrationSet::new([MigrationScript::new("1", "users", USERS)]))
//! #   .tenant_migrations(MigrationSet::new([MigrationScript::new("1", "patients", PATIENTS)]))
//!     .workflow(Admit)
//!     .open()?;
//! let id: TenantId = "TH001".parse()?;
//! tenancy.create(&id, NewTenant::named("Teaching Hospital"))?;
//!
//! // The key comes from the form the request was sent with: sent twice, it admits once.
//! let key: IdempotencyKey = "form-1f8e".parse()?;
//! let first = tenancy.run_workflow(&Admit, &id, Some(key.clone()), "Ada".to_owned())?;
//! let again = tenancy.run_workflow(&Admit, &id, Some(key), "Ada".to_owned())?;
//! assert_eq!(first, again);
//! # assert_eq!(users::table.count().get_result::<i64>(&mut tenancy.shared()?)?, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::access::Reason;
use crate::backend::{Backend, DefaultConnection, Storage};
use crate::catalog::from_millis;
use crate::error::{CatalogError, OwnError, WorkflowError};
use crate::tenancy::{Builder, Tenancy};
use crate::tenant_id::TenantId;

mod abandon;
pub(crate) mod alone;
mod engine;
mod flow;
mod keys;
mod undo;

pub use self::abandon::{AbandonedRun, LeftStep};
pub use crate::catalog::workflows::RunState;
pub(crate) use engine::{Registered, recover};
pub use flow::{Flow, Halt};

/// Work on the shared database and on a tenant's, as a function whose effects are steps.
///
/// The function may be run again after a crash, by another process, with the same input. Outside of its steps it must do
/// nothing but compute: no clock, no random number, no statement, or the second time it takes another way than the first.
/// Steps are known by their place and their name; a run that is under way while the program is replaced by one whose
/// steps are others ends up [stuck](RunState::Stuck). Give a workflow whose steps have changed another
/// [`NAME`](Self::NAME), and keep the old one registered until no run of it is left.
pub trait Workflow<C: Backend = DefaultConnection>: Send + Sync + Sized + 'static {
    /// What it is called in the journal. Unique among those registered.
    const NAME: &'static str;

    /// How long the same key gives the same result, and no new run. Default: 7 days.
    const KEEP: Duration = Duration::from_secs(7 * 24 * 60 * 60);

    /// Whether its runs are alone on their tenant: of all workflows that say so, one run at a time is open on a tenant, in
    /// whatever process. Whoever asks for another one finishes or undoes first what was left, and gets
    /// [`WorkflowError::InProgress`] or [`WorkflowError::Stuck`] where that cannot be, until it can or the run is
    /// [given up](Tenancy::abandon_workflow). Say so where [verbs](Flow::verb) of
    /// two runs would work against each other. Default: no.
    const ALONE: bool = false;

    /// What it is given. Written into the journal as JSON.
    type Input: Serialize + DeserializeOwned;
    /// What it gives. Written into the journal as JSON, if the run has a key.
    type Output: Serialize + DeserializeOwned;
    /// The error of its steps. Diesel's own will do. It must not hold what was given.
    type Error: std::error::Error + From<diesel::result::Error> + Send + Sync + 'static;

    /// Goes through the steps.
    ///
    /// # Errors
    /// What a step returned, to be passed on by `?`, or an error of the workflow's own.
    fn run<'a>(
        &'a self,
        flow: &mut Flow<'a, C, Self>,
        input: &'a Self::Input,
    ) -> Result<Self::Output, Halt<Self::Error>>;
}

/// Tells one request from another, so that the same one sent twice is done once: 1 to 100 characters, in the caller's
/// words. Of one workflow on one tenant: the same key on another tenant is another request.
///
/// It stands in the journal for [`Workflow::KEEP`] and is not printed. Made of something random, it says nothing of
/// anybody.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Box<str>);

impl IdempotencyKey {
    /// The most characters.
    pub const MAX_LEN: usize = 100;

    /// The key as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = IdempotencyKeyError;

    fn from_str(text: &str) -> Result<Self, IdempotencyKeyError> {
        let len = text.chars().take(Self::MAX_LEN + 1).count();
        match len {
            0 => Err(IdempotencyKeyError),
            len if len > Self::MAX_LEN => Err(IdempotencyKeyError),
            _ => Ok(Self(text.into())),
        }
    }
}

/// Says that there is one, not what it is.
impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey(…)")
    }
}

/// A text that is no [`IdempotencyKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key has 1 to 100 characters")]
#[non_exhaustive]
pub struct IdempotencyKeyError;

/// A run that is not over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WorkflowRun {
    /// Its id.
    pub id: Uuid,
    /// Its workflow.
    pub name: String,
    /// Whether this build knows that workflow. One it does not is left alone by recovery.
    pub is_registered: bool,
    /// Whether the process that works on it is alive.
    pub is_alive: bool,
    /// The tenant.
    pub tenant: TenantId,
    /// Where it is.
    pub state: RunState,
    /// Whether it was given up: nothing of it is done or undone any more, and it is listed only until what its steps left in
    /// the tenant's database is emptied.
    pub is_abandoned: bool,
    /// Since when.
    pub started_at: SystemTime,
    /// When that last changed.
    pub changed_at: SystemTime,
    /// The step it failed at, if it is stuck.
    pub failed_step: Option<String>,
    /// What is in its way, in the library's words, if it is stuck.
    pub failure: Option<String>,
}

impl<C: Backend, S> Builder<C, S> {
    /// Registers a workflow, so that it can be run, and be recovered when a process died over it. May be called several
    /// times; of two of one name the later one counts.
    #[must_use]
    pub fn workflow<W: Workflow<C>>(mut self, workflow: W) -> Self {
        let known = &mut self.hooks.workflows;
        known.retain(|other| other.name() != W::NAME);
        known.push(Arc::new(engine::Holder(workflow)));
        self
    }
}

impl<C: Backend> Tenancy<C> {
    /// Runs a workflow on a tenant. All or nothing, also when the process is killed in between.
    ///
    /// With a key, a run that is over gives its result again instead of being run twice, for [`Workflow::KEEP`]; one that
    /// a dead process left, or a live one gave up, is finished or undone first; one that is under way elsewhere is an
    /// error, to be asked for again. A run that was undone gives the key free; so does one whose tenant was purged. The
    /// result is given for as long as the tenant's database has what the run wrote there last; of a run of more than 89 days
    /// ago that is not looked for.
    ///
    /// Where a step panics the run is undone, or past the commit left to be finished, before the panic goes on.
    ///
    /// The tenant need not be there yet, if a step of the workflow [creates it](Flow::create_tenant). Do not call this
    /// inside a transaction of a context on the same thread: it would wait for itself.
    ///
    /// # Errors
    /// See [`WorkflowError`].
    pub fn run_workflow<W: Workflow<C>>(
        &self,
        workflow: &W,
        tenant: &TenantId,
        key: Option<IdempotencyKey>,
        input: W::Input,
    ) -> Result<W::Output, WorkflowError<W::Error>> {
        engine::run(&self.registry, workflow, tenant, key, input)
    }

    /// Runs that are not over, oldest first: those under way, those left by dead processes, and those that are stuck.
    ///
    /// # Errors
    /// The catalogue cannot be read.
    pub fn unfinished_workflows(&self) -> Result<Vec<WorkflowRun>, CatalogError> {
        let registry = &self.registry;
        let rows = registry.ask(|conn| conn.workflows_open())?;
        let storage = &registry.common.storage;
        let me = storage.instance();
        let runs = rows.into_iter().map(|row| WorkflowRun {
            is_registered: engine::registered(registry, &row.name).is_some(),
            is_alive: match row.instance == me {
                true => registry.running.lock().contains(&row.id),
                false => storage.is_alive(row.instance).unwrap_or(true),
            },
            is_abandoned: row.is_abandoned(),
            id: row.id,
            name: row.name,
            tenant: row.tenant_id,
            state: row.state,
            started_at: from_millis(row.started_at),
            changed_at: from_millis(row.changed_at),
            failed_step: row.failed_step,
            failure: row.failure,
        });
        Ok(runs.collect())
    }

    /// Tries once more to finish or to undo a run that was left or is stuck, whichever process that happened in. Returns
    /// what became of it.
    ///
    /// # Errors
    /// See [`WorkflowError`].
    pub fn retry_workflow(&self, id: Uuid) -> Result<RunState, WorkflowError<OwnError>> {
        engine::retry(&self.registry, id)
    }

    /// Gives a run up that is stuck or was left: for one that can be neither [finished nor undone](Self::retry_workflow),
    /// and is in the way of others. Of any workflow, also of one that this build does not know.
    ///
    /// Nothing is undone. What its steps did stands, in both databases, and is named in what this returns: it is for whoever
    /// gives the run up to say what is to become of that. From then on the run is over: recovery, and opening the library, do
    /// not touch it, others may be begun on the tenant, and no step of it is done any more. It is not forgotten for as long as
    /// the tenant is there: its key gives [`WorkflowError::Abandoned`], so a request that comes late is not run anew.
    ///
    /// The entry in the [audit log](crate::audit), with the reason and what was in its way, is in the transaction that ends
    /// the run: without the one there is not the other. Doing it again returns the same, and enters nothing.
    ///
    /// # Errors
    /// - [`WorkflowError::Unknown`]: there is no such run that is not over.
    /// - [`WorkflowError::InProgress`]: somebody works on it.
    /// - [`WorkflowError::Catalog`], and [`WorkflowError::Unfinished`] where it cannot be told whether somebody does.
    pub fn abandon_workflow(
        &self,
        id: Uuid,
        reason: &Reason,
    ) -> Result<AbandonedRun, WorkflowError<OwnError>> {
        abandon::abandon(&self.registry, id, reason)
    }
}
