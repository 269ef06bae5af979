//! A run, from this process' side: it begins one or joins one, works on it, and leaves it.
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use uuid::Uuid;

use super::error::FleetError;
use super::one::{self, FIRST_PAUSE, LONGEST_PAUSE};
use super::options::MigrateFleet;
use super::plan::{self, Planned, PlannedAction};
use super::report::{FleetProgress, FleetReport, FleetRun, TenantFailure, TenantReport};
use crate::backend::{Backend, Storage};
use crate::catalog::runs::{Claimed, Counts, Run, RunOutcome, RunTenant, RunWorker, TenantState};
use crate::error::CatalogError;
use crate::failpoint::hit;
use crate::lifecycle::Running;
use crate::registry::{Registry, Writer};

/// How long a statement on the catalogue is tried again while others keep it locked. Each try waits for the busy
/// timeout by itself.
const CATALOGUE_PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn migrate<C: Backend>(
    registry: &Registry<C>,
    options: &MigrateFleet,
    progress: impl FnMut(&FleetProgress),
) -> Result<FleetReport, FleetError> {
    let began_at = SystemTime::now();
    let worker = Running::new(registry);
    let me = RunWorker {
        id: worker.id(),
        instance: registry.common.storage.instance(),
    };
    let entered = match enter(registry, options, me)? {
        Entrance::NothingToDo(planned) => return Ok(nothing(registry, &planned, began_at)),
        Entrance::Run(entered) => entered,
    };
    work_on(registry, options, me, entered, progress)
}

/// Goes on with a run that is not finished, whatever was chosen when it began.
pub(super) fn resume<C: Backend>(
    registry: &Registry<C>,
    id: Uuid,
    options: &MigrateFleet,
    progress: impl FnMut(&FleetProgress),
) -> Result<FleetReport, FleetError> {
    let worker = Running::new(registry);
    let me = RunWorker {
        id: worker.id(),
        instance: registry.common.storage.instance(),
    };
    let run = patiently(registry, |c| c.runs_find(id))?.ok_or(FleetError::UnknownRun { id })?;
    if run.finished_at.is_none()
        && run.target_digest != registry.common.tenant_migrations.digest().to_string()
    {
        let version = run.target_version;
        return Err(FleetError::OtherTarget { id, version });
    }
    let alive = outcome(registry, &run)? == RunOutcome::Running;
    let Some(run) = patiently(registry, |c| c.runs_join(id, &[], 0, me))? else {
        return one(registry, id);
    };
    hit("fleet.joined");
    let entered = Box::new(Entered {
        run,
        planned: Vec::new(),
        joined: alive,
        resumed: !alive,
    });
    work_on(registry, options, me, entered, progress)
}

/// Lets nothing more of a run be begun.
pub(super) fn stop<C: Backend>(registry: &Registry<C>, id: Uuid) -> Result<bool, FleetError> {
    if !patiently(registry, |c| c.runs_stop(id))? {
        let known = patiently(registry, |c| c.runs_find(id))?;
        return known.map(|_| false).ok_or(FleetError::UnknownRun { id });
    }
    // Who died over it does not finish it: that is done here, for whoever leaves last.
    if let Some((run, workers)) = patiently(registry, |c| c.runs_open())?
        && run.id == id
    {
        for worker in workers {
            if !is_at_work(registry, &worker)? {
                patiently(registry, |c| c.runs_leave(id, worker.id))?;
            }
        }
    }
    Ok(true)
}

fn work_on<C: Backend>(
    registry: &Registry<C>,
    options: &MigrateFleet,
    me: RunWorker,
    entered: Box<Entered>,
    progress: impl FnMut(&FleetProgress),
) -> Result<FleetReport, FleetError> {
    let crew = Crew {
        registry,
        options,
        run: entered.run.id,
        began_at: entered.run.started_at,
        me,
        queue: Mutex::new(VecDeque::new()),
        given_up: AtomicBool::new(false),
    };
    let worked = crew.work(&entered.run, progress);
    // Whatever happened: what was claimed and not finished is given back, and who leaves last finishes the run.
    let left = patiently(registry, |c| c.runs_leave(crew.run, me.id));
    hit("fleet.left");
    let failures = worked?;
    left?;
    report(registry, *entered, failures)
}

/// A run this process works on.
struct Entered {
    run: Run,
    planned: Vec<Planned>,
    joined: bool,
    resumed: bool,
}

enum Entrance {
    Run(Box<Entered>),
    NothingToDo(Vec<Planned>),
}

/// Begins a run, or joins the one there is.
fn enter<C: Backend>(
    registry: &Registry<C>,
    options: &MigrateFleet,
    me: RunWorker,
) -> Result<Entrance, FleetError> {
    let set = &registry.common.tenant_migrations;
    let target = set.digest().to_string();
    let selection = options.selection();
    loop {
        // In this order: a run that is begun and finished after it was found out what the tenants need would be done again.
        let newest = patiently(registry, |c| c.runs_newest())?;
        let planned = plan::from_catalogue(registry, options)?;
        let open = patiently(registry, |c| c.runs_open())?;
        let (tenants, waves) = plan::into_run(&planned, options);
        if let Some((run, workers)) = open {
            let mut alive = false;
            for worker in &workers {
                alive |= is_at_work(registry, worker)?;
            }
            let is_stopped = run.outcome == Some(RunOutcome::Stopped);
            if is_stopped && !alive && !workers.is_empty() {
                // Its workers died before they had left it: it is over, and its rest is for the next one.
                for worker in &workers {
                    patiently(registry, |c| c.runs_leave(run.id, worker.id))?;
                }
            } else if run.target_digest == target && run.selection == selection {
                let counting = waves.counting.len() as u64;
                let joined = patiently(registry, |c| c.runs_join(run.id, &tenants, counting, me))?;
                if let Some(run) = joined {
                    hit("fleet.joined");
                    return Ok(Entrance::Run(Box::new(Entered {
                        run,
                        planned,
                        joined: alive,
                        resumed: !alive,
                    })));
                }
            } else if waves.is_empty() {
                return Ok(Entrance::NothingToDo(planned));
            } else if alive {
                let (id, version) = (run.id, run.target_version);
                return Err(FleetError::RunActive { id, version });
            } else if patiently(registry, |c| c.runs_supersede(run.id, &workers))? {
                hit("fleet.superseded");
            }
            // It was finished in between, or has a worker by now. What that one did has to be seen.
            continue;
        }
        if waves.is_empty() {
            return Ok(Entrance::NothingToDo(planned));
        }
        registry
            .common
            .prepare_template()
            .map_err(FleetError::Template)?;
        let is = |state| tenants.iter().filter(|it| it.state == state).count() as u64;
        let run = Run {
            id: Uuid::now_v7(),
            target_version: set.latest().map(str::to_owned),
            target_digest: target.clone(),
            selection: selection.clone(),
            waves: waves.counting.len() as u64,
            failures_allowed: options.failures_allowed(waves.counting.iter().sum()),
            canaries_may_fail: options.canaries_may_fail,
            instance: me.instance,
            started_at: SystemTime::now(),
            finished_at: None,
            outcome: None,
            counts: Counts {
                up_to_date: (planned.len() - tenants.len()) as u64,
                total: tenants.len() as u64,
                skipped: is(TenantState::Skipped),
                ..Counts::default()
            },
        };
        if patiently(registry, |c| c.runs_start(&run, newest, &tenants, me))? {
            hit("fleet.started");
            return Ok(Entrance::Run(Box::new(Entered {
                run,
                planned,
                joined: false,
                resumed: false,
            })));
        }
    }
}

/// Whether a worker is still at work: its instance lives, and if that is this one, its call has not ended.
fn is_at_work<C: Backend>(registry: &Registry<C>, worker: &RunWorker) -> Result<bool, FleetError> {
    let storage = &registry.common.storage;
    match worker.instance == storage.instance() {
        true => Ok(registry.running.lock().contains(&worker.id)),
        false => Ok(storage.is_alive(worker.instance)?),
    }
}

/// Asks the catalogue, and once more as long as it is locked.
fn patiently<C: Backend, T>(
    registry: &Registry<C>,
    mut ask: impl FnMut(&mut Writer<'_, C>) -> diesel::QueryResult<T>,
) -> Result<T, FleetError> {
    let until = Instant::now() + CATALOGUE_PATIENCE;
    loop {
        match registry.note(&mut ask) {
            Err(error) if C::is_lock_timeout(&error) && Instant::now() < until => {}
            answer => return Ok(answer.map_err(CatalogError::of::<C>)?),
        }
    }
}

/// The errors of this process' failed tenants, by their positions.
type Failures = HashMap<u64, TenantFailure>;

enum Event {
    Finished(Run, Box<RunTenant>, Option<TenantFailure>),
    /// Others were at work meanwhile.
    Waiting(Run),
}

/// The threads of this process on a run.
struct Crew<'a, C: Backend> {
    registry: &'a Registry<C>,
    options: &'a MigrateFleet,
    run: Uuid,
    began_at: SystemTime,
    me: RunWorker,
    /// Claimed, and not begun.
    queue: Mutex<VecDeque<RunTenant>>,
    /// Nothing more is to be begun.
    given_up: AtomicBool,
}

/// Lets all threads end soon when one of them panics, or the observer does: what the dead one has claimed would
/// otherwise be waited for.
struct GiveUpOnPanic<'a>(&'a AtomicBool);

impl Drop for GiveUpOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

impl<C: Backend> Crew<'_, C> {
    /// Works until the run is over, and tells the observer.
    fn work(
        &self,
        run: &Run,
        mut progress: impl FnMut(&FleetProgress),
    ) -> Result<Failures, FleetError> {
        let started = Instant::now();
        let before = run.counts.left();
        let mut failures = Failures::new();
        let mut wave = 0;
        let mut observe = |event| {
            let (run, last) = match event {
                Event::Finished(run, tenant, failure) => {
                    wave = tenant.wave;
                    let position = tenant.position;
                    let mut last = TenantReport::of(*tenant);
                    if let Some(failure) = failure {
                        last.error = Some(failure.clone());
                        failures.insert(position, failure);
                    }
                    (run, Some(last))
                }
                Event::Waiting(run) => (run, None),
            };
            progress(&FleetProgress {
                run: self.run,
                wave: wave + 1,
                waves: run.waves.max(wave + 1),
                totals: run.counts.into(),
                finished_here: before.saturating_sub(run.counts.left()),
                elapsed: started.elapsed(),
                last,
            });
        };
        match before.max(1).min(self.options.workers as u64) {
            1 => self.take_turns(&mut observe)?,
            threads => self.in_threads(threads, observe)?,
        }
        Ok(failures)
    }

    /// Lets several threads take turns, and the observer hear of it on this one.
    fn in_threads(&self, count: u64, mut observe: impl FnMut(Event)) -> Result<(), FleetError> {
        std::thread::scope(|scope| {
            let _give_up = GiveUpOnPanic(&self.given_up);
            let (tell, told) = mpsc::channel();
            let thread = |tell: mpsc::Sender<Event>| {
                let _give_up = GiveUpOnPanic(&self.given_up);
                // Nobody listens any more when the observer has panicked: then there is nothing to tell.
                let done = self.take_turns(&mut |event| drop(tell.send(event)));
                if done.is_err() {
                    self.given_up.store(true, Ordering::Relaxed);
                }
                done
            };
            let threads: Vec<_> = (0..count)
                .map(|_| {
                    let tell = tell.clone();
                    scope.spawn(move || thread(tell))
                })
                .collect();
            drop(tell);
            told.into_iter().for_each(&mut observe);
            let ended = threads.into_iter().map(|thread| match thread.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            ended.collect::<Vec<_>>().into_iter().collect()
        })
    }

    fn take_turns(&self, tell: &mut dyn FnMut(Event)) -> Result<(), FleetError> {
        while let Some(mut tenant) = self.next(tell)? {
            let failure = one::migrate(self.registry, self.options, self.began_at, &mut tenant);
            let me = self.me.id;
            let run = patiently(self.registry, |c| c.runs_record(self.run, me, &tenant))?;
            hit("fleet.recorded");
            if run.outcome.is_some() {
                self.give_back()?;
            }
            tell(Event::Finished(run, Box::new(tenant), failure));
        }
        Ok(())
    }

    /// After the run was stopped: others wait for what this process has claimed.
    fn give_back(&self) -> Result<(), FleetError> {
        let queue = std::mem::take(&mut *self.queue.lock());
        let positions: Vec<_> = queue.into_iter().map(|tenant| tenant.position).collect();
        match positions.is_empty() {
            true => Ok(()),
            false => patiently(self.registry, |c| {
                c.runs_give_back(self.run, self.me.id, &positions)
            }),
        }
    }

    /// The next tenant for this thread. Waits while others work on what comes before; `None` when the run is over.
    fn next(&self, tell: &mut dyn FnMut(Event)) -> Result<Option<RunTenant>, FleetError> {
        let mut pause = FIRST_PAUSE;
        loop {
            {
                let mut queue = self.queue.lock();
                if self.given_up.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                if let Some(tenant) = queue.pop_front() {
                    return Ok(Some(tenant));
                }
                // One for each thread of this process: fewer statements, and not so many that others stand idle.
                let most = self.options.workers;
                let claimed =
                    patiently(self.registry, |c| c.runs_claim(self.run, self.me.id, most))?;
                match claimed {
                    Claimed::Tenants(tenants) => {
                        hit("fleet.claimed");
                        queue.extend(tenants);
                        continue;
                    }
                    Claimed::Nothing => return Ok(None),
                    Claimed::Wait(workers) => self.release_the_dead(&workers)?,
                }
            }
            if pause == LONGEST_PAUSE
                && let Some(run) = patiently(self.registry, |c| c.runs_find(self.run))?
            {
                tell(Event::Waiting(run));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Gives back what dead workers have claimed.
    fn release_the_dead(&self, workers: &[RunWorker]) -> Result<(), FleetError> {
        for worker in workers {
            if !is_at_work(self.registry, worker)? {
                patiently(self.registry, |c| c.runs_release(self.run, worker.id))?;
                hit("fleet.released");
            }
        }
        Ok(())
    }
}

/// The report of a run in which there was nothing to do.
fn nothing<C: Backend>(
    registry: &Registry<C>,
    planned: &[Planned],
    began_at: SystemTime,
) -> FleetReport {
    let set = &registry.common.tenant_migrations;
    let mut counts = Counts::default();
    let mut tenants = Vec::new();
    for it in planned {
        let (id, version) = (it.record.id, it.record.schema_version.clone());
        let mut tenant = TenantReport::up_to_date(id, version);
        match it.action {
            PlannedAction::Skip => {
                counts.total += 1;
                counts.skipped += 1;
                tenant.state = TenantState::Skipped;
                tenant.skipped_because = Some(format!("the tenant is {}", it.record.status));
            }
            _ => counts.up_to_date += 1,
        }
        tenants.push(tenant);
    }
    FleetReport {
        run: None,
        outcome: RunOutcome::Done,
        target_version: set.latest().map(str::to_owned),
        target_digest: set.digest().to_string(),
        resumed: false,
        joined: false,
        started_at: began_at,
        finished_at: Some(SystemTime::now()),
        waves: 0,
        totals: counts.into(),
        tenants,
    }
}

fn report<C: Backend>(
    registry: &Registry<C>,
    entered: Entered,
    mut failures: Failures,
) -> Result<FleetReport, FleetError> {
    let id = entered.run.id;
    let mut report = one(registry, id)?;
    let worked_on: HashSet<_> = report.tenants.iter().map(|tenant| tenant.id).collect();
    for (position, tenant) in report.tenants.iter_mut().enumerate() {
        if let Some(failure) = failures.remove(&(position as u64)) {
            tenant.error = Some(failure);
        }
    }
    let others = entered
        .planned
        .iter()
        .filter(|it| it.action == PlannedAction::UpToDate && !worked_on.contains(&it.record.id));
    report.tenants.extend(
        others.map(|it| TenantReport::up_to_date(it.record.id, it.record.schema_version.clone())),
    );
    report.joined = entered.joined;
    report.resumed = entered.resumed;
    Ok(report)
}

/// What became of a run, as opposed to what is written: whether anybody is at work on it is found out.
fn outcome<C: Backend>(registry: &Registry<C>, run: &Run) -> Result<RunOutcome, FleetError> {
    if run.finished_at.is_some() {
        return Ok(run.outcome.unwrap_or(RunOutcome::Done));
    }
    let open = patiently(registry, |c| c.runs_open())?;
    let workers = match open {
        Some((open, workers)) if open.id == run.id => workers,
        _ => Vec::new(),
    };
    for worker in &workers {
        if is_at_work(registry, worker)? {
            return Ok(RunOutcome::Running);
        }
    }
    Ok(RunOutcome::Interrupted)
}

pub(super) fn all<C: Backend>(registry: &Registry<C>) -> Result<Vec<FleetRun>, FleetError> {
    let runs = patiently(registry, |c| c.runs_all())?;
    let read = |run: Run| {
        let outcome = outcome(registry, &run)?;
        Ok(FleetRun::of(run, outcome))
    };
    runs.into_iter().map(read).collect()
}

pub(super) fn one<C: Backend>(registry: &Registry<C>, id: Uuid) -> Result<FleetReport, FleetError> {
    let run = patiently(registry, |c| c.runs_find(id))?;
    let run = run.ok_or(FleetError::UnknownRun { id })?;
    let tenants = patiently(registry, |c| c.runs_tenants(id))?;
    let last = tenants.iter().map(|tenant| tenant.wave + 1).max();
    Ok(FleetReport {
        run: Some(id),
        outcome: outcome(registry, &run)?,
        target_version: run.target_version,
        target_digest: run.target_digest,
        resumed: false,
        joined: false,
        started_at: run.started_at,
        finished_at: run.finished_at,
        waves: run.waves.max(last.unwrap_or(0)),
        totals: run.counts.into(),
        tenants: tenants.into_iter().map(TenantReport::of).collect(),
    })
}
