//! Why there is no page, and the page that says so.
use std::fmt::Write;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};

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
    /// The library says no; its text.
    Said(String),
    /// The work panicked.
    Panicked,
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

#[derive(Template)]
#[template(path = "failure.html")]
struct Page<'a> {
    title: &'a str,
    text: &'a str,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
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
            Self::Said(text) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "That did not work",
                text.as_str(),
            ),
            Self::Panicked => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "That did not work",
                "The program failed; its log says where. What was begun is finished or undone when it starts again.",
            ),
        };
        (status, show(&Page { title, text })).into_response()
    }
}

/// A page as an answer.
pub(crate) fn show(page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
