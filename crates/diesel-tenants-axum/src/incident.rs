//! Failures whose cause is not told to who asks.
use std::error::Error;
use std::fmt;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use diesel_tenants::error::ValueWithheld;
use uuid::Uuid;

use crate::rejection::respond_with;

/// A failure whose cause is in the log, and an id in both the log and the answer: so that who is told nothing can say
/// what it was.
///
/// The log is a [`tracing`] event at `ERROR`, once for each incident, target `diesel_tenants_axum`, with the fields `id`
/// and `error`, which is the error with its causes. So an error that is made one of these must have no data of a tenant
/// in it. As a response it is `500`, in JSON.
///
/// ```
/// use diesel_tenants_axum::Incident;
///
/// let incident = Incident::of(&std::io::Error::other("the disk is full"));
/// let shown = format!("Something went wrong. Ask for {incident}.");
/// # drop(shown);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Incident(Uuid);

impl Incident {
    /// Writes an error to the log, with its causes.
    ///
    /// Of Diesel's errors those of a value that cannot be read or bound are not written as they are, as the value may stand in
    /// them. Contexts give none of these; where one comes from elsewhere it is seen here, unless a `transparent` error of the
    /// application's own is around it.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        let mut text = said(error);
        let mut cause = error.source();
        while let Some(error) = cause {
            // A transparent error says what its cause says.
            let said = said(error);
            if !text.ends_with(&said) {
                text.push_str(": ");
                text.push_str(&said);
            }
            cause = error.source();
        }
        Self::said(&text)
    }

    /// Writes to the log what is an error in words.
    pub fn said(error: &str) -> Self {
        let incident = Self(Uuid::now_v7());
        tracing::error!(target: "diesel_tenants_axum", id = %incident, error, "the cause of this answer was not told");
        incident
    }
}

/// What an error says, without the values that may be in it.
fn said(error: &(dyn Error + 'static)) -> String {
    use diesel::result::Error::{DeserializationError, SerializationError};
    let query = error.downcast_ref::<diesel::result::Error>();
    let is_withheld = query.is_some_and(|error| ValueWithheld::of(error).is_some());
    match query {
        _ if is_withheld => error.to_string(),
        Some(DeserializationError(_)) => "a value that was read is none of its type".to_owned(),
        Some(SerializationError(_)) => "a value cannot be bound".to_owned(),
        _ => error.to_string(),
    }
}

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl IntoResponse for Incident {
    fn into_response(self) -> Response {
        let message = "something went wrong";
        respond_with(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            message,
            Some(self),
        )
    }
}
