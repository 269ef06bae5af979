//! Why a command did not do what it was asked to: what is printed, and the exit code.
use std::error::Error as StdError;

use serde::Serialize;

use crate::exit::Exit;
use crate::words::of_the_command_line;

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
        let said = |error: &dyn StdError| of_the_command_line(error.to_string());
        let mut failure = Self::new(kind, said(error));
        let mut cause = error.source();
        while let Some(error) = cause {
            failure.causes.push(said(error));
            cause = error.source();
        }
        failure
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The message with its causes, for one line of a report on many tenants.
    pub(crate) fn on_one_line(&self) -> String {
        let mut line = self.message.clone();
        for cause in &self.causes {
            line.push_str(": ");
            line.push_str(cause);
        }
        line
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
