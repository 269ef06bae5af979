//! Runs: one action on one tenant or several, while it goes on and afterwards.
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use askama::Template;
use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Redirect, Response, Sse};
use diesel_tenants::fleet::FleetRun;
use diesel_tenants::{Tenancy, TenantId};
use futures_util::stream;
use parking_lot::Mutex;
use tokio::sync::watch;
use uuid::Uuid;

use crate::action::{self, Action, Outcome, PATIENCE};
use crate::console::{App, Shared};
use crate::failure::{Failure, show};
use crate::fleet;
use crate::given::Fields;
use crate::list::Filter;
use crate::session::Operator;
use crate::view;

/// How many runs are remembered.
const REMEMBERED: usize = 200;
/// How many tenants and other things those runs may have been about together. One that goes on is remembered all the same.
const SUBJECTS: usize = 20_000;
/// How many lines are kept of what became of one of them, and of all of a run.
const LINES: usize = 50;
const LINES_OF_RUN: usize = 500;
/// The characters of a line.
const LINE: usize = 500;
/// How many tenants can be ticked: what a page of the list has, and some.
const MOST_SELECTED: usize = 100;
/// How many tenants of a run have a place on its page. Those that need a look come first.
const SHOWN: usize = 100;

/// The runs of this process, the newest first.
#[derive(Default)]
pub(crate) struct Runs(Mutex<VecDeque<Arc<Run>>>);

/// What is to be done, to one thing after the other.
pub(crate) struct Job {
    label: &'static str,
    on: Vec<Subject>,
    work: Box<Work>,
}

type Work = dyn Fn(&Tenancy, &Subject) -> Result<Outcome, Failure> + Send + Sync;

/// What something is done to: a tenant mostly.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) name: String,
    tenant: Option<TenantId>,
}

impl Job {
    /// An action on tenants.
    pub(crate) fn action(action: Action, tenants: Vec<TenantId>, fields: Fields) -> Self {
        let on = tenants.into_iter().map(|tenant| Subject {
            name: tenant.to_string(),
            tenant: Some(tenant),
        });
        Self {
            label: action.label(),
            on: on.collect(),
            work: Box::new(move |tenancy, subject| match subject.tenant {
                Some(tenant) => action::perform(tenancy, &tenant, action, &fields),
                None => Err(Failure::NotFound),
            }),
        }
    }

    /// Something else.
    pub(crate) fn other(
        label: &'static str,
        on: impl Into<String>,
        work: impl Fn(&Tenancy) -> Result<Outcome, Failure> + Send + Sync + 'static,
    ) -> Self {
        let (name, tenant) = (on.into(), None);
        Self {
            label,
            on: vec![Subject { name, tenant }],
            work: Box::new(move |tenancy, _| work(tenancy)),
        }
    }
}

/// A job on its way.
pub(crate) struct Run {
    id: Uuid,
    job: Job,
    by: String,
    began_at: SystemTime,
    /// Nothing more is to be begun.
    stopped: AtomicBool,
    /// Lines that are kept of what became of its subjects.
    lines: AtomicUsize,
    /// Where each of the job's subjects is.
    state: watch::Sender<Vec<Progress>>,
}

#[derive(Clone)]
enum Progress {
    Waiting,
    Running,
    Done {
        outcome: Outcome,
        took: Duration,
    },
    /// The run was stopped before it was its turn.
    Left,
}

impl Progress {
    fn is_over(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Left)
    }

    fn is_bad(&self) -> bool {
        matches!(self, Self::Done { outcome, .. } if !outcome.good)
    }
}

impl Runs {
    fn begin(&self, job: Job, by: &str) -> Arc<Run> {
        let run = Arc::new(Run {
            id: Uuid::now_v7(),
            by: by.to_owned(),
            began_at: SystemTime::now(),
            stopped: AtomicBool::new(false),
            lines: AtomicUsize::new(0),
            state: watch::Sender::new(vec![Progress::Waiting; job.on.len()]),
            job,
        });
        let mut runs = self.0.lock();
        runs.push_front(Arc::clone(&run));
        // One that goes on is not forgotten: nobody would hear how it ended.
        let mut subjects: usize = runs.iter().map(|run| run.job.on.len()).sum();
        while runs.len() > REMEMBERED || subjects > SUBJECTS {
            let oldest = runs.iter().rposition(|run| run.is_over());
            let Some(oldest) = oldest else { break };
            subjects -= runs.remove(oldest).map_or(0, |run| run.job.on.len());
        }
        run
    }

    fn find(&self, id: &str) -> Result<Arc<Run>, Failure> {
        let id: Uuid = id.parse().map_err(|_| Failure::NotFound)?;
        let runs = self.0.lock();
        let run = runs.iter().find(|run| run.id == id).cloned();
        run.ok_or(Failure::NotFound)
    }
}

impl Run {
    fn is_over(&self) -> bool {
        self.state.borrow().iter().all(Progress::is_over)
    }

    fn set(&self, index: usize, state: Progress) {
        self.state.send_modify(|all| all[index] = state);
    }

    /// Goes through what is to be done one after the other, each on the blocking pool when there is room.
    async fn work(self: Arc<Self>, app: App, tenancy: Tenancy) {
        for index in 0..self.job.on.len() {
            let permit = Arc::clone(&app.actions).acquire_owned().await;
            if self.stopped.load(Ordering::Relaxed) || app.ending.load(Ordering::SeqCst) {
                self.set(index, Progress::Left);
                continue;
            }
            self.set(index, Progress::Running);
            let (run, tenancy) = (Arc::clone(&self), tenancy.clone());
            let began = Instant::now();
            let done = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                (run.job.work)(&tenancy, &run.job.on[index])
            });
            let outcome = match done.await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(failure)) => Outcome::failed(failure),
                Err(_) => Outcome::failed(Failure::panicked()),
            };
            let took = began.elapsed();
            let outcome = self.kept(outcome);
            self.set(index, Progress::Done { outcome, took });
        }
    }

    /// As much of an outcome as is kept: a run may be about thousands, with hundreds of lines each.
    fn kept(&self, mut outcome: Outcome) -> Outcome {
        let room = LINES_OF_RUN.saturating_sub(self.lines.load(Ordering::Relaxed));
        let all = outcome.lines.len();
        outcome.lines.truncate(LINES.min(room));
        self.lines.fetch_add(outcome.lines.len(), Ordering::Relaxed);
        if outcome.lines.len() < all {
            let more = all - outcome.lines.len();
            outcome.lines.push(format!(
                "{more} more; see them by doing it to this one alone, or with the command line tool"
            ));
        }
        for text in outcome.lines.iter_mut().chain([&mut outcome.summary]) {
            if let Some((end, _)) = text.char_indices().nth(LINE) {
                text.truncate(end);
                text.push('…');
            }
        }
        outcome
    }

    /// What its page shows.
    fn shown<'a>(&'a self, me: &'a Operator) -> Fragment<'a> {
        let state = self.state.borrow();
        let count = |is: fn(&Progress) -> bool| state.iter().filter(|it| is(it)).count();
        // Those that need a look, what is under way, then the newest of what is done.
        let rank = |it: &Progress| match it {
            it if it.is_bad() => 0,
            Progress::Running => 1,
            Progress::Done { .. } => 2,
            Progress::Waiting | Progress::Left => 3,
        };
        let mut order: Vec<usize> = (0..state.len()).collect();
        if state.len() > SHOWN {
            order.sort_by_key(|index| match rank(&state[*index]) {
                2 => (2, state.len() - index),
                rank => (rank, *index),
            });
            order.truncate(SHOWN);
        }
        let items = order.into_iter().map(|index| Item {
            subject: &self.job.on[index],
            state: state[index].clone(),
        });
        Fragment {
            me,
            run: self.id,
            items: items.collect(),
            total: state.len(),
            over: count(Progress::is_over),
            bad: count(Progress::is_bad),
            left: count(|it| matches!(it, Progress::Left)),
            stopping: self.stopped.load(Ordering::Relaxed),
        }
    }
}

/// Begins a run and shows it: its end if that comes soon.
pub(crate) async fn run(app: &App, operator: &Operator, job: Job) -> Response {
    let run = app.runs.begin(job, &operator.username);
    let mut seen = run.state.subscribe();
    tokio::spawn(Arc::clone(&run).work(app.clone(), operator.acting(app)));
    let ended = seen.wait_for(|all| all.iter().all(Progress::is_over));
    let _ = tokio::time::timeout(PATIENCE, ended).await;
    Redirect::to(&operator.mount.to(&format!("/runs/{}", run.id))).into_response()
}

/// `POST /tenants/{id}/{action}`.
pub(crate) async fn start(
    State(app): State<App>,
    operator: Operator,
    Path((tenant, action)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, Failure> {
    operator.form.check(fields.get("token"))?;
    let tenant: TenantId = tenant.parse().map_err(|_| Failure::NotFound)?;
    let action = Action::parse(&action).filter(|action| *action != Action::Create);
    let action = action.ok_or(Failure::NotFound)?;
    let known = move |app: &Shared| {
        let handle = app.tenancy.handle(&tenant);
        handle.map(drop).map_err(Failure::unless_unknown)
    };
    app.blocking(known).await?;
    action::check(action, &fields)?;
    Ok(run(&app, &operator, Job::action(action, vec![tenant], fields)).await)
}

/// `POST /tenants`: a new one.
pub(crate) async fn create(
    State(app): State<App>,
    operator: Operator,
    fields: Fields,
) -> Result<Response, Failure> {
    operator.form.check(fields.get("token"))?;
    let tenant: TenantId = fields.get("id").parse().map_err(Failure::bad_value)?;
    action::check(Action::Create, &fields)?;
    let job = Job::action(Action::Create, vec![tenant], fields);
    Ok(run(&app, &operator, job).await)
}

/// `POST /selected/{action}`: the tenants that are ticked.
pub(crate) async fn start_selected(
    State(app): State<App>,
    operator: Operator,
    Path(action): Path<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    operator.form.check(fields.get("token"))?;
    let action = for_many(&action)?;
    let tenants = fields.selected()?;
    match tenants.len() {
        0 => return Err(Failure::BadForm("Select the tenants first.")),
        1..=MOST_SELECTED => {}
        _ => return Err(Failure::BadForm("At most 100 tenants can be selected.")),
    }
    many(&app, &operator, action, tenants, fields).await
}

/// `POST /matching/{action}`: all tenants that are found by what the list was asked for, on whichever page of it.
pub(crate) async fn start_matching(
    State(app): State<App>,
    operator: Operator,
    Path(action): Path<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    operator.form.check(fields.get("token"))?;
    let action = for_many(&action)?;
    let filter = Filter::of(&fields);
    if action == Action::Migrate && filter.is_everything() {
        return fleet::begin(&app, &operator, None).await;
    }
    let tenants = app.blocking(move |app| filter.ids(app)).await?;
    if tenants.is_empty() {
        return Err(Failure::BadForm("No tenant is found by that."));
    }
    many(&app, &operator, action, tenants, fields).await
}

/// Nothing that destroys, or takes out of use, is done to many at once.
fn for_many(action: &str) -> Result<Action, Failure> {
    let action = Action::parse(action).filter(|action| action.is_for_many());
    action.ok_or(Failure::NotFound)
}

async fn many(
    app: &App,
    operator: &Operator,
    action: Action,
    tenants: Vec<TenantId>,
    fields: Fields,
) -> Result<Response, Failure> {
    match action {
        // A run of the catalogue, which survives this process.
        Action::Migrate => fleet::begin(app, operator, Some(tenants)).await,
        _ => Ok(run(app, operator, Job::action(action, tenants, fields)).await),
    }
}

#[derive(Template)]
#[template(path = "runs.html")]
struct ListPage<'a> {
    me: &'a Operator,
    runs: Vec<Listed>,
    fleet: &'a [FleetRun],
    nothing: bool,
}

impl ListPage<'_> {
    fn when(&self, time: &SystemTime) -> view::Moment {
        view::moment(*time)
    }

    fn state(&self, run: &FleetRun) -> view::State {
        fleet::state(run.outcome)
    }

    fn tenants(&self, run: &FleetRun) -> u64 {
        let totals = run.totals;
        totals.done + totals.failed + totals.skipped + totals.left
    }
}

struct Listed {
    id: Uuid,
    label: &'static str,
    on: String,
    by: String,
    began_at: view::Moment,
    icon: &'static str,
    word: &'static str,
}

/// `GET /runs`.
pub(crate) async fn list(
    State(app): State<App>,
    operator: Operator,
    asked: crate::given::Asked,
) -> Result<Response, Failure> {
    let fleet = app.blocking(|app| Ok(app.tenancy.fleet_runs()?)).await?;
    let runs = app.runs.0.lock().clone();
    let runs = runs.iter().map(|run| {
        let state = run.state.borrow();
        let (icon, word) = match () {
            () if !state.iter().all(Progress::is_over) => (view::BUSY, "under way"),
            () if state.iter().any(Progress::is_bad) => (view::BAD, "needs a look"),
            () if state.iter().any(|it| matches!(it, Progress::Left)) => (view::IDLE, "stopped"),
            () => (view::GOOD, "done"),
        };
        Listed {
            id: run.id,
            label: run.job.label,
            on: match run.job.on.as_slice() {
                [one] => one.name.clone(),
                many => format!("{} tenants", many.len()),
            },
            by: run.by.clone(),
            began_at: view::moment(run.began_at),
            icon,
            word,
        }
    });
    Ok(show(&ListPage {
        me: &operator,
        runs: runs.collect(),
        fleet: &fleet,
        nothing: asked.0.is_ticked("nothing"),
    }))
}

#[derive(Template)]
#[template(path = "run.html")]
struct Page<'a> {
    me: &'a Operator,
    run: &'a Run,
    began_at: view::Moment,
    progress: Fragment<'a>,
}

struct Item<'a> {
    subject: &'a Subject,
    state: Progress,
}

/// What changes while a run goes on; sent again with each change.
#[derive(Template)]
#[template(path = "progress.html")]
struct Fragment<'a> {
    me: &'a Operator,
    run: Uuid,
    items: Vec<Item<'a>>,
    total: usize,
    over: usize,
    bad: usize,
    left: usize,
    stopping: bool,
}

impl Fragment<'_> {
    fn is_over(&self) -> bool {
        self.over == self.total
    }
}

/// `GET /runs/{run}`.
pub(crate) async fn page(
    State(app): State<App>,
    operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let run = app.runs.find(&id)?;
    Ok(show(&Page {
        me: &operator,
        run: &run,
        began_at: view::moment(run.began_at),
        progress: run.shown(&operator),
    }))
}

/// `POST /runs/{run}/stop`: what is under way is finished, and nothing else is begun.
pub(crate) async fn stop(
    State(app): State<App>,
    operator: Operator,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    operator.form.check(fields.get("token"))?;
    let run = app.runs.find(&id)?;
    run.stopped.store(true, Ordering::Relaxed);
    // Whoever looks hears that it is being stopped.
    run.state.send_modify(|_| {});
    Ok(Redirect::to(&operator.mount.to(&format!("/runs/{}", run.id))).into_response())
}

/// How often it is asked whether who watches is logged in, at the latest.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// `GET /runs/{run}/events`: the run as it goes on, ending with it or with the session.
pub(crate) async fn events(
    State(app): State<App>,
    operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let run = app.runs.find(&id)?;
    let mut seen = run.state.subscribe();
    seen.mark_changed();
    // The run is held, so that its sender lives until its last state was sent.
    let events = stream::unfold(Some((app, seen, run, operator)), |state| async {
        let (app, mut seen, run, operator) = state?;
        // Asked before each event, and between those that are far apart: who logs out sees no more of it.
        loop {
            let changed = tokio::time::timeout(ASK_AGAIN, seen.changed()).await;
            if !operator.is_in_still(&app).await {
                return None;
            }
            if changed.is_ok_and(|changed| changed.is_ok()) {
                break;
            }
            if seen.has_changed().is_err() {
                return None;
            }
        }
        seen.mark_unchanged();
        let fragment = run.shown(&operator);
        let over = fragment.is_over();
        let html = fragment.render().ok()?;
        let next = (!over).then_some((app, seen, run, operator));
        Some((Ok::<_, Infallible>(event(over, &html)), next))
    });
    Ok(Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response())
}

/// A piece of a page as an event; the last one says so.
pub(crate) fn event(over: bool, html: &str) -> Event {
    let name = if over { "end" } else { "progress" };
    Event::default().event(name).data(html.replace('\r', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(many: usize) -> Job {
        let tenants = (0..many).map(|n| format!("T{n}").parse().unwrap());
        Job::action(Action::Verify, tenants.collect(), Fields::default())
    }

    fn end(run: &Run) {
        run.state.send_modify(|all| all.fill(Progress::Left));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let runs = Runs::default();
        let many_lines = || Outcome {
            lines: vec!["ö".repeat(10_000); 1_000],
            ..Outcome::done("x".repeat(10_000))
        };
        let run = runs.begin(about(1), "ada");
        let kept = run.kept(many_lines());
        assert_eq!(kept.lines.len(), LINES + 1);
        assert!(
            kept.lines[LINES].starts_with("950 more"),
            "{}",
            kept.lines[LINES]
        );
        let short = |text: &String| text.chars().count() <= LINE + 1;
        assert!(kept.lines.iter().all(short) && short(&kept.summary));
        for _ in 0..100 {
            run.kept(many_lines());
        }
        assert_eq!(run.lines.load(Ordering::Relaxed), LINES_OF_RUN);
        let last = run.kept(many_lines());
        assert_eq!(last.lines.len(), 1, "how many there are is told still");
        // One that goes on is not forgotten, whatever its size.
        let going_on = runs.begin(about(2 * SUBJECTS), "ada");
        for _ in 0..REMEMBERED + 10 {
            end(&runs.begin(about(1), "ada"));
        }
        assert!(runs.find(&going_on.id.to_string()).is_ok());
        end(&going_on);
        for _ in 0..REMEMBERED + 10 {
            end(&runs.begin(about(SUBJECTS / 10), "ada"));
        }
        let known = runs.0.lock();
        assert!((2..=11).contains(&known.len()), "{}", known.len());
    }
}
