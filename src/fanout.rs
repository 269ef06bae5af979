//! Going over all tenants: one question to each of thousands of databases, within the budget of connections.
//!
//! The closures get a [`ReadContext`], so a fan-out reads and nothing else. Tenants are taken one after another by a few
//! threads that end with the call; the caller's own thread gathers what they bring. A worker holds one connection at a time
//! and none while it waits for the caller.
//!
//! A walk over ten thousand tenants would push everything out of the pool that the application uses: each tenant that is
//! opened makes the connections of the others older. So what a fan-out has opened it closes again once the budget is nearly
//! used up, and never costs the application more connections than it has workers.
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use diesel::result::QueryResult;

use crate::backend::Backend;
use crate::catalog::{Status, TenantRecord};
use crate::context::{ReadContext, TenantContext};
use crate::error::{CatalogError, OpenError};
use crate::registry::Registry;
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;

mod crew;
mod error;
mod report;

pub(crate) use crew::run;
pub(crate) use error::{Chain, has_moved};
pub use error::{FanOutError, VisitError};
pub(crate) use report::milliseconds;
pub use report::{Aggregate, FanOutReport, TenantResult, VisitOutcome};

/// The most threads one fan-out may have.
const MAX_PARALLELISM: usize = 256;

/// How many errors an [`Aggregate`] keeps unless told otherwise.
const KEPT_ERRORS: usize = 100;

/// Which tenants to go to, on how many threads, and until when.
///
/// # Example
/// ```
/// use diesel_tenants::{FanOut, Status};
/// use std::time::Duration;
///
/// let premium = FanOut::new()
///     .filter(|tenant| tenant.plan.as_deref() == Some("premium"))
///     .parallelism(4)
///     .deadline(Duration::from_secs(30));
/// ```
pub struct FanOut<'a> {
    selection: Selection<'a>,
    parallelism: Option<usize>,
    deadline: Option<Duration>,
    keep_errors: usize,
}

/// A tenant as it was named, and its record if there is one.
pub(crate) type Selected = (TenantId, Option<Arc<TenantRecord>>);

type Filter<'a> = Box<dyn Fn(&TenantRecord) -> bool + 'a>;

enum Selection<'a> {
    Active,
    Where(Filter<'a>),
    Only(Vec<TenantId>),
}

impl<'a> FanOut<'a> {
    /// All active tenants, ordered by id, without a deadline.
    pub fn new() -> Self {
        Self {
            selection: Selection::Active,
            parallelism: None,
            deadline: None,
            keep_errors: KEPT_ERRORS,
        }
    }

    /// Of the active tenants, those that `keep` says yes to. Takes the place of an earlier selection.
    #[must_use]
    pub fn filter(mut self, keep: impl Fn(&TenantRecord) -> bool + 'a) -> Self {
        self.selection = Selection::Where(Box::new(keep));
        self
    }

    /// These tenants, in this order, each once. One that is unknown or not active is in the report as failed. Takes the
    /// place of an earlier selection.
    #[must_use]
    pub fn only(mut self, ids: impl IntoIterator<Item = TenantId>) -> Self {
        let mut named = Vec::new();
        let mut seen = HashSet::new();
        for id in ids {
            if seen.insert(id.folded()) {
                named.push(id);
            }
        }
        self.selection = Selection::Only(named);
        self
    }

    /// How many tenants to work on at a time, each on a thread of its own with one connection. At least 1 and at most 256;
    /// never more than the budget of connections. With 1 everything is done on the calling thread.
    ///
    /// Default: as many as the machine has processors, and no more than half the budget.
    #[must_use]
    pub fn parallelism(mut self, workers: usize) -> Self {
        self.parallelism = Some(workers);
        self
    }

    /// How long all of it may take, from the call on. Once it has passed no tenant is begun any more; those that are left
    /// are reported as not reached, and what was read is kept. Default: none.
    ///
    /// A query that runs is not interrupted: the call lasts as long as the closures that are under way.
    #[must_use]
    pub fn deadline(mut self, within: Duration) -> Self {
        self.deadline = Some(within);
        self
    }

    /// How many errors an [`Aggregate`] keeps; the others are counted only. Default 100.
    #[must_use]
    pub fn keep_errors(mut self, most: usize) -> Self {
        self.keep_errors = most;
        self
    }

    /// Whom to read. Who was named is gone to whatever the status, so that the refusal is in the report.
    fn ids<C: Backend>(&self, registry: &Registry<C>) -> Result<Vec<TenantId>, CatalogError> {
        let named = matches!(self.selection, Selection::Only(_));
        let is_active = |record: &TenantRecord| record.status == Status::Active;
        let selected = self.selected(registry)?.into_iter();
        let wanted =
            selected.filter(|(_, record)| named || record.as_deref().is_some_and(is_active));
        Ok(wanted.map(|(id, _)| id).collect())
    }

    /// The selected tenants of any status, with their records; one that was named may have none.
    pub(crate) fn selected<C: Backend>(
        &self,
        registry: &Registry<C>,
    ) -> Result<Vec<Selected>, CatalogError> {
        let records = registry.tenants()?.into_iter();
        let every = |record: Arc<TenantRecord>| (record.id, Some(record));
        Ok(match &self.selection {
            Selection::Active => records.map(every).collect(),
            Selection::Where(keep) => records.filter(|r| keep(r)).map(every).collect(),
            Selection::Only(ids) => {
                let by_id: HashMap<_, _> = records.map(|r| (r.id.folded(), r)).collect();
                let found = |id: &TenantId| (*id, by_id.get(&id.folded()).cloned());
                ids.iter().map(found).collect()
            }
        })
    }

    pub(crate) fn workers<C: Backend>(&self, registry: &Registry<C>) -> usize {
        let budget = registry.pools.config().max_connections();
        let wanted = self.parallelism.unwrap_or_else(|| {
            let processors = available_parallelism().map_or(1, NonZero::get);
            processors.min(budget / 2)
        });
        wanted.clamp(1, MAX_PARALLELISM.min(budget))
    }

    /// When to stop; never, if that is further off than the clock goes.
    pub(crate) fn until(&self, started: Instant) -> Option<Instant> {
        self.deadline.and_then(|within| started.checked_add(within))
    }
}

impl Default for FanOut<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FanOut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let selection: &dyn fmt::Debug = match &self.selection {
            Selection::Active => &"active",
            Selection::Where(_) => &"filter",
            Selection::Only(ids) => ids,
        };
        f.debug_struct("FanOut")
            .field("selection", selection)
            .field("parallelism", &self.parallelism)
            .field("deadline", &self.deadline)
            .field("keep_errors", &self.keep_errors)
            .finish()
    }
}

impl<C: Backend> Tenancy<C> {
    /// Runs `read` on every selected tenant, several at a time, and reports what came of each.
    ///
    /// Each tenant is read in one snapshot of its own; there is no common one. A tenant that fails, or on which `read`
    /// panics, is reported as failed and stops nobody. Blocks until all are done or the deadline has passed. Waits for
    /// connections as everybody does; a context that the caller holds meanwhile is one connection less.
    ///
    /// The report holds what was returned for all of them: see [`aggregate`](Self::aggregate) where that is too much. With
    /// [`SchemaPolicy::MigrateOnOpen`](crate::SchemaPolicy::MigrateOnOpen), a tenant that is behind is migrated when its turn
    /// comes, as by anybody who opens it.
    ///
    /// # Errors
    /// See [`FanOutError`]; nothing was read then.
    ///
    /// # Example
    /// ```
    /// # use diesel_tenants::prelude::*;
    /// # mod schema { diesel::table! { patients { id -> Integer, name -> Text, } } }
    /// # use schema::patients;
    /// # routes! { static ROUTES; shared {} tenant { patients { schema::patients } } }
    /// # const TENANT: &str = "CREATE TABLE patients (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL);";
    /// # let directory = tempfile::tempdir()?;
    /// # let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES).sqlite(directory.path().join("data")).init()
    /// #     .tenant_migrations(MigrationScript::new("1", "patients", TENANT)).open()?;
    /// # for id in ["north", "south"] { tenancy.create(&id.parse()?, NewTenant::named(id))?; }
    /// use diesel_tenants::FanOut;
    ///
    /// let report = tenancy.for_each_tenant(FanOut::new(), |ctx| patients::table.count().get_result::<i64>(ctx))?;
    /// for (tenant, patients) in report.done() {
    ///     println!("{tenant}: {patients}");
    /// }
    /// assert!(report.is_complete());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn for_each_tenant<T: Send>(
        &self,
        over: FanOut<'_>,
        read: impl Fn(&mut ReadContext<'_, C>) -> QueryResult<T> + Sync,
    ) -> Result<FanOutReport<T>, FanOutError> {
        let walk = Walk::begin(&self.registry, over)?;
        let not_reached = |id: &TenantId| TenantResult {
            id: *id,
            outcome: VisitOutcome::NotReached,
            took: Duration::ZERO,
        };
        let mut tenants: Vec<_> = walk.ids.iter().map(not_reached).collect();
        walk.visit(&self.registry, read, |number, outcome, took| {
            tenants[number].took = took;
            tenants[number].outcome = match outcome {
                Ok(value) => VisitOutcome::Done(value),
                Err(error) => VisitOutcome::Failed(error),
            };
        })?;
        Ok(FanOutReport {
            tenants,
            took: walk.started.elapsed(),
        })
    }

    /// Runs `read` on every selected tenant, several at a time, and folds what it returns into one value.
    ///
    /// As [`for_each_tenant`](Self::for_each_tenant), in memory that does not grow with the number of tenants (but for the
    /// list of their ids): what `read` returns goes to `fold` at once, on the calling thread, one after another and in no
    /// order. While `fold` is slow the workers wait, without a connection. Failures are counted, and the first
    /// [`keep_errors`](FanOut::keep_errors) of them kept.
    ///
    /// A panic in `fold` ends the whole of it and reaches the caller.
    ///
    /// # Errors
    /// See [`FanOutError`]; nothing was read then.
    ///
    /// # Example
    /// ```
    /// # use diesel_tenants::prelude::*;
    /// # mod schema { diesel::table! { patients { id -> Integer, name -> Text, } } }
    /// # use schema::patients;
    /// # routes! { static ROUTES; shared {} tenant { patients { schema::patients } } }
    /// # fn patients_everywhere(tenancy: &Tenancy) -> Result<i64, diesel_tenants::Error> {
    /// use diesel_tenants::FanOut;
    ///
    /// let count = |ctx: &mut ReadContext| patients::table.count().get_result::<i64>(ctx);
    /// let total = tenancy.aggregate(FanOut::new(), 0, count, |sum, _tenant, patients| *sum += patients)?;
    /// for (tenant, error) in &total.errors {
    ///     eprintln!("{tenant} is not in the sum: {error}");
    /// }
    /// # Ok(total.value) }
    /// ```
    pub fn aggregate<T: Send, A>(
        &self,
        over: FanOut<'_>,
        init: A,
        read: impl Fn(&mut ReadContext<'_, C>) -> QueryResult<T> + Sync,
        mut fold: impl FnMut(&mut A, TenantId, T),
    ) -> Result<Aggregate<A>, FanOutError> {
        let keep_errors = over.keep_errors;
        let walk = Walk::begin(&self.registry, over)?;
        let mut sum = Aggregate {
            value: init,
            done: 0,
            failed: 0,
            not_reached: 0,
            errors: Vec::new(),
            took: Duration::ZERO,
        };
        walk.visit(&self.registry, read, |number, outcome, _| match outcome {
            Ok(value) => {
                sum.done += 1;
                fold(&mut sum.value, walk.ids[number], value);
            }
            Err(error) => {
                sum.failed += 1;
                if sum.errors.len() < keep_errors {
                    sum.errors.push((walk.ids[number], error));
                }
            }
        })?;
        sum.not_reached = walk.ids.len() - sum.done - sum.failed;
        sum.took = walk.started.elapsed();
        Ok(sum)
    }
}

/// A fan-out that has begun.
struct Walk {
    started: Instant,
    until: Option<Instant>,
    workers: usize,
    ids: Vec<TenantId>,
}

impl Walk {
    fn begin<C: Backend>(registry: &Registry<C>, over: FanOut<'_>) -> Result<Self, FanOutError> {
        let started = Instant::now();
        Ok(Self {
            started,
            until: over.until(started),
            workers: over.workers(registry),
            ids: over.ids(registry)?,
        })
    }

    /// Reads the tenants, and hands what came of each, by its number, to `sink`.
    fn visit<C: Backend, T: Send>(
        &self,
        registry: &Registry<C>,
        read: impl Fn(&mut ReadContext<'_, C>) -> QueryResult<T> + Sync,
        mut sink: impl FnMut(usize, Result<T, VisitError>, Duration),
    ) -> Result<(), FanOutError> {
        let one = |number: usize| {
            let began = Instant::now();
            let outcome = enter(registry, &self.ids[number], self.workers)
                .map_err(VisitError::Open)
                .and_then(|ctx| read_one(ctx, &read));
            (outcome, began.elapsed())
        };
        let sink = |number, (outcome, took)| sink(number, outcome, took);
        run(self.ids.len(), self.workers, self.until, one, sink).map_err(FanOutError::NoThread)
    }
}

fn read_one<C: Backend, T>(
    mut ctx: TenantContext<C>,
    read: impl Fn(&mut ReadContext<'_, C>) -> QueryResult<T>,
) -> Result<T, VisitError> {
    let id = ctx.tenant_id();
    // What the closure can leave broken behind a panic is its own.
    match catch_unwind(AssertUnwindSafe(|| ctx.read(read))) {
        Ok(outcome) => outcome.map_err(|source| VisitError::Query { id, source }),
        Err(panic) => {
            discard(panic);
            Err(VisitError::Panicked { id })
        }
    }
}

/// Opens a context for one of so many `workers`. Its connection is closed again with it if it was opened for it and leaves
/// too little room in the budget for every worker to open the next one: what it costs the application would grow.
pub(crate) fn enter<C: Backend>(
    registry: &Registry<C>,
    id: &TenantId,
    workers: usize,
) -> Result<TenantContext<C>, OpenError> {
    let tenant = registry.tenant(id)?;
    let cold = tenant
        .database
        .opened_slots()
        .is_none_or(|slots| slots.is_cold());
    let mut ctx = registry.enter(&tenant)?;
    if cold && registry.pools.room() < workers {
        ctx.close_on_drop();
    }
    Ok(ctx)
}

/// Never looks at what a closure panicked with, which may hold rows. It is not dropped either: its destructor is the
/// application's, and could panic in its turn.
pub(crate) fn discard(panic: Box<dyn std::any::Any + Send>) {
    std::mem::forget(panic);
}
