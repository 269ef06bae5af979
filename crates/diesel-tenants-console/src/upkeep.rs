//! What is not as it should be beside the tenants: what was left unfinished, what is due, what belongs to nobody.
use std::sync::Arc;
use std::time::SystemTime;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{Redirect, Response};
use diesel_tenants::access::BreakGlass;
use diesel_tenants::verify::Orphan;
use diesel_tenants::workflow::{RunState, WorkflowRun};
use diesel_tenants::{NewTenant, TenantRecord, Undead, Unfinished};
use uuid::Uuid;

use crate::action::{self, Action, Outcome};
use crate::console::{App, Shared};
use crate::failure::{Failure, show};
use crate::given::Fields;
use crate::runs::{self, Job};
use crate::session::Operator;
use crate::view;

/// All that is to be looked after.
struct Found {
    unfinished: Vec<Unfinished>,
    workflows: Vec<WorkflowRun>,
    due: Vec<Arc<TenantRecord>>,
    grants: Vec<BreakGlass>,
    undead: Vec<Undead>,
    orphans: Vec<Orphan>,
}

#[derive(Template)]
#[template(path = "upkeep.html")]
struct Page<'a> {
    me: &'a Operator,
    found: &'a Found,
}

impl Page<'_> {
    fn when(&self, time: &SystemTime) -> view::Moment {
        view::moment(*time)
    }

    fn bytes(&self, bytes: &u64) -> String {
        view::bytes(*bytes)
    }

    fn is_stuck(&self, run: &WorkflowRun) -> bool {
        run.state == RunState::Stuck
    }

    /// What a dead process left can be settled; what a living one does is its own.
    fn may_recover(&self) -> bool {
        self.found.unfinished.iter().any(|it| !it.alive)
    }

    fn is_quiet(&self) -> bool {
        let Found {
            unfinished,
            workflows,
            due,
            grants,
            undead,
            orphans,
        } = self.found;
        unfinished.is_empty()
            && workflows.is_empty()
            && due.is_empty()
            && grants.is_empty()
            && undead.is_empty()
            && orphans.is_empty()
    }
}

/// `GET /upkeep`. Opens no tenant's database.
pub(crate) async fn page(State(app): State<App>, operator: Operator) -> Result<Response, Failure> {
    let found = app.blocking(look).await?;
    Ok(show(&Page {
        me: &operator,
        found: &found,
    }))
}

fn look(app: &Shared) -> Result<Found, Failure> {
    let tenancy = &app.tenancy;
    Ok(Found {
        unfinished: tenancy.unfinished()?,
        workflows: tenancy.unfinished_workflows()?,
        due: tenancy.due()?,
        grants: tenancy.active_grants()?,
        undead: tenancy.undead()?,
        orphans: tenancy.orphans()?,
    })
}

/// `POST /upkeep/recover`: finishes or undoes what dead processes left.
pub(crate) async fn recover(
    State(app): State<App>,
    operator: Operator,
    fields: Fields,
) -> Result<Response, Failure> {
    operator.form.check(fields.get("token"))?;
    let job = Job::other(
        "Settle what was left",
        "what dead processes left",
        |tenancy| {
            Ok(match tenancy.recover()? {
                0 => Outcome::done("There was nothing to settle."),
                1 => Outcome::done("One operation was finished or undone."),
                many => Outcome::done(format!("{many} operations were finished or undone.")),
            })
        },
    );
    Ok(runs::run(&app, &operator, job).await)
}

fn parsed(id: &str) -> Result<Uuid, Failure> {
    id.parse().map_err(|_| Failure::NotFound)
}

/// `POST /upkeep/workflows/{run}/retry`.
pub(crate) async fn retry(
    State(app): State<App>,
    operator: Operator,
    Path(run): Path<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    operator.form.check(fields.get("token"))?;
    let run = parsed(&run)?;
    let found = app
        .blocking(move |app| {
            let runs = app.tenancy.unfinished_workflows()?;
            let found = runs.into_iter().find(|it| it.id == run);
            found.ok_or(Failure::NotFound)
        })
        .await?;
    let name = format!("{} of {}", found.name, found.tenant);
    let job = Job::other("Retry a workflow", name, move |tenancy| {
        let state = tenancy.retry_workflow(run)?;
        let (good, summary) = match state {
            RunState::Done | RunState::Finished => (true, "It was finished."),
            RunState::Undone | RunState::Reverted => {
                (true, "It was undone; nothing of it is left.")
            }
            RunState::Stuck => (
                false,
                "It is stuck still; the list says what is in its way.",
            ),
            _ => (false, "It is under way."),
        };
        Ok(Outcome {
            good,
            ..Outcome::done(summary)
        })
    });
    Ok(runs::run(&app, &operator, job).await)
}

/// `POST /upkeep/grants/{grant}/close`: ends a break-glass grant before its time.
pub(crate) async fn close(
    State(app): State<App>,
    operator: Operator,
    Path(grant): Path<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    operator.form.check(fields.get("token"))?;
    let grant = parsed(&grant)?;
    let job = Job::other("End a grant", "an emergency access", move |tenancy| {
        Ok(match tenancy.close_grant(grant)? {
            true => Outcome::done("It has ended."),
            false => Outcome::done("It had ended already."),
        })
    });
    Ok(runs::run(&app, &operator, job).await)
}

/// `POST /upkeep/undead/{tenant}`: removes what was put back of a tenant that was purged.
pub(crate) async fn bury(
    State(app): State<App>,
    operator: Operator,
    Path(tenant): Path<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    operator.form.check(fields.get("token"))?;
    let tenant = parsed(&tenant)?;
    let job = Job::other("Purge what was put back", tenant, move |tenancy| {
        let certificate = tenancy.purge_undead(&tenant, fields.get("typed"))?;
        let bytes = view::bytes(certificate.bytes);
        Ok(Outcome::done(format!(
            "Purged: {bytes} were removed for ever."
        )))
    });
    Ok(runs::run(&app, &operator, job).await)
}

#[derive(Template)]
#[template(path = "reclaim.html")]
struct ReclaimPage<'a> {
    me: &'a Operator,
    found: &'a [(String, Uuid)],
}

/// `GET /upkeep/reclaim`: nothing is looked for by a link that somebody else may have put anywhere.
pub(crate) async fn not_looked(operator: Operator) -> Redirect {
    Redirect::to(&operator.mount.to("/upkeep"))
}

/// `POST /upkeep/reclaim`: databases of tenants the catalogue does not know. Opens every tenant's database.
pub(crate) async fn reclaimable(
    State(app): State<App>,
    operator: Operator,
    fields: Fields,
) -> Result<Response, Failure> {
    operator.form.check(fields.get("token"))?;
    let found = app
        .long(|app| {
            let found = app.tenancy.reclaimable()?;
            let key = |key: diesel_tenants::backend::TenantKey| (key.id.to_string(), key.uuid);
            Ok(found.into_iter().map(key).collect::<Vec<_>>())
        })
        .await?;
    Ok(show(&ReclaimPage {
        me: &operator,
        found: &found,
    }))
}

/// `POST /upkeep/reclaim/{tenant}`: takes one of them back into the catalogue.
pub(crate) async fn reclaim(
    State(app): State<App>,
    operator: Operator,
    Path(tenant): Path<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    operator.form.check(fields.get("token"))?;
    let tenant = parsed(&tenant)?;
    action::check(Action::Create, &fields)?;
    let job = Job::other("Take a tenant back", tenant, move |tenancy| {
        let mut new = NewTenant::named(fields.get("name"));
        if !fields.get("subdomain").is_empty() {
            new = new.subdomain(fields.get("subdomain"));
        }
        let handle = tenancy.reclaim_orphan(tenant, new)?;
        let id = handle.id();
        Ok(Outcome::done(format!(
            "Tenant {id} is there again, and in use."
        )))
    });
    Ok(runs::run(&app, &operator, job).await)
}
