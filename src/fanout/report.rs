//! What a fan-out tells when it is done.
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::error::VisitError;
use crate::tenant_id::TenantId;

/// What became of every tenant that was selected. Of [`Tenancy::for_each_tenant`](crate::Tenancy::for_each_tenant).
///
/// Serialises with durations in milliseconds and errors as one line of text each.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct FanOutReport<T> {
    /// One entry for each selected tenant: ordered by id, or as they were named in [`FanOut::only`](crate::FanOut::only).
    pub tenants: Vec<TenantResult<T>>,
    /// How long all of it took.
    #[serde(rename = "took_ms", serialize_with = "milliseconds")]
    pub took: Duration,
}

/// What became of one tenant.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct TenantResult<T> {
    /// The tenant.
    pub id: TenantId,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: VisitOutcome<T>,
    /// How long opening and reading it took, waiting for a connection included. Zero if it was not reached.
    #[serde(rename = "took_ms", serialize_with = "milliseconds")]
    pub took: Duration,
}

/// What came of visiting one tenant.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome", content = "detail")]
#[non_exhaustive]
pub enum VisitOutcome<T> {
    /// What the closure returned.
    Done(T),
    /// It could not be opened, or the closure failed or panicked.
    Failed(VisitError),
    /// The deadline had passed before its turn came.
    NotReached,
}

impl<T> FanOutReport<T> {
    /// The tenants that were read, with what the closure returned.
    pub fn done(&self) -> impl Iterator<Item = (&TenantId, &T)> {
        self.tenants
            .iter()
            .filter_map(|tenant| match &tenant.outcome {
                VisitOutcome::Done(value) => Some((&tenant.id, value)),
                _ => None,
            })
    }

    /// The same, taken out of the report.
    pub fn into_done(self) -> impl Iterator<Item = (TenantId, T)> {
        self.tenants
            .into_iter()
            .filter_map(|tenant| match tenant.outcome {
                VisitOutcome::Done(value) => Some((tenant.id, value)),
                _ => None,
            })
    }

    /// The tenants that failed.
    pub fn failed(&self) -> impl Iterator<Item = (&TenantId, &VisitError)> {
        self.tenants
            .iter()
            .filter_map(|tenant| match &tenant.outcome {
                VisitOutcome::Failed(error) => Some((&tenant.id, error)),
                _ => None,
            })
    }

    /// The tenants whose turn did not come before the deadline.
    pub fn not_reached(&self) -> impl Iterator<Item = &TenantId> {
        let left = |tenant: &&TenantResult<T>| matches!(tenant.outcome, VisitOutcome::NotReached);
        self.tenants.iter().filter(left).map(|tenant| &tenant.id)
    }

    /// Whether every selected tenant was read.
    pub fn is_complete(&self) -> bool {
        self.done().count() == self.tenants.len()
    }
}

/// What [`Tenancy::aggregate`](crate::Tenancy::aggregate) made of all tenants. Its size does not grow with their number.
///
/// Serialises with durations in milliseconds and errors as one line of text each.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Aggregate<A> {
    /// What the tenants that were read were folded into.
    pub value: A,
    /// How many tenants are in it.
    pub done: usize,
    /// How many failed.
    pub failed: usize,
    /// How many were not reached before the deadline.
    pub not_reached: usize,
    /// The first failures, in the order in which they happened: as many as
    /// [`FanOut::keep_errors`](crate::FanOut::keep_errors) says, 100 unless told otherwise. `failed` counts all.
    #[serde(serialize_with = "pairs")]
    pub errors: Vec<(TenantId, VisitError)>,
    /// How long all of it took.
    #[serde(rename = "took_ms", serialize_with = "milliseconds")]
    pub took: Duration,
}

impl<A> Aggregate<A> {
    /// Whether every selected tenant is in the value.
    pub fn is_complete(&self) -> bool {
        self.failed == 0 && self.not_reached == 0
    }
}

pub(crate) fn milliseconds<S: Serializer>(
    took: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
}

fn pairs<S: Serializer>(
    errors: &[(TenantId, VisitError)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Entry<'a> {
        id: &'a TenantId,
        error: &'a VisitError,
    }
    serializer.collect_seq(errors.iter().map(|(id, error)| Entry { id, error }))
}
