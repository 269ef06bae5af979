//! What a client is told.
use std::fmt;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use diesel_tenants::error::{QuotaExceeded, StaleGeneration, TenantFenced};
use diesel_tenants::{AccessError, HostError, OpenError};

use crate::incident::Incident;
use crate::resolve::ResolveError;

/// Why a request gets no database. Its response is JSON: `{"error": {"code": …, "message": …}}`.
///
/// The message of an internal failure is not sent: it is written to the log, and the response has its `id`. See
/// [`Incident`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TenantRejection {
    /// `400`: the request itself is wrong.
    #[error(transparent)]
    BadRequest(ResolveError),
    /// `404`: the request names no tenant.
    #[error("the request names no tenant")]
    NoTenant,
    /// `404`: unknown, suspended, archived and deleted tenants, and names that none can have, are one and the same.
    #[error("this tenant is not available")]
    Unavailable,
    /// `401`: nobody is known to ask. See [`RequirePrincipal`](crate::RequirePrincipal).
    #[error("log in first")]
    Unauthenticated,
    /// `402`: the subscription does not let the tenant in.
    #[error("the subscription does not allow this")]
    SubscriptionRequired,
    /// `403`: the module is not part of the subscription.
    #[error("the module `{module}` is not part of the subscription")]
    ModuleDisabled {
        /// The module.
        module: &'static str,
    },
    /// `503` with `Retry-After`: too much at once, or the tenant is being worked on.
    #[error("the service is busy; try again")]
    Overloaded,
    /// `500`: the route is not below a [`TenantLayer`](crate::TenantLayer). A bug in the service.
    #[error("no `TenantLayer` is around this route")]
    NoLayer,
    /// `500`: something else; what is in the source.
    #[error("the database of the tenant cannot be opened")]
    Open(#[source] OpenError),
    /// `500`: it could not be found out, or not be entered into the audit log, that who asks may open the tenant.
    #[error("it cannot be decided who may open the tenant")]
    Access(#[source] AccessError),
    /// `500`: it could not be looked up whose domain was asked. See [`ByDomain`](crate::resolve::ByDomain).
    #[error("it cannot be looked up whose domain this is")]
    Domain(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// `500`: the work on the database panicked. Nothing of it is kept.
    #[error("the work on the database panicked")]
    Panicked,
    /// `500`: the shared database could not be asked whether this is allowed.
    #[error("the subscription cannot be looked up")]
    Guard(#[source] diesel::result::Error),
}

impl TenantRejection {
    /// The status of its response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NoTenant | Self::Unavailable => StatusCode::NOT_FOUND,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::SubscriptionRequired => StatusCode::PAYMENT_REQUIRED,
            Self::ModuleDisabled { .. } => StatusCode::FORBIDDEN,
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoLayer
            | Self::Open(_)
            | Self::Access(_)
            | Self::Domain(_)
            | Self::Panicked
            | Self::Guard(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The word for it in its response.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::NoTenant => "no_tenant",
            Self::Unavailable => "tenant_unavailable",
            Self::Unauthenticated => "unauthenticated",
            Self::SubscriptionRequired => "subscription_required",
            Self::ModuleDisabled { .. } => "module_disabled",
            Self::Overloaded => "busy",
            Self::NoLayer
            | Self::Open(_)
            | Self::Access(_)
            | Self::Domain(_)
            | Self::Panicked
            | Self::Guard(_) => "internal",
        }
    }
}

impl From<ResolveError> for TenantRejection {
    fn from(error: ResolveError) -> Self {
        match error {
            // A well-formed name that no tenant can have is one that no tenant has.
            ResolveError::TenantId(_) | ResolveError::Host(HostError::InvalidSubdomain { .. }) => {
                Self::Unavailable
            }
            wrong => Self::BadRequest(wrong),
        }
    }
}

impl From<OpenError> for TenantRejection {
    fn from(error: OpenError) -> Self {
        if error.is_retryable() {
            Self::Overloaded
        } else if error.for_untrusted().is_some() {
            Self::Unavailable
        } else {
            Self::Open(error)
        }
    }
}

impl From<AccessError> for TenantRejection {
    fn from(error: AccessError) -> Self {
        if error.is_retryable() {
            Self::Overloaded
        } else if error.for_untrusted().is_some() {
            Self::Unavailable
        } else {
            Self::Access(error)
        }
    }
}

impl IntoResponse for TenantRejection {
    fn into_response(self) -> Response {
        match self.status() {
            StatusCode::INTERNAL_SERVER_ERROR => Incident::of(&self).into_response(),
            status => respond(status, self.code(), &self.to_string()),
        }
    }
}

fn respond(status: StatusCode, code: &str, message: &str) -> Response {
    respond_with(status, code, message, None)
}

pub(crate) fn respond_with(
    status: StatusCode,
    code: &str,
    message: &str,
    incident: Option<Incident>,
) -> Response {
    let mut body = serde_json::json!({ "error": { "code": code, "message": message } });
    if let Some(incident) = incident {
        body["error"]["id"] = incident.to_string().into();
    }
    let mut response = (status, Json(body)).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, 1.into());
    }
    response
}

/// Why the work of a request on a database did not succeed: it was not begun, or failed by itself.
#[derive(Debug)]
pub enum RunError<E = diesel::result::Error> {
    /// It was not begun, or panicked.
    Rejected(TenantRejection),
    /// What the work returned.
    Failed(E),
}

impl<E> From<TenantRejection> for RunError<E> {
    fn from(rejection: TenantRejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl<E: fmt::Display> fmt::Display for RunError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for RunError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Rejected(rejection) => rejection.source(),
            Self::Failed(error) => error.source(),
        }
    }
}

/// For work that fails with Diesel's errors only: `404` for a row that is not there, `409` for one that is there already,
/// `503` where the tenant is being worked on, `507` where it has all the storage it may have, `500` for the rest. No text of
/// the database is sent.
impl IntoResponse for RunError<diesel::result::Error> {
    fn into_response(self) -> Response {
        use diesel::result::DatabaseErrorKind::{ForeignKeyViolation, UniqueViolation};
        use diesel::result::Error::{DatabaseError, NotFound};
        let error = match self {
            Self::Rejected(rejection) => return rejection.into_response(),
            Self::Failed(error) => error,
        };
        if TenantFenced::of(&error).is_some() || StaleGeneration::of(&error).is_some() {
            return TenantRejection::Overloaded.into_response();
        }
        if QuotaExceeded::of(&error).is_some() {
            let message = "the records take all the storage there may be";
            return respond(StatusCode::INSUFFICIENT_STORAGE, "quota_exceeded", message);
        }
        match error {
            NotFound => respond(
                StatusCode::NOT_FOUND,
                "not_found",
                "there is no such record",
            ),
            DatabaseError(UniqueViolation | ForeignKeyViolation, _) => {
                let message = "this contradicts what is recorded already";
                respond(StatusCode::CONFLICT, "conflict", message)
            }
            error => Incident::of(&error).into_response(),
        }
    }
}
