//! A guard that lets nobody through who is nobody.
//!
//! ```
//! use axum::{Router, middleware::Next, routing::get, extract::Request, response::Response};
//! use diesel_tenants::access::Principal;
//! use diesel_tenants_axum::RequirePrincipal;
//!
//! /// Finds out who asks, by a session or a token, and puts it into the request.
//! async fn who(mut request: Request, next: Next) -> Response {
//!     # let actor = "user:41".parse().unwrap();
//!     request.extensions_mut().insert(Principal::user(actor));
//!     next.run(request).await
//! }
//!
//! let app: Router = Router::new()
//!     .route("/patients", get(|| async { "…" }))
//!     .route_layer(RequirePrincipal)
//!     // Around it, so that it comes first.
//!     .route_layer(axum::middleware::from_fn(who));
//! # drop(app);
//! ```
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use diesel_tenants::access::Principal;
use tower_layer::Layer;
use tower_service::Service;

use crate::TenantRejection;

/// Lets requests pass that say who asks, by a [`Principal`] among their extensions; others get `401`, and reach no
/// database of a tenant.
///
/// Put it inside of what finds out who asks. Should that be forgotten, or let somebody through without a name, nothing
/// is open: behind this, [`TenantDb`](crate::TenantDb) opens a tenant for its members only.
#[derive(Debug, Clone, Copy)]
pub struct RequirePrincipal;

impl<S> Layer<S> for RequirePrincipal {
    type Service = Required<S>;

    fn layer(&self, inner: S) -> Required<S> {
        Required { inner }
    }
}

/// Made by [`RequirePrincipal`].
#[derive(Debug, Clone)]
pub struct Required<S> {
    inner: S,
}

impl<S> Service<Request> for Required<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match request.extensions().get::<Principal>() {
            Some(_) => Box::pin(self.inner.call(request)),
            None => {
                let refused = TenantRejection::Unauthenticated.into_response();
                Box::pin(std::future::ready(Ok(refused)))
            }
        }
    }
}
