//! Why a command did not do what it was asked to: what is printed, and the exit code.
use std::error::Error as StdError;

use diesel_tenants::backend::sqlite::root::RootError;
use diesel_tenants::error::CatalogError;
use diesel_tenants::{CreateError, Error, LifecycleError, OpenError, SetupError};
use serde::Serialize;

use crate::exit::Exit;

/// What went wrong, in the words of the command line.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    /// One line.
    pub(crate) message: String,
    /// What caused it, nearest first.
    pub(crate) causes: Vec<String>,
    /// What to do next.
    pub(crate) hint: Option<String>,
}

/// The same as the exit code, as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Failed,
    Usage,
    Refused,
    Busy,
    NotFound,
}

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
        }
    }

    pub(crate) fn of(kind: Kind, error: &dyn StdError) -> Self {
        let mut failure = Self::new(kind, error.to_string());
        let mut cause = error.source();
        while let Some(error) = cause {
            failure.causes.push(error.to_string());
            cause = error.source();
        }
        failure
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn exit(&self) -> Exit {
        match self.kind {
            Kind::Failed => Exit::Failed,
            Kind::Usage => Exit::Usage,
            Kind::Refused => Exit::Refused,
            Kind::Busy => Exit::Busy,
            Kind::NotFound => Exit::NotFound,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match error.is_retryable() {
            true => Kind::Busy,
            false => kind_of(&error),
        };
        let failure = Self::of(kind, &error);
        match advice(&error) {
            Some((message, hint)) => Self {
                message: message.unwrap_or(failure.message),
                hint: Some(hint.to_owned()),
                ..failure
            },
            None => failure,
        }
    }
}

fn kind_of(error: &Error) -> Kind {
    match error {
        Error::Setup(SetupError::Root(_)) | Error::TenantId(_) => Kind::Usage,
        Error::Open(error) => kind_of_open(error),
        Error::Create(error) => match error {
            CreateError::AlreadyExists { .. }
            | CreateError::Retired { .. }
            | CreateError::SubdomainTaken { .. } => Kind::Refused,
            CreateError::DisplayName(_) | CreateError::Subdomain(_) => Kind::Usage,
            CreateError::Open(error) => kind_of_open(error),
            _ => Kind::Failed,
        },
        Error::Lifecycle(error) => match error {
            LifecycleError::Open(error) => kind_of_open(error),
            LifecycleError::Unknown { .. } => Kind::NotFound,
            LifecycleError::WrongStatus { .. } | LifecycleError::NotConfirmed { .. } => {
                Kind::Refused
            }
            _ => Kind::Failed,
        },
        _ => Kind::Failed,
    }
}

fn kind_of_open(error: &OpenError) -> Kind {
    match error {
        OpenError::UnknownTenant { .. } | OpenError::UnknownSubdomain { .. } => Kind::NotFound,
        OpenError::Unavailable { .. } => Kind::Refused,
        _ => Kind::Failed,
    }
}

/// What to do next on the command line, and the message where the library's own speaks of its functions.
fn advice(error: &Error) -> Option<(Option<String>, &'static str)> {
    match error {
        Error::Setup(SetupError::Root(RootError::RootMissing { .. })) => {
            Some((None, "`init` makes it, the first time"))
        }
        Error::Open(OpenError::UnknownTenant { id })
        | Error::Lifecycle(LifecycleError::Open(OpenError::UnknownTenant { id })) => Some((
            Some(format!("tenant `{id}` is not known")),
            "`list` shows those there are, `create` makes a new one",
        )),
        Error::Create(CreateError::Retired { id }) => Some((
            Some(format!(
                "the id `{id}` belonged to a tenant that was deleted"
            )),
            "choose another id, or `--reuse-retired-id` for a new and empty tenant",
        )),
        Error::Create(CreateError::AlreadyExists { .. }) => Some((
            None,
            "`show` and `verify` say how it is, `repair` puts right what is missing",
        )),
        Error::Create(CreateError::NotUndone { .. }) => {
            Some((None, "free what is in the way, then run `doctor`"))
        }
        _ => None,
    }
}

macro_rules! from_library {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Error::from(error).into()
            }
        }
    )*};
}
from_library!(
    SetupError,
    OpenError,
    CreateError,
    LifecycleError,
    diesel::result::Error
);

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        OpenError::Catalog(error).into()
    }
}
