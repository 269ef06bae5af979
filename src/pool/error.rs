//! Why a checkout or a drain failed.

use std::fmt;
use std::time::Duration;

/// What a failed connect says about itself.
///
/// Implemented for the error type of the manager whose connections are pooled.
pub trait ConnectFailure {
    /// Whether the connect failed because the process (or the system) has no file descriptor left.
    ///
    /// The pool then closes the idle connections of all other databases, whatever the
    /// [`Overflow`](super::Overflow), and tries once more.
    fn out_of_descriptors(&self) -> bool;
}

/// Why the connections of a database are closed to checkouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Closed {
    /// For a while: the database is being worked on and will be reopened.
    Maintenance,
    /// For good: the database is gone, or its place has been taken by another.
    Retired,
    /// For good: the process is shutting down.
    Shutdown,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Maintenance => "closed for maintenance",
            Self::Retired => "retired",
            Self::Shutdown => "closed by the shutdown of the process",
        })
    }
}

/// No connection could be checked out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckoutError<E: std::error::Error + 'static> {
    /// All connections of this database are in use, and none came back in time.
    #[error(
        "no connection came back within {waited:?} ({in_use} of {max} of this database in use); \
         retry later, shorten the work done on a connection, or raise `max_per_database`"
    )]
    Busy {
        /// How long the checkout waited.
        waited: Duration,
        /// Connections of this database in use, those being opened or closed included.
        in_use: usize,
        /// The most connections this database may have.
        max: usize,
    },
    /// The budget over all databases is used up, and nothing became free in time.
    #[error(
        "no connection became free within {waited:?} ({open} of {max} over all databases open, \
         {in_use} in use); retry later, or raise `max_connections`"
    )]
    BudgetExhausted {
        /// Connections open over all databases, those being opened or closed included.
        open: usize,
        /// How many of them are in use.
        in_use: usize,
        /// The budget.
        max: usize,
        /// How long the checkout waited; next to nothing under
        /// [`Overflow::Reject`](super::Overflow::Reject).
        waited: Duration,
    },
    /// The database is closed to checkouts.
    #[error("the database is {why}")]
    Closed {
        /// The reason given to [`Slots::close`](super::Slots::close).
        why: Closed,
    },
    /// The manager could not open a connection. It was asked once: nothing is retried here but a
    /// lack of descriptors.
    #[error("cannot open a connection to the database")]
    Connect {
        /// What the manager said.
        source: E,
    },
}

impl<E: ConnectFailure + std::error::Error + 'static> CheckoutError<E> {
    /// Whether the same checkout may succeed a little later without anyone changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Busy { .. } | Self::BudgetExhausted { .. } => true,
            Self::Closed { why } => *why == Closed::Maintenance,
            Self::Connect { source } => source.out_of_descriptors(),
        }
    }
}

/// Connections were still in use when the time for draining was over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{in_use} connections still in use after {waited:?}; end their work and drain again")]
#[non_exhaustive]
pub struct DrainTimeout {
    /// Connections in use, those being opened or closed included.
    pub in_use: usize,
    /// How long the drain waited.
    pub waited: Duration,
}
