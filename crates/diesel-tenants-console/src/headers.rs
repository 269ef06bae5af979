//! What every answer carries, and where the console is mounted.
use std::sync::Arc;

use axum::extract::{FromRequestParts, OriginalUri, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use crate::failure::{Failure, complete};
use crate::hosts::name_of;

/// The path the console is mounted under, without a slash at its end.
#[derive(Debug, Clone)]
pub(crate) struct Mount(String);

impl Mount {
    /// What the service's router took off the path before this one saw it.
    fn of(parts: &Parts) -> Self {
        let inner = parts.uri.path();
        let original = parts.extensions.get::<OriginalUri>();
        let whole = original.map_or(inner, |original| original.0.path());
        let taken = whole.strip_suffix(inner).unwrap_or(whole);
        Self(taken.trim_end_matches('/').to_owned())
    }

    /// The address of one of the console's own paths.
    pub(crate) fn to(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl std::fmt::Display for Mount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<S: Sync> FromRequestParts<S> for Mount {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts))
    }
}

/// Nothing inline, nothing from elsewhere, no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    ),
];

/// Refuses what a browser says comes from another site, and puts the headers on every answer.
pub(crate) async fn guard(
    State(hosts): State<Arc<[String]>>,
    mount: Mount,
    request: Request,
    next: Next,
) -> Response {
    let response = if !is_for_us(&request, &hosts) {
        Failure::Misdirected.into_response()
    } else if is_from_elsewhere(&request) {
        Failure::Forged.into_response()
    } else {
        next.run(request).await
    };
    let mut response = complete(response, &mount);
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Whether the host is one of the console's, if they were said: by each `Host` header, and by what stands in the
/// request's address, so that it does not matter which of them somebody on the way believes.
fn is_for_us(request: &Request, hosts: &[String]) -> bool {
    if hosts.is_empty() {
        return true;
    }
    let original = request.extensions().get::<OriginalUri>();
    let uri = original.map_or(request.uri(), |original| &original.0);
    let addressed = uri.authority().map(|authority| authority.as_str());
    let headers = request.headers().get_all(header::HOST).iter();
    let said = headers.map(|host| host.to_str().unwrap_or_default());
    let mut named = said.chain(addressed).peekable();
    named.peek().is_some()
        && named.all(|host| name_of(host).is_some_and(|name| hosts.contains(&name)))
}

/// Tenants' own pages are the same *site* when they are subdomains, so that only the same *origin* will do.
fn is_from_elsewhere(request: &Request) -> bool {
    let said = request.headers().get("sec-fetch-site");
    let elsewhere = said.is_some_and(|site| site != "same-origin" && site != "none");
    elsewhere && request.method() != Method::GET && request.method() != Method::HEAD
}

/// The console's first page is the list.
pub(crate) async fn home(mount: Mount) -> Redirect {
    Redirect::to(&mount.to("/tenants"))
}

/// No such page; with nothing but a slash after the mount it is the first page.
pub(crate) async fn nothing_here(mount: Mount, request: Request) -> Response {
    match request.uri().path() {
        "" | "/" => home(mount).await.into_response(),
        _ => Failure::NotFound.into_response(),
    }
}
