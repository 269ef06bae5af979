//! Why there is no page, and the page that says so.
use std::fmt::Write;

use askama::Template;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{Html, IntoResponse, Redirect, Response};
use diesel_tenants::OpenError;
use diesel_tenants_axum::{Incident, TooMany};

use crate::headers::Mount;

/// Why a request got no page.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nobody is logged in.
    LoggedOut(Mount),
    /// A password must be chosen first.
    MustChoose(Mount),
    /// Somebody is logged in who may not be here.
    NotSuperuser,
    /// The form is not one of ours, or of another session.
    Forged,
    /// There is no such page, tenant or run.
    NotFound,
    /// The form has something in it that cannot be.
    BadForm(&'static str),
    /// The form cannot be read at all.
    Unreadable(StatusCode, &'static str),
    /// A value is none, in the library's words.
    BadValue(String),
    /// It cannot be done now, in the library's words.
    NotNow(String),
    /// The library says no; its text.
    Said(String),
    /// The library says no, to somebody who is not logged in: its text is not for them.
    Hidden(Incident),
    /// There is no room for it now.
    Busy,
    /// Too much was tried from there.
    TooMany(TooMany),
    /// The console is not at this host.
    Misdirected,
    /// The work panicked.
    Panicked(Incident),
}

/// An error and its causes, in one text.
pub(crate) fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // A transparent error says what its cause says.
        let said = error.to_string();
        if !text.ends_with(&said) {
            let _ = write!(text, ": {said}");
        }
        cause = error.source();
    }
    text
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Said(in_full(&error))
    }
}

impl Failure {
    /// A value that was typed is none.
    pub(crate) fn bad_value(error: impl std::error::Error) -> Self {
        Self::BadValue(in_full(&error))
    }

    /// Nothing of the library's text, for whoever may be anybody.
    pub(crate) fn hidden(self) -> Self {
        match self {
            Self::Said(text) | Self::BadValue(text) | Self::NotNow(text) => {
                Self::Hidden(Incident::said(&text))
            }
            other => other,
        }
    }

    /// What a panic said is not passed on.
    pub(crate) fn panicked() -> Self {
        Self::Panicked(Incident::said("the work for the console panicked"))
    }

    /// A tenant that is not known has no page; anything else is the library's to say.
    pub(crate) fn unless_unknown(error: OpenError) -> Self {
        match error {
            OpenError::UnknownTenant { .. } => Self::NotFound,
            error => error.into(),
        }
    }
}

/// What the page says. Goes with the answer to where the page is made: only there is it known under which path the
/// console is, and so where its style is.
#[derive(Clone)]
pub(crate) struct Notice {
    title: &'static str,
    text: String,
}

#[derive(Template)]
#[template(path = "failure.html")]
struct Page<'a> {
    mount: &'a Mount,
    title: &'a str,
    text: &'a str,
}

/// Makes the page of an answer that has something to say.
pub(crate) fn complete(response: Response, mount: &Mount) -> Response {
    let Some(notice) = response.extensions().get::<Notice>() else {
        return response;
    };
    let page = Page {
        mount,
        title: notice.title,
        text: &notice.text,
    };
    let mut complete = (response.status(), show(&page)).into_response();
    if let Some(again) = response.headers().get(RETRY_AFTER) {
        complete.headers_mut().insert(RETRY_AFTER, again.clone());
    }
    complete
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let found_by;
        let (status, title, text) = match &self {
            Self::LoggedOut(mount) => {
                return Redirect::to(&mount.to("/login")).into_response();
            }
            Self::MustChoose(mount) => {
                return Redirect::to(&mount.to("/password")).into_response();
            }
            Self::NotSuperuser => (
                StatusCode::FORBIDDEN,
                "Not allowed",
                "This account does not run the service. Log in as a superuser.",
            ),
            Self::Forged => (
                StatusCode::FORBIDDEN,
                "Nothing was done",
                "The form was not made for this session: it is from before you logged in, or from elsewhere. \
                 Go back, load the page anew and try again.",
            ),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "Not found",
                "There is no such page, tenant or action.",
            ),
            Self::BadForm(text) => (StatusCode::BAD_REQUEST, "Nothing was done", *text),
            Self::Unreadable(status, text) => (*status, "Nothing was done", *text),
            Self::BadValue(text) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "Nothing was done",
                text.as_str(),
            ),
            Self::NotNow(text) => (StatusCode::CONFLICT, "Not now", text.as_str()),
            Self::Said(text) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "That did not work",
                text.as_str(),
            ),
            Self::Hidden(incident) => {
                found_by = format!("The reason is in the log of the service, under {incident}.");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                (status, "That did not work", found_by.as_str())
            }
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Not now",
                "The console is busy. Try again in a moment.",
            ),
            Self::TooMany(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                "Not now",
                "There were too many attempts from where you are. Try again later.",
            ),
            Self::Misdirected => (
                StatusCode::MISDIRECTED_REQUEST,
                "Not here",
                "This is not at the host you asked.",
            ),
            Self::Panicked(incident) => {
                found_by = format!(
                    "The program failed; its log says where, under {incident}. What was begun is finished or undone when \
                     it starts again."
                );
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                (status, "That did not work", found_by.as_str())
            }
        };
        let again = match &self {
            Self::Busy => Some(1),
            Self::TooMany(wait) => Some(wait.retry_after()),
            _ => None,
        };
        let text = text.to_owned();
        let mut response = status.into_response();
        if let Some(again) = again {
            response.headers_mut().insert(RETRY_AFTER, again.into());
        }
        response.extensions_mut().insert(Notice { title, text });
        response
    }
}

/// A page as an answer.
pub(crate) fn show(page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => Failure::Hidden(Incident::of(&error)).into_response(),
    }
}
