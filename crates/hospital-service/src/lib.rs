//! A service of several hospitals, each with a database of its own: what an application on
//! [diesel-tenants](diesel_tenants) looks like as a whole.
//!
//! - `http://dmc001.localhost:8080/patients/` and the other modules: a page for people, JSON for programs, for members of
//!   that hospital whose role may use the module, while its subscription is good.
//! - `POST /patients/` there, from a form or as JSON, admits a patient, with an account or without.
//! - `http://localhost:8080/register`: a new hospital, with its database, its owner's account and a trial.
//! - `http://localhost:8080/console`: the console, for whoever runs the service.
//!
//! `cargo run -p hospital-service` starts it with three invented hospitals and says how to log in.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod admit;
pub mod demo;
mod door;
mod front;
pub mod housekeeping;
mod modules;
mod public_url;
pub mod register;
pub mod serving;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Redirect;
use axum::routing::{get, post};
use diesel_tenants::models::{ROUTES, SHARED_MIGRATIONS, TENANT_MIGRATIONS};
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::Accounts;
use diesel_tenants::services::admission::Admission;
use diesel_tenants::services::onboarding;
use diesel_tenants_axum::resolve::BySubdomain;
use diesel_tenants_axum::{TenantLayer, Throttle, TrustedProxies};
use diesel_tenants_console::{Console, Work};

use tokio::sync::Semaphore;

use self::door::Cookies;

pub use self::public_url::{PublicUrl, PublicUrlError};

/// Opens the data of the service, and makes it where there is none.
///
/// # Errors
/// See [`SetupError`](diesel_tenants::SetupError).
pub fn open(data: &std::path::Path) -> Result<Tenancy, diesel_tenants::Error> {
    let builder = Tenancy::<SqliteConnection>::builder(&ROUTES)
        .sqlite(data)
        .init()
        .shared_migrations(SHARED_MIGRATIONS)
        .tenant_migrations(TENANT_MIGRATIONS)
        .membership(Accounts::default())
        .workflow(Admission::default());
    onboarding::workflows(builder).open()
}

/// What the routes share.
#[derive(Clone)]
pub(crate) struct State {
    tenancy: Tenancy,
    /// Attempts of each address to log in at any hospital, and to register one.
    log_ins: Arc<Throttle>,
    registrations: Arc<Throttle>,
    hashing: Arc<Semaphore>,
    registering: Arc<Semaphore>,
    cookies: Cookies,
    /// What links begin with.
    url: Arc<PublicUrl>,
}

impl FromRef<State> for Tenancy {
    fn from_ref(state: &State) -> Self {
        state.tenancy.clone()
    }
}

impl FromRef<State> for Cookies {
    fn from_ref(state: &State) -> Self {
        state.cookies
    }
}

/// How many hospitals are registered at once, each with a hash to compute and a database to make. Whoever comes
/// meanwhile is asked to come again.
const REGISTERING: usize = 2;

/// How many passwords are hashed at once for those who log in at hospitals: each takes a good part of a core, and memory.
const HASHING: usize = 4;

/// The whole service for plain HTTP on this machine, at `http://localhost:8080`. On a network take [`service_at`].
pub fn service(tenancy: Tenancy) -> Router {
    service_at(
        tenancy,
        PublicUrl::localhost(8080),
        TrustedProxies::default(),
    )
    .0
}

/// The whole service as browsers call it, and what lets its work end with the process. At an `https://` browsers send its cookies
/// over TLS alone, and all requests come from `proxies`, which have to say for whom: who logs in too often is told apart by
/// address. It answers at the host of `url` and those below.
pub fn service_at(tenancy: Tenancy, url: PublicUrl, proxies: TrustedProxies) -> (Router, Work) {
    let hosts = url.base();
    let console = Console::new(tenancy.clone())
        .hosts([url.host()])
        .expect("a domain is a host");
    let (console, cookies) = match url.is_https() {
        true => (console, Cookies::Secure),
        false => (console.allow_http(), Cookies::Plain),
    };
    let (console, work) = console.router_and_work();
    let service = Router::new()
        .route("/", get(front::page))
        .route("/register", get(front::form).post(front::register))
        .route("/service.css", get(front::css))
        .route("/login", get(door::page).post(door::log_in))
        .route("/logout", post(door::log_out))
        .route("/console/", get(|| async { Redirect::to("/console") }))
        .merge(modules::routes(cookies))
        .layer(from_fn(door::same_origin))
        .layer(TenantLayer::new(
            tenancy.clone(),
            BySubdomain::of(hosts.clone()),
        ))
        .layer(from_fn_with_state(hosts, door::at_our_host))
        .layer(from_fn(front::kept_by_nobody))
        .with_state(State {
            tenancy,
            log_ins: Arc::default(),
            registrations: Arc::default(),
            hashing: Arc::new(Semaphore::new(HASHING)),
            registering: Arc::new(Semaphore::new(REGISTERING)),
            cookies,
            url: Arc::new(url),
        })
        .nest("/console", console)
        .layer(proxies);
    (service, work)
}
