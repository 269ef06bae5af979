//! The console as a router.
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use diesel_tenants::Tenancy;
use diesel_tenants::services::accounts::Accounts;
use diesel_tenants_axum::Throttle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::failure::Failure;
use crate::hosts::{self, HostsError};
use crate::runs::Runs;
use crate::subscription::{HospitalSubscriptions, Subscriptions};
use crate::work::Work;
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

/// How many passwords are compared at once.
const HASHING: usize = 2;

/// How long a page waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

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
        self.router_and_work().0
    }

    /// The [`router`](Self::router), and what lets its work end with the process.
    pub fn router_and_work(self) -> (Router, Work) {
        let hosts = self.hosts.clone().into();
        let app = self.app();
        let work = Work(app.clone());
        (app.router(hosts), work)
    }

    fn app(self) -> App {
        App(Arc::new(Shared {
            tenancy: self.tenancy,
            accounts: self.accounts,
            subscriptions: self.subscriptions,
            secure: self.secure,
            pages: Arc::new(Semaphore::new(self.at_once.get())),
            actions: Arc::new(Semaphore::new(self.at_once.get())),
            hashing: Arc::new(Semaphore::new(HASHING)),
            long: Arc::new(Semaphore::new(1)),
            log_ins: Throttle::default(),
            fleet: Arc::new(Semaphore::new(1)),
            runs: Runs::default(),
            ending: AtomicBool::new(false),
        }))
    }
}

impl App {
    fn router(self, hosts: Arc<[String]>) -> Router {
        let state = self;
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
            .route(
                "/audit/verification",
                get(audit::unverified).post(audit::verification),
            )
            .route("/upkeep", get(upkeep::page))
            .route("/upkeep/recover", post(upkeep::recover))
            .route("/upkeep/workflows/{run}/retry", post(upkeep::retry))
            .route("/upkeep/grants/{grant}/close", post(upkeep::close))
            .route("/upkeep/undead/{tenant}", post(upkeep::bury))
            .route(
                "/upkeep/reclaim",
                get(upkeep::not_looked).post(upkeep::reclaimable),
            )
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
    /// Nothing more is to be begun.
    pub(crate) ending: AtomicBool,
    /// Attempts to log in, of each address.
    pub(crate) log_ins: Throttle,
    pages: Arc<Semaphore>,
    /// Passwords are compared here, so that those who are logged in do not wait for whoever tries.
    hashing: Arc<Semaphore>,
    /// What reads all there is.
    long: Arc<Semaphore>,
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    /// Does what a page needs on the blocking pool, when there is room for it.
    ///
    /// # Errors
    /// [`Failure::Busy`] where there is none for too long.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let permit = Arc::clone(&self.pages).acquire_owned();
        let permit = tokio::time::timeout(PATIENCE, permit).await;
        let permit = permit.map_err(|_| Failure::Busy)?;
        self.with(permit.expect("it is never closed"), work).await
    }

    /// Does what compares or makes a password. Nobody waits for it: each takes a good part of a core, and memory.
    ///
    /// # Errors
    /// [`Failure::Busy`] where others are at it.
    pub(crate) async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let permit = Arc::clone(&self.hashing).try_acquire_owned();
        self.with(permit.map_err(|_| Failure::Busy)?, work).await
    }

    /// Does what reads all there is, and may take long: one at a time, beside the pages.
    ///
    /// # Errors
    /// [`Failure::Busy`] where another is at it.
    pub(crate) async fn long<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let permit = Arc::clone(&self.long).try_acquire_owned();
        self.with(permit.map_err(|_| Failure::Busy)?, work).await
    }

    async fn with<T: Send + 'static>(
        &self,
        permit: OwnedSemaphorePermit,
        work: impl FnOnce(&Shared) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let app = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(&app)
        });
        done.await.unwrap_or_else(|_| Err(Failure::panicked()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::body::Body;
    use axum::extract::ConnectInfo;
    use axum::http::{Request, StatusCode};
    use diesel_tenants::models::{ROUTES, SHARED_MIGRATIONS, TENANT_MIGRATIONS};
    use diesel_tenants::prelude::*;
    use tower::ServiceExt;

    use super::*;

    fn app(dir: &tempfile::TempDir) -> App {
        let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES)
            .sqlite(dir.path().join("data"))
            .init()
            .shared_migrations(SHARED_MIGRATIONS)
            .tenant_migrations(TENANT_MIGRATIONS)
            .open();
        Console::new(tenancy.unwrap()).allow_http().app()
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_are_in_wait_for_no_log_in_and_no_page_waits_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let app = app(&dir);
        let router = app.clone().router(Arc::new([]));
        let log_in = async || {
            // Of any visit: its cookie is what the form is compared with.
            let visit = "a".repeat(64);
            let page =
                Request::get("/login").header("cookie", format!("tenants-console-visit={visit}"));
            let page = router
                .clone()
                .oneshot(page.body(Body::empty()).unwrap())
                .await
                .unwrap();
            let page = http_body_util::BodyExt::collect(page.into_body())
                .await
                .unwrap()
                .to_bytes();
            let page = String::from_utf8(page.to_vec()).unwrap();
            let (_, token) = page.split_once("name=\"token\" value=\"").unwrap();
            let token = &token[..64];
            let request = Request::post("/login")
                .header("cookie", format!("tenants-console-visit={visit}"))
                .header("content-type", "application/x-www-form-urlencoded")
                .extension(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 4711))))
                .body(Body::from(format!(
                    "token={token}&username=nobody&password=wrong"
                )));
            router.clone().oneshot(request.unwrap()).await.unwrap()
        };
        // All turns to hash are taken: nobody else waits for one, and pages are made.
        let hashing = Arc::clone(&app.hashing)
            .acquire_many_owned(HASHING as u32)
            .await;
        // And none of these was a guess.
        for _ in 0..31 {
            let refused = log_in().await;
            assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(refused.headers().contains_key("retry-after"));
        }
        app.blocking(|_| Ok(())).await.unwrap();
        drop(hashing);
        // All pages are taken, by something that does not end: who logs in needs none.
        let pages = Arc::clone(&app.pages)
            .acquire_many_owned(AT_ONCE.get() as u32)
            .await;
        assert_eq!(log_in().await.status(), StatusCode::FORBIDDEN);
        let waited = tokio::time::timeout(10 * PATIENCE, app.blocking(|_| Ok(()))).await;
        assert!(matches!(waited, Ok(Err(Failure::Busy))), "{waited:?}");
        // What reads everything takes no page, and there is one of it at a time.
        app.long(|_| Ok(())).await.unwrap();
        drop(pages);
        let long = Arc::clone(&app.long).acquire_owned().await;
        assert!(matches!(app.long(|_| Ok(())).await, Err(Failure::Busy)));
        app.blocking(|_| Ok(())).await.unwrap();
        drop(long);
    }
}
