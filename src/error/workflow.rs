//! Why a workflow did not give its result.
use uuid::Uuid;

use super::{CatalogError, CreateError, OpenError};

/// Why a run of a workflow did not give its result, and what is left of it. `E` is the workflow's own error.
///
/// No error holds what the run was given or what its steps made. `E` is the application's, and up to it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkflowError<E> {
    /// This build could not recover it after a crash, so it is not begun.
    #[error(
        "the workflow `{name}` is not registered; pass it to `Builder::workflow` before the library is opened"
    )]
    NotRegistered {
        /// The workflow.
        name: String,
    },
    /// Somebody is at work on it; wait for that and ask again with the same key.
    #[error("run {id} of the workflow `{name}` is under way; ask again with the same key")]
    InProgress {
        /// The workflow.
        name: String,
        /// The run.
        id: Uuid,
    },
    /// The key was used on this tenant for another input.
    #[error(
        "the key was used before, for another input, by run {id} of the workflow `{name}` on this tenant; a new request needs a new key"
    )]
    KeyReused {
        /// The workflow.
        name: String,
        /// The run that has the key.
        id: Uuid,
    },
    /// There is no such run that is not over.
    #[error("there is no run {id} that is not over")]
    Unknown {
        /// The run asked for.
        id: Uuid,
    },
    /// A step failed. Everything before it was undone.
    #[error("step `{step}` of the workflow `{name}` failed; nothing is left of the run")]
    Failed {
        /// The workflow.
        name: &'static str,
        /// The step.
        step: &'static str,
        /// The workflow's own error.
        #[source]
        source: E,
    },
    /// A step could not be begun, because its database could not be opened. Everything before it was undone.
    #[error(
        "step `{step}` of the workflow `{name}` could not be begun; nothing is left of the run"
    )]
    Open {
        /// The workflow.
        name: &'static str,
        /// The step.
        step: &'static str,
        /// Why.
        #[source]
        source: Box<OpenError>,
    },
    /// The tenant could not be created. Everything before that was undone.
    #[error(
        "the tenant could not be created in step `{step}` of the workflow `{name}`; nothing is left of the run"
    )]
    Create {
        /// The workflow.
        name: &'static str,
        /// The step.
        step: &'static str,
        /// Why.
        #[source]
        source: Box<CreateError>,
    },
    /// The library's own statements in a step failed. Everything before it was undone.
    #[error(
        "step `{step}` of the workflow `{name}` could not be entered into the journal; nothing is left of the run"
    )]
    Journal {
        /// The workflow.
        name: &'static str,
        /// The step.
        step: &'static str,
        /// Diesel's error.
        #[source]
        source: diesel::result::Error,
    },
    /// What the run was given, or what a step made, could not be written as JSON. Everything was undone.
    #[error(
        "what the workflow `{name}` was given or made cannot be written as JSON; nothing is left of the run"
    )]
    Unwritable {
        /// The workflow.
        name: &'static str,
        /// Where it went wrong.
        #[source]
        source: Unreadable,
    },
    /// It could neither be finished nor undone now. It is left, and is finished or undone by the next who asks with the
    /// same key, by `Tenancy::recover`, or when the library is opened next.
    #[error(
        "run {id} of the workflow `{name}` was left at step `{step}`; it is finished or undone later, ask again with the same key"
    )]
    Unfinished {
        /// The workflow.
        name: String,
        /// The run.
        id: Uuid,
        /// The step.
        step: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The run of this key was given up. What it did stands, and it is not run anew for that.
    #[error(
        "run {id} of the workflow `{name}` was given up, and what it had done was left; look at that, and make a new request with a new key"
    )]
    Abandoned {
        /// The workflow.
        name: String,
        /// The run.
        id: Uuid,
    },
    /// It can be neither finished nor undone without help: `Tenancy::unfinished_workflows` lists it,
    /// `Tenancy::retry_workflow` tries once more, `Tenancy::abandon_workflow` gives it up.
    #[error(
        "run {id} of the workflow `{name}` is stuck at step `{step}` ({failure}); mend what is in its way and call `retry_workflow`, or give it up by `abandon_workflow`"
    )]
    Stuck {
        /// The workflow.
        name: String,
        /// The run.
        id: Uuid,
        /// The step.
        step: String,
        /// What is in its way, in the library's words.
        failure: String,
    },
    /// The journal could not be asked.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// A workflow's own error, whatever its type: what stands in its place where the type is not known.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct OwnError(Box<dyn std::error::Error + Send + Sync>);

impl OwnError {
    pub(crate) fn new(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }

    /// The error, if it is of this type.
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

/// JSON in the journal that does not fit, or a value that is not JSON. What it holds is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the JSON that was expected, at line {line}, column {column}")]
#[non_exhaustive]
pub struct Unreadable {
    /// Line, counted from 1.
    pub line: usize,
    /// Column, counted from 1.
    pub column: usize,
}

impl From<serde_json::Error> for Unreadable {
    // The error's own text may quote the value.
    fn from(error: serde_json::Error) -> Self {
        Self {
            line: error.line(),
            column: error.column(),
        }
    }
}

impl<E> WorkflowError<E> {
    /// Whether the same call, with the same key, may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::InProgress { .. } | Self::Unfinished { .. } => true,
            Self::Open { source, .. } => source.is_retryable(),
            Self::Create { source, .. } => source.is_retryable(),
            Self::Catalog(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// Says the same with another error of the workflow in place of its own.
    pub(crate) fn map<F>(self, f: impl FnOnce(E) -> F) -> WorkflowError<F> {
        use WorkflowError::*;
        match self {
            Failed { name, step, source } => Failed {
                name,
                step,
                source: f(source),
            },
            NotRegistered { name } => NotRegistered { name },
            InProgress { name, id } => InProgress { name, id },
            KeyReused { name, id } => KeyReused { name, id },
            Unknown { id } => Unknown { id },
            Abandoned { name, id } => Abandoned { name, id },
            Open { name, step, source } => Open { name, step, source },
            Create { name, step, source } => Create { name, step, source },
            Journal { name, step, source } => Journal { name, step, source },
            Unwritable { name, source } => Unwritable { name, source },
            Unfinished {
                name,
                id,
                step,
                source,
            } => Unfinished {
                name,
                id,
                step,
                source,
            },
            Stuck {
                name,
                id,
                step,
                failure,
            } => Stuck {
                name,
                id,
                step,
                failure,
            },
            Catalog(error) => Catalog(error),
        }
    }
}

impl<E> From<WorkflowError<E>> for crate::Error
where
    E: std::error::Error + Send + Sync + 'static,
{
    fn from(error: WorkflowError<E>) -> Self {
        Self::Workflow(Box::new(error.map(OwnError::new)))
    }
}
