//! Runs: one action on one tenant or several, while it goes on and afterwards.
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Redirect, Response, Sse};
use diesel_tenants::TenantId;
use futures_util::stream;
use parking_lot::Mutex;
use tokio::sync::watch;
use uuid::Uuid;

use crate::action::{Action, Fields, Outcome, PATIENCE, perform};
use crate::console::App;
use crate::failure::{Failure, show};
use crate::session::Operator;
use crate::view;

/// How many runs are remembered.
const REMEMBERED: usize = 200;
/// How many tenants one run may be on: what a page of the list can select.
const MOST_SELECTED: usize = 100;

/// The runs of this process, the newest first.
#[derive(Default)]
pub(crate) struct Runs(Mutex<VecDeque<Arc<Run>>>);

/// An action on its way.
pub(crate) struct Run {
    id: Uuid,
    action: Action,
    by: String,
    began_at: SystemTime,
    state: watch::Sender<Vec<Item>>,
}

/// One tenant's part in a run.
#[derive(Clone)]
struct Item {
    tenant: TenantId,
    state: Progress,
}

#[derive(Clone)]
enum Progress {
    Waiting,
    Running,
    Done { outcome: Outcome, took: Duration },
}

impl Item {
    fn is_done(&self) -> bool {
        matches!(self.state, Progress::Done { .. })
    }

    fn is_bad(&self) -> bool {
        matches!(&self.state, Progress::Done { outcome, .. } if !outcome.good)
    }
}

impl Runs {
    fn begin(&self, action: Action, by: &str, tenants: Vec<TenantId>) -> Arc<Run> {
        let items = tenants.into_iter().map(|tenant| Item {
            tenant,
            state: Progress::Waiting,
        });
        let run = Arc::new(Run {
            id: Uuid::now_v7(),
            action,
            by: by.to_owned(),
            began_at: SystemTime::now(),
            state: watch::Sender::new(items.collect()),
        });
        let mut runs = self.0.lock();
        runs.push_front(Arc::clone(&run));
        // One that goes on is not forgotten: nobody would hear how it ended.
        while runs.len() > REMEMBERED {
            let oldest = runs.iter().rposition(|run| run.is_done());
            let Some(oldest) = oldest else { break };
            runs.remove(oldest);
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
    fn is_done(&self) -> bool {
        self.state.borrow().iter().all(Item::is_done)
    }

    fn set(&self, index: usize, state: Progress) {
        self.state.send_modify(|items| items[index].state = state);
    }

    /// Goes through the tenants one after the other, each on the blocking pool when there is room.
    async fn work(self: Arc<Self>, app: App, fields: Fields) {
        let tenants: Vec<TenantId> = self.state.borrow().iter().map(|item| item.tenant).collect();
        for (index, tenant) in tenants.into_iter().enumerate() {
            let permit = Arc::clone(&app.actions).acquire_owned().await;
            self.set(index, Progress::Running);
            let (tenancy, fields, action) = (app.tenancy.clone(), fields.clone(), self.action);
            let began = Instant::now();
            let done = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                perform(&tenancy, &tenant, action, &fields)
            });
            let outcome = match done.await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(failure)) => Outcome::failed(failure),
                Err(_) => Outcome::failed(Failure::Panicked),
            };
            let took = began.elapsed();
            self.set(index, Progress::Done { outcome, took });
        }
    }
}

/// Begins a run and shows it: its end if that comes soon.
async fn run(
    app: &App,
    operator: &Operator,
    action: Action,
    tenants: Vec<TenantId>,
    fields: Fields,
) -> Response {
    let run = app.runs.begin(action, &operator.username, tenants);
    let mut seen = run.state.subscribe();
    tokio::spawn(Arc::clone(&run).work(app.clone(), fields));
    let ended = seen.wait_for(|items| items.iter().all(Item::is_done));
    let _ = tokio::time::timeout(PATIENCE, ended).await;
    Redirect::to(&operator.mount.to(&format!("/runs/{}", run.id))).into_response()
}

/// `POST /tenants/{id}/{action}`.
pub(crate) async fn start(
    State(app): State<App>,
    operator: Operator,
    Path((tenant, action)): Path<(String, String)>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response, Failure> {
    let fields = Fields::new(&pairs);
    operator.form.check(fields.get("token"))?;
    let tenant: TenantId = tenant.parse().map_err(|_| Failure::NotFound)?;
    let action = Action::parse(&action).filter(|action| *action != Action::Create);
    let action = action.ok_or(Failure::NotFound)?;
    Ok(run(&app, &operator, action, vec![tenant], fields).await)
}

/// `POST /tenants`: a new one.
pub(crate) async fn create(
    State(app): State<App>,
    operator: Operator,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response, Failure> {
    let fields = Fields::new(&pairs);
    operator.form.check(fields.get("token"))?;
    let tenant: TenantId = fields.get("id").parse()?;
    Ok(run(&app, &operator, Action::Create, vec![tenant], fields).await)
}

/// `POST /selected/{action}`: the tenants that are ticked.
pub(crate) async fn start_selected(
    State(app): State<App>,
    operator: Operator,
    Path(action): Path<String>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response, Failure> {
    let fields = Fields::new(&pairs);
    operator.form.check(fields.get("token"))?;
    let action = Action::parse(&action).filter(|action| action.is_for_many());
    let action = action.ok_or(Failure::NotFound)?;
    let selected = pairs.iter().filter(|(name, _)| name == "tenant");
    let tenants = selected.map(|(_, id)| id.parse::<TenantId>());
    let tenants: Vec<TenantId> = tenants
        .collect::<Result<_, _>>()
        .map_err(|_| Failure::BadForm("A tenant that was selected has an id that cannot be."))?;
    match tenants.len() {
        0 => return Err(Failure::BadForm("Select the tenants first.")),
        1..=MOST_SELECTED => {}
        _ => return Err(Failure::BadForm("At most 100 tenants can be selected.")),
    }
    Ok(run(&app, &operator, action, tenants, fields).await)
}

#[derive(Template)]
#[template(path = "runs.html")]
struct ListPage<'a> {
    me: &'a Operator,
    runs: Vec<Listed>,
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
pub(crate) async fn list(State(app): State<App>, operator: Operator) -> Response {
    let runs = app.runs.0.lock().clone();
    let runs = runs.iter().map(|run| {
        let items = run.state.borrow();
        let (icon, word) = match () {
            () if !items.iter().all(Item::is_done) => (view::BUSY, "under way"),
            () if items.iter().any(Item::is_bad) => (view::BAD, "needs a look"),
            () => (view::GOOD, "done"),
        };
        Listed {
            id: run.id,
            label: run.action.label(),
            on: match items.as_slice() {
                [one] => one.tenant.to_string(),
                many => format!("{} tenants", many.len()),
            },
            by: run.by.clone(),
            began_at: view::moment(run.began_at),
            icon,
            word,
        }
    });
    show(&ListPage {
        me: &operator,
        runs: runs.collect(),
    })
}

#[derive(Template)]
#[template(path = "run.html")]
struct Page<'a> {
    me: &'a Operator,
    run: &'a Run,
    began_at: view::Moment,
    progress: Fragment<'a>,
}

/// What changes while a run goes on; sent again with each change.
#[derive(Template)]
#[template(path = "progress.html")]
struct Fragment<'a> {
    me: &'a Operator,
    items: Vec<Item>,
}

impl Fragment<'_> {
    fn done(&self) -> usize {
        self.items.iter().filter(|item| item.is_done()).count()
    }

    fn bad(&self) -> usize {
        self.items.iter().filter(|item| item.is_bad()).count()
    }

    fn is_over(&self) -> bool {
        self.done() == self.items.len()
    }
}

/// `GET /runs/{run}`.
pub(crate) async fn page(
    State(app): State<App>,
    operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let run = app.runs.find(&id)?;
    let items = run.state.borrow().clone();
    Ok(show(&Page {
        me: &operator,
        run: &run,
        began_at: view::moment(run.began_at),
        progress: Fragment {
            me: &operator,
            items,
        },
    }))
}

/// `GET /runs/{run}/events`: the run as it goes on, ending with it.
pub(crate) async fn events(
    State(app): State<App>,
    operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let run = app.runs.find(&id)?;
    let mut seen = run.state.subscribe();
    seen.mark_changed();
    // The run is held, so that its sender lives until its last state was sent.
    let events = stream::unfold(Some((seen, run, operator)), |state| async {
        let (mut seen, run, operator) = state?;
        seen.changed().await.ok()?;
        let items = seen.borrow_and_update().clone();
        let fragment = Fragment {
            me: &operator,
            items,
        };
        let over = fragment.is_over();
        let name = if over { "end" } else { "progress" };
        let html = fragment.render().ok()?.replace('\r', "");
        let event = Event::default().event(name).data(html);
        let next = (!over).then_some((seen, run, operator));
        Some((Ok::<_, Infallible>(event), next))
    });
    Ok(Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response())
}
