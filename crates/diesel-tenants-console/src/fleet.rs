//! Migrating many tenants: runs of the catalogue, which outlive the process that began them.
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use askama::Template;
use axum::extract::{Path, State};
use axum::response::sse::KeepAlive;
use axum::response::{IntoResponse, Redirect, Response, Sse};
use diesel_tenants::fleet::{FleetError, FleetProgress, FleetReport, RunOutcome, TenantState};
use diesel_tenants::{MigrateFleet, Tenancy, TenantId};
use futures_util::stream;
use tokio::sync::watch;
use uuid::Uuid;

use crate::action::PATIENCE;
use crate::console::{App, Shared};
use crate::failure::{Failure, in_full, show};
use crate::given::Fields;
use crate::runs::event;
use crate::session::Operator;
use crate::view;

/// Tenants on a run's page. Those that failed come first.
const SHOWN: usize = 100;
/// How often the catalogue is asked how far a run is: other processes may be at work on it.
const EACH: Duration = Duration::from_millis(500);

fn refused(error: FleetError) -> Failure {
    match error {
        FleetError::UnknownRun { .. } => Failure::NotFound,
        FleetError::RunActive { .. }
        | FleetError::OtherTarget { .. }
        | FleetError::UnknownTenant { .. } => Failure::NotNow(in_full(&error)),
        error => error.into(),
    }
}

/// Begins a run for these tenants, or all.
pub(crate) async fn begin(
    app: &App,
    operator: &Operator,
    only: Option<Vec<TenantId>>,
) -> Result<Response, Failure> {
    let mut options = MigrateFleet::default();
    if let Some(only) = only {
        options = options.only(only);
    }
    work(app, operator, move |tenancy, tell| {
        tenancy.migrate_fleet(&options, tell)
    })
    .await
}

/// Works on a run, and shows it as soon as it is known which it is.
async fn work(
    app: &App,
    operator: &Operator,
    work: impl FnOnce(&Tenancy, &mut dyn FnMut(&FleetProgress)) -> Result<FleetReport, FleetError>
    + Send
    + 'static,
) -> Result<Response, Failure> {
    // More of them would only wait for each other.
    let permit = Arc::clone(&app.fleet).try_acquire_owned();
    let permit = permit.map_err(|_| {
        Failure::NotNow("This process is at work on a migration already; see the runs.".to_owned())
    })?;
    // Asked after the permit is taken, by which `Work::stop` sees that there is something to be stopped.
    if app.ending.load(Ordering::SeqCst) {
        return Err(Failure::NotNow("The service is ending.".to_owned()));
    }
    let tenancy = operator.acting(app);
    let (known, mut told) = watch::channel(None);
    let here = app.clone();
    let mut ended = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let mut stopped = false;
        work(&tenancy, &mut |progress| {
            known.send_if_modified(|run| run.replace(progress.run).is_none());
            // One that was begun while others were being stopped.
            if here.ending.load(Ordering::SeqCst) && !stopped {
                stopped = tenancy.stop_fleet_run(progress.run).is_ok();
            }
        })
    });
    let to = |path: &str| Redirect::to(&operator.mount.to(path)).into_response();
    let first = async {
        let known = told.wait_for(Option::is_some).await.map(|run| *run);
        match known {
            Ok(run) => run,
            // It has ended, and the branch below says how.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = &mut ended => {
            let report = ended.map_err(|_| Failure::panicked())?.map_err(refused)?;
            Ok(match report.run {
                Some(run) => to(&format!("/fleet/{run}")),
                None => to("/runs?nothing"),
            })
        }
        Some(run) = first => Ok(to(&format!("/fleet/{run}"))),
        // It stands in the list.
        () = tokio::time::sleep(PATIENCE) => Ok(to("/runs")),
    }
}

/// What became of a run, in a shape and a word.
pub(crate) fn state(outcome: RunOutcome) -> view::State {
    let (icon, word) = match outcome {
        RunOutcome::Running => (view::BUSY, "Under way"),
        RunOutcome::Interrupted => (view::WARN, "Interrupted"),
        RunOutcome::Done => (view::GOOD, "Done"),
        RunOutcome::Failed => (view::BAD, "Some failed"),
        RunOutcome::Stopped => (view::IDLE, "Stopped"),
        RunOutcome::Superseded => (view::UNKNOWN, "Superseded"),
        _ => (view::UNKNOWN, "Unknown"),
    };
    view::State { icon, word }
}

#[derive(Template)]
#[template(path = "fleet.html")]
struct Page<'a> {
    me: &'a Operator,
    run: Uuid,
    report: &'a FleetReport,
    progress: Fragment<'a>,
}

impl Page<'_> {
    fn when(&self, time: &SystemTime) -> view::Moment {
        view::moment(*time)
    }
}

/// What changes while a run goes on.
#[derive(Template)]
#[template(path = "fleet_progress.html")]
struct Fragment<'a> {
    me: &'a Operator,
    run: Uuid,
    report: &'a FleetReport,
    state: view::State,
}

struct Line {
    tenant: TenantId,
    icon: &'static str,
    word: &'static str,
    text: String,
}

impl Fragment<'_> {
    fn over(&self) -> u64 {
        let totals = self.report.totals;
        totals.done + totals.failed + totals.skipped
    }

    fn total(&self) -> u64 {
        self.over() + self.report.totals.left
    }

    fn is_running(&self) -> bool {
        self.report.outcome == RunOutcome::Running
    }

    fn is_interrupted(&self) -> bool {
        self.report.outcome == RunOutcome::Interrupted
    }

    fn lines(&self) -> Vec<Line> {
        let rank = |state| match state {
            TenantState::Failed => 0,
            TenantState::Running => 1,
            TenantState::Skipped => 2,
            TenantState::Done => 3,
            _ => 4,
        };
        let mut tenants: Vec<_> = self.report.tenants.iter().collect();
        tenants.sort_by_key(|tenant| rank(tenant.state));
        tenants.truncate(SHOWN);
        let line = |tenant: &diesel_tenants::fleet::TenantReport| Line {
            tenant: tenant.id,
            icon: match tenant.state {
                TenantState::Failed => view::BAD,
                TenantState::Running => view::BUSY,
                TenantState::Skipped => view::IDLE,
                TenantState::Done | TenantState::UpToDate => view::GOOD,
                _ => view::UNKNOWN,
            },
            word: match tenant.state {
                TenantState::Failed => "failed",
                TenantState::Running => "under way",
                TenantState::Skipped => "skipped",
                TenantState::Done => "migrated",
                TenantState::UpToDate => "up to date",
                _ => "waiting",
            },
            text: match (&tenant.error, &tenant.skipped_because) {
                (Some(error), _) => error.message.clone(),
                (None, Some(why)) => why.clone(),
                (None, None) if tenant.drifted => {
                    "its schema is not the one that the migrations make".to_owned()
                }
                (None, None) => tenant.applied.join(", "),
            },
        };
        tenants.into_iter().map(line).collect()
    }
}

fn look(app: &Shared, run: Uuid) -> Result<FleetReport, Failure> {
    app.tenancy.fleet_run(run).map_err(refused)
}

fn parsed(run: &str) -> Result<Uuid, Failure> {
    run.parse().map_err(|_| Failure::NotFound)
}

/// `GET /fleet/{run}`.
pub(crate) async fn page(
    State(app): State<App>,
    operator: Operator,
    Path(run): Path<String>,
) -> Result<Response, Failure> {
    let run = parsed(&run)?;
    let report = app.blocking(move |app| look(app, run)).await?;
    Ok(show(&Page {
        me: &operator,
        run,
        report: &report,
        progress: Fragment {
            me: &operator,
            run,
            report: &report,
            state: state(report.outcome),
        },
    }))
}

/// `GET /fleet/{run}/events`: the run as it goes on, in whichever process, ending with it.
pub(crate) async fn events(
    State(app): State<App>,
    operator: Operator,
    Path(run): Path<String>,
) -> Result<Response, Failure> {
    let run = parsed(&run)?;
    app.blocking(move |app| look(app, run).map(drop)).await?;
    let events = stream::unfold(Some((app, operator, None)), move |next| async move {
        let (app, operator, said) = next?;
        loop {
            if !operator.is_in_still(&app).await {
                return None;
            }
            let report = app.blocking(move |app| look(app, run)).await.ok()?;
            let over = report.outcome != RunOutcome::Running;
            if said == Some(report.totals) && !over {
                tokio::time::sleep(EACH).await;
                continue;
            }
            let fragment = Fragment {
                me: &operator,
                run,
                report: &report,
                state: state(report.outcome),
            };
            let html = fragment.render().ok()?;
            let next = (!over).then_some((app, operator, Some(report.totals)));
            return Some((Ok::<_, Infallible>(event(over, &html)), next));
        }
    });
    Ok(Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response())
}

/// `POST /fleet/{run}/stop`.
pub(crate) async fn stop(
    State(app): State<App>,
    operator: Operator,
    Path(run): Path<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    operator.form.check(fields.get("token"))?;
    let run = parsed(&run)?;
    let tenancy = operator.acting(&app);
    app.blocking(move |_| tenancy.stop_fleet_run(run).map_err(refused))
        .await?;
    Ok(Redirect::to(&operator.mount.to(&format!("/fleet/{run}"))).into_response())
}

/// `POST /fleet/{run}/resume`: goes on with one whose process died.
pub(crate) async fn resume(
    State(app): State<App>,
    operator: Operator,
    Path(run): Path<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    operator.form.check(fields.get("token"))?;
    let run = parsed(&run)?;
    app.blocking(move |app| look(app, run).map(drop)).await?;
    work(&app, &operator, move |tenancy, tell| {
        tenancy.resume_fleet_run(run, &MigrateFleet::default(), tell)
    })
    .await
}
