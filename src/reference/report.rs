//! What a push tells when it is done, and where the tenants stand.
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::error::PushError;
use crate::catalog::Status;
use crate::fanout::milliseconds;
use crate::tenant_id::TenantId;

/// What a push of a list came to. Of [`Tenancy::push_reference`](crate::Tenancy::push_reference).
///
/// Serialises with durations in milliseconds and errors as one line of text each.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct ReferenceReport {
    /// The list.
    pub list: String,
    /// The version that was pushed.
    pub version: u64,
    /// One entry for each selected tenant: ordered by id, or as they were named in [`FanOut::only`](crate::FanOut::only).
    pub tenants: Vec<TenantPush>,
    /// How many tenants have the list although the catalogue could not take it down. The next push opens them to find out,
    /// and brings it to none of them again.
    pub not_noted: usize,
    /// How long all of it took.
    #[serde(rename = "took_ms", serialize_with = "milliseconds")]
    pub took: Duration,
}

impl ReferenceReport {
    /// The tenants that do not have the version yet: those that are not active, that failed or were not reached.
    pub fn behind(&self) -> impl Iterator<Item = &TenantPush> {
        self.tenants.iter().filter(|tenant| {
            !matches!(
                tenant.outcome,
                PushOutcome::Applied { .. } | PushOutcome::AlreadyThere { .. }
            )
        })
    }

    /// The tenants that got the version now.
    pub fn applied(&self) -> impl Iterator<Item = &TenantPush> {
        let applied = |t: &&TenantPush| matches!(t.outcome, PushOutcome::Applied { .. });
        self.tenants.iter().filter(applied)
    }

    /// The tenants that failed.
    pub fn failed(&self) -> impl Iterator<Item = (&TenantId, &PushError)> {
        self.tenants
            .iter()
            .filter_map(|tenant| match &tenant.outcome {
                PushOutcome::Failed(error) => Some((&tenant.id, error)),
                _ => None,
            })
    }

    /// Whether every selected tenant has the version.
    pub fn is_complete(&self) -> bool {
        self.behind().next().is_none()
    }
}

/// What a push came to on one tenant.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct TenantPush {
    /// The tenant.
    pub id: TenantId,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: PushOutcome,
    /// How long it took, waiting for a connection and for the write lock included. Zero if it was not opened.
    #[serde(rename = "took_ms", serialize_with = "milliseconds")]
    pub took: Duration,
}

/// What came of bringing a list to one tenant.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome", content = "detail")]
#[non_exhaustive]
pub enum PushOutcome {
    /// It has the version now.
    Applied {
        /// What the list's closure returned: the number of rows it wrote, as a rule.
        rows: usize,
        /// The version it had before, if it had one.
        from: Option<u64>,
    },
    /// It had this version, or a newer one. The closure was not run.
    AlreadyThere {
        /// The version it has.
        version: u64,
    },
    /// It is behind and not active, so that it was left alone. A push after it is resumed brings it up to date.
    NotActive {
        /// Its status.
        status: Status,
    },
    /// It is as it was before.
    Failed(PushError),
    /// The deadline had passed before its turn came.
    NotReached,
}

/// How far a push is, each time a tenant is done.
#[derive(Debug)]
#[non_exhaustive]
pub struct PushProgress<'a> {
    /// How many tenants are done, those included that were left alone or failed.
    pub done: usize,
    /// How many are selected.
    pub total: usize,
    /// The one that was done just now.
    pub tenant: &'a TenantPush,
}

/// Where the tenants stand with a list. Of [`Tenancy::reference_status`](crate::Tenancy::reference_status).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReferenceStatus {
    /// The list.
    pub list: String,
    /// The newest version that was ever pushed.
    pub newest: u64,
    /// All tenants that are not deleted, ordered by id.
    pub tenants: Vec<TenantStanding>,
}

impl ReferenceStatus {
    /// The tenants that are not known to have the newest version.
    pub fn behind(&self) -> impl Iterator<Item = &TenantStanding> {
        let behind = |tenant: &&TenantStanding| tenant.standing != Standing::Current;
        self.tenants.iter().filter(behind)
    }
}

/// Where one tenant stands with a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TenantStanding {
    /// The tenant.
    pub id: TenantId,
    /// Its status.
    pub status: Status,
    /// Whether it has the newest version.
    pub standing: Standing,
    /// The version that was last seen in its database; `None` if there was none.
    pub version: Option<u64>,
    /// When that one was brought to it.
    pub applied_at: Option<SystemTime>,
}

/// Whether a tenant has the newest version of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Standing {
    /// It has.
    Current,
    /// It has an older one, or none.
    Behind,
    /// It has got a new database since it was last looked at (it was restored, made anew or compacted), which may have any
    /// version. The next push finds out.
    Unchecked,
}
