//! Why somebody was not taken in.
use crate::error::{OpenError, WorkflowError};
use crate::services::accounts::AccountError;
use crate::services::subscriptions::{LimitReached, SubscriptionError};

/// Something that was given and cannot be. It is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadField {
    /// A text that is too short or too long.
    #[error("{field} has {found} characters; {least} to {most} are allowed")]
    Length {
        /// Which one.
        field: &'static str,
        /// How many characters it has.
        found: usize,
        /// The fewest.
        least: usize,
        /// The most.
        most: usize,
    },
    /// A character that no text has: NUL and its like; a line's end in what is one line.
    #[error("{field} has the control character U+{found:04X}; take it out")]
    Control {
        /// Which one.
        field: &'static str,
        /// Its code point.
        found: u32,
    },
    /// A day of birth that is to come, or more than 150 years ago.
    #[error("the day of birth is to come, or more than 150 years ago")]
    BirthDate,
    /// Less than nothing.
    #[error("{field} is less than nothing")]
    Negative {
        /// Which one.
        field: &'static str,
    },
}

/// Why somebody was not taken in, or not given an account. Nothing was made, unless it is
/// [retryable](Self::is_retryable) or in [`Workflow`](Self::Workflow): [`WorkflowError::Superseded`] and
/// [`WorkflowError::NoOutput`] are of a request that was done, and of one that is [stuck](WorkflowError::Stuck) or was
/// [given up](WorkflowError::Abandoned) a part may stand.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdmissionError {
    /// Something that was given cannot be.
    #[error(transparent)]
    Field(#[from] BadField),
    /// The account was not made, or not linked.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The hospital's subscription does not allow it.
    #[error(transparent)]
    Subscription(#[from] SubscriptionError),
    /// A database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The run was not gone through.
    #[error(transparent)]
    Workflow(Box<WorkflowError<AdmissionError>>),
    /// A statement failed.
    #[error("the record cannot be written")]
    Query(#[from] diesel::result::Error),
}

impl AdmissionError {
    /// Whether the same call, with the same key, may succeed a little later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Open(error) => error.is_retryable(),
            Self::Workflow(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// The limit of the hospital's plan that is in the way, if one is.
    #[must_use]
    pub fn limit(&self) -> Option<LimitReached> {
        match self {
            Self::Account(AccountError::Limit(limit))
            | Self::Subscription(SubscriptionError::Limit(limit)) => Some(*limit),
            _ => None,
        }
    }
}

/// What a step returned is what is returned: the caller asked for a patient, not for a workflow.
impl From<WorkflowError<AdmissionError>> for AdmissionError {
    fn from(error: WorkflowError<AdmissionError>) -> Self {
        match error {
            WorkflowError::Failed { source, .. } => source,
            WorkflowError::Open { source, .. } => Self::Open(*source),
            other => Self::Workflow(Box::new(other)),
        }
    }
}
