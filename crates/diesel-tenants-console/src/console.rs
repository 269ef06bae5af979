//! The console as a router.
use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use diesel_tenants::Tenancy;
use diesel_tenants::services::accounts::Accounts;
use tokio::sync::Semaphore;

use crate::failure::Failure;
use crate::hosts::{self, HostsError};
use crate::runs::Runs;
use crate::subscription::{HospitalSubscriptions, Subscriptions};
use crate::{assets, audit, detail, fleet, headers, list, repair, runs, session, upkeep};

/// The console: set it up, then make a [`router`](Self::router) of it.
#[derive(Clone)]
#[must_use]
pub struct Console {
    tenancy: Tenancy,
    accounts: Accounts,
    subscriptions: Arc<dyn Subscriptions>,
    secure: bool,
    at_once: NonZeroUsize,
    /// None: every host.
    hosts: Vec<String>,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console")
            .field("accounts", &self.accounts)
            .field("secure", &self.secure)
            .field("at_once", &self.at_once)
            .finish_non_exhaustive()
    }
}

/// How many actions and pages work on databases at once.
const AT_ONCE: NonZeroUsize = NonZeroUsize::new(4).unwrap();

impl Console {
    /// A console for these tenants. Superusers log in by the default rules of [`Accounts`].
    pub fn new(tenancy: Tenancy) -> Self {
        Self {
            tenancy,
            accounts: Accounts::default(),
            subscriptions: Arc::new(HospitalSubscriptions),
            secure: true,
            at_once: AT_ONCE,
            hosts: Vec::new(),
        }
    }

    /// With other rules for passwords, locks and sessions.
    pub fn accounts(mut self, accounts: Accounts) -> Self {
        self.accounts = accounts;
        self
    }

    /// Where it finds out what a tenant has ordered. Default: [`HospitalSubscriptions`].
    pub fn subscriptions(mut self, subscriptions: impl Subscriptions) -> Self {
        self.subscriptions = Arc::new(subscriptions);
        self
    }

    /// The hosts it answers at, such as `admin.example.com`; at every other it is `421 Misdirected Request`. Compared without
    /// regard to case, a port and a final dot. Default: it answers at every host, the tenants' own among them.
    ///
    /// Say them: a page of a tenant's host is then no page of the console's origin, and a name that somebody points at this
    /// server does not make the console theirs.
    ///
    /// # Errors
    /// [`HostsError`]: the list is empty, or has something in it that is no host.
    pub fn hosts<H: Into<String>>(
        mut self,
        hosts: impl IntoIterator<Item = H>,
    ) -> Result<Self, HostsError> {
        self.hosts = hosts::names_of(hosts)?;
        Ok(self)
    }

    /// Lets the browser send its cookies over plain HTTP: for a service on one's own machine, never on a network.
    pub fn allow_http(mut self) -> Self {
        self.secure = false;
        self
    }

    /// How many actions may run at once, and as many pages may be made beside them: each holds a thread of the
    /// blocking pool. Default: 4.
    pub fn at_once(mut self, at_once: NonZeroUsize) -> Self {
        self.at_once = at_once;
        self
    }

    /// The router. `nest` it under a path of its own, or merge it into a router that has nothing else.
    pub fn router(self) -> Router {
        let hosts: Arc<[String]> = self.hosts.into();
        let state = App(Arc::new(Shared {
            tenancy: self.tenancy,
            accounts: self.accounts,
            subscriptions: self.subscriptions,
            secure: self.secure,
            pages: Arc::new(Semaphore::new(self.at_once.get())),
            actions: Arc::new(Semaphore::new(self.at_once.get())),
            fleet: Arc::new(Semaphore::new(1)),
            runs: Runs::default(),
        }));
        let inside = Router::new()
            .route("/tenants", get(list::page).post(runs::create))
            .route("/tenants/{id}", get(detail::page))
            .route("/tenants/{id}/plan", get(repair::page))
            .route("/tenants/{id}/{action}", post(runs::start))
            .route("/selected/{action}", post(runs::start_selected))
            .route("/matching/{action}", post(runs::start_matching))
            .route("/runs", get(runs::list))
            .route("/runs/{run}", get(runs::page))
            .route("/runs/{run}/events", get(runs::events))
            .route("/runs/{run}/stop", post(runs::stop))
            .route("/fleet/{run}", get(fleet::page))
            .route("/fleet/{run}/events", get(fleet::events))
            .route("/fleet/{run}/stop", post(fleet::stop))
            .route("/fleet/{run}/resume", post(fleet::resume))
            .route("/audit", get(audit::page))
            .route("/audit/verification", get(audit::verification))
            .route("/upkeep", get(upkeep::page))
            .route("/upkeep/recover", post(upkeep::recover))
            .route("/upkeep/workflows/{run}/retry", post(upkeep::retry))
            .route("/upkeep/grants/{grant}/close", post(upkeep::close))
            .route("/upkeep/undead/{tenant}", post(upkeep::bury))
            .route("/upkeep/reclaim", get(upkeep::reclaimable))
            .route("/upkeep/reclaim/{tenant}", post(upkeep::reclaim))
            .route("/logout", post(session::log_out))
            .route_layer(from_fn_with_state(state.clone(), session::must_have_chosen));
        Router::new()
            .route("/", get(headers::home))
            .route("/login", get(session::login_page).post(session::log_in))
            .route(
                "/password",
                get(session::password_page).post(session::choose_password),
            )
            .route("/console.css", get(assets::css))
            .route("/console.js", get(assets::js))
            .merge(inside)
            .fallback(headers::nothing_here)
            .layer(from_fn_with_state(hosts, headers::guard))
            .with_state(state)
    }
}

/// What every request has.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) tenancy: Tenancy,
    pub(crate) accounts: Accounts,
    pub(crate) secure: bool,
    pub(crate) subscriptions: Arc<dyn Subscriptions>,
    pub(crate) actions: Arc<Semaphore>,
    /// One migration of the fleet at a time in this process.
    pub(crate) fleet: Arc<Semaphore>,
    pub(crate) runs: Runs,
    pages: Arc<Semaphore>,
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    /// Does what a page needs on the blocking pool, when there is room for it.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let permit = Arc::clone(&self.pages).acquire_owned().await;
        let app = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(&app)
        });
        // What a panic said is not passed on.
        done.await.unwrap_or(Err(Failure::Panicked))
    }
}
