//! The layer that finds out which tenant a request asks for.
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use diesel_tenants::Tenancy;
use tower_layer::Layer;
use tower_service::Service;

use crate::admission::{Admission, Gate};
use crate::resolve::{Resolve, ResolveError, Wanted};

/// Puts into each request which tenant it asks for, for [`TenantDb`](crate::TenantDb) and [`SharedDb`](crate::SharedDb).
///
/// It only reads the head of the request. Nothing is looked up, and a request without a tenant goes on: a route that
/// takes no [`TenantDb`](crate::TenantDb) needs none. Cheap to clone; one per service.
#[derive(Clone)]
pub struct TenantLayer {
    shared: Arc<Shared>,
}

/// What every request of a service has in common.
pub(crate) struct Shared {
    pub(crate) tenancy: Tenancy,
    pub(crate) gate: Gate,
    pub(crate) resolver: Box<dyn Resolve>,
}

/// What the layer puts into a request.
#[derive(Clone)]
pub(crate) struct Resolved {
    pub(crate) shared: Arc<Shared>,
    pub(crate) wanted: Result<Option<Wanted>, ResolveError>,
}

impl TenantLayer {
    /// Tenants of `tenancy`, found by `resolver`, under the default [`Admission`].
    pub fn new(tenancy: Tenancy, resolver: impl Resolve) -> Self {
        Self::with_admission(tenancy, resolver, Admission::default())
    }

    /// The same with other bounds on what runs at once.
    pub fn with_admission(tenancy: Tenancy, resolver: impl Resolve, admission: Admission) -> Self {
        let shared = Shared {
            tenancy,
            gate: Gate::new(admission),
            resolver: Box::new(resolver),
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl<S> Layer<S> for TenantLayer {
    type Service = TenantService<S>;

    fn layer(&self, inner: S) -> TenantService<S> {
        let shared = Arc::clone(&self.shared);
        TenantService { inner, shared }
    }
}

/// Made by [`TenantLayer`].
#[derive(Clone)]
pub struct TenantService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Service<Request> for TenantService<S>
where
    S: Service<Request, Error = Infallible>,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> S::Future {
        let (mut parts, body) = request.into_parts();
        let wanted = self.shared.resolver.resolve(&parts);
        let shared = Arc::clone(&self.shared);
        parts.extensions.insert(Resolved { shared, wanted });
        self.inner.call(Request::from_parts(parts, body))
    }
}
