//! Guards in front of routes: an active subscription, a module that is switched on.
//!
//! ```
//! use axum::{Router, routing::get};
//! use diesel_tenants::services::permissions::Module;
//! use diesel_tenants_axum::guard::{RequireModule, RequireSubscription};
//!
//! let pharmacy: Router = Router::new()
//!     .route("/medicines", get(|| async { "…" }))
//!     .route_layer(RequireModule(Module::Pharmacy))
//!     .route_layer(RequireSubscription);
//! // … and `TenantLayer` around it all.
//! # drop(pharmacy);
//! ```
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::{FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use diesel_tenants::SharedContext;
use diesel_tenants::services::hospitals;
use diesel_tenants::services::permissions::Module;
use diesel_tenants::services::subscriptions::{self, SubscriptionError};
use tower_layer::Layer;
use tower_service::Service;
use uuid::Uuid;

use crate::{RunError, SharedDb, TenantDb, TenantRejection};

/// Lets requests pass whose hospital has a subscription that is good today (UTC); others get `402`.
///
/// Asks the shared database at each request, so a change counts at once.
#[derive(Debug, Clone, Copy)]
pub struct RequireSubscription;

/// Lets requests pass whose hospital has this module switched on; others get `403`.
///
/// Asks the shared database at each request, so a change counts at once.
#[derive(Debug, Clone, Copy)]
pub struct RequireModule(pub Module);

impl<S> Layer<S> for RequireSubscription {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded {
            inner,
            module: None,
        }
    }
}

impl<S> Layer<S> for RequireModule {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded {
            inner,
            module: Some(self.0),
        }
    }
}

/// Made by [`RequireSubscription`] and [`RequireModule`].
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    inner: S,
    /// The module that is asked for; the subscription if there is none.
    module: Option<Module>,
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The one that is ready is the one that must be called.
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let module = self.module;
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let tenant = TenantDb::from_request_parts(&mut parts, &()).await;
            let shared = SharedDb::from_request_parts(&mut parts, &()).await;
            let (tenant, shared) = match (tenant, shared) {
                (Ok(tenant), Ok(shared)) => (tenant, shared),
                (Err(rejection), _) | (_, Err(rejection)) => return Ok(rejection.into_response()),
            };
            let uuid = tenant.uuid();
            let outcome = shared
                .run(move |shared| allowed(shared, uuid, module))
                .await;
            match outcome {
                Ok(()) => inner.call(Request::from_parts(parts, body)).await,
                Err(RunError::Rejected(rejection)) => Ok(rejection.into_response()),
                Err(RunError::Failed(error)) => Ok(refusal(error).into_response()),
            }
        })
    }
}

fn allowed(
    shared: &mut SharedContext,
    tenant: Uuid,
    module: Option<Module>,
) -> Result<(), SubscriptionError> {
    let hospital = hospitals::of_tenant(shared, tenant)?.ok_or(SubscriptionError::None)?;
    match module {
        Some(module) => subscriptions::require_module(shared, hospital, module),
        None => {
            let today = diesel_tenants::services::now().date();
            subscriptions::require_active(shared, hospital, today).map(drop)
        }
    }
}

fn refusal(error: SubscriptionError) -> TenantRejection {
    match error {
        SubscriptionError::Query(error) => TenantRejection::Guard(error),
        SubscriptionError::ModuleDisabled { module } => TenantRejection::ModuleDisabled {
            module: module.as_str(),
        },
        _ => TenantRejection::SubscriptionRequired,
    }
}
