//! What a request carries: fields with a value each, from a form or an address.
use std::collections::BTreeMap;

use axum::Form;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use diesel_tenants::TenantId;

use crate::failure::Failure;

/// The field that may be there several times: the tenants that are ticked.
const SELECTED: &str = "tenant";

type Pairs = Vec<(String, String)>;

/// The fields of a form, or what an address asks.
#[derive(Clone, Default)]
pub(crate) struct Fields {
    values: BTreeMap<String, String>,
    selected: Vec<String>,
}

impl Fields {
    /// Of a form. One that has a field twice is not ours: which of the two is meant?
    fn of_form(pairs: Pairs) -> Result<Self, Failure> {
        let mut fields = Self::default();
        for (name, value) in pairs {
            if name == SELECTED {
                fields.selected.push(value);
            } else if fields.values.insert(name, value).is_some() {
                return Err(Failure::BadForm("The form has a field in it twice."));
            }
        }
        Ok(fields)
    }

    /// A field without white space around it; empty where it is not there.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", |value| value.trim())
    }

    /// A field as it was typed: a password may begin with a space.
    pub(crate) fn exact(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// Whether a box was ticked.
    pub(crate) fn is_ticked(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The fields whose names begin so, with the rest of their names.
    pub(crate) fn beginning<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.values
            .iter()
            .filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())))
    }

    /// The tenants that were ticked.
    pub(crate) fn selected(&self) -> Result<Vec<TenantId>, Failure> {
        let ids = self.selected.iter().map(|id| id.parse());
        let ids: Result<_, _> = ids.collect();
        ids.map_err(|_| Failure::BadForm("A tenant that was selected has an id that cannot be."))
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        match Form::<Pairs>::from_request(request, state).await {
            Ok(Form(pairs)) => Self::of_form(pairs),
            Err(rejection) => Err(unreadable(&rejection)),
        }
    }
}

fn unreadable(rejection: &FormRejection) -> Failure {
    match rejection.status() {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Failure::Unreadable(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Only forms are understood: application/x-www-form-urlencoded.",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => Failure::Unreadable(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The form has too much in it.",
        ),
        _ => Failure::BadForm("The form cannot be read."),
    }
}

/// What an address asks. Of a field that is there twice the last counts: nothing is done by asking.
#[derive(Clone, Default)]
pub(crate) struct Asked(pub(crate) Fields);

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let pairs: Result<Query<Pairs>, QueryRejection> =
            Query::from_request_parts(parts, state).await;
        let Query(pairs) = pairs.map_err(|_| Failure::BadForm("The address cannot be read."))?;
        Ok(Self(Fields {
            values: pairs.into_iter().collect(),
            selected: Vec::new(),
        }))
    }
}

/// A value in an address.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// So much of what was asked for as can be meant: it stands on the page again, and in its links.
pub(crate) fn cut(text: &str) -> String {
    text.trim().chars().take(200).collect()
}
