//! What the last verification of a tenant found, as the catalogue keeps it.
use std::time::SystemTime;

use diesel::result::QueryResult;
use uuid::Uuid;

use crate::access::Principal;
use crate::audit::AuditNote;
use crate::verify::{Finding, Health, Verification};

/// What the last verification of a tenant found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct HealthRecord {
    /// What the database was good for.
    pub status: Health,
    /// What was wrong with it.
    pub findings: Vec<RecordedFinding>,
    /// The generation that was looked at.
    pub generation: u64,
    /// When.
    pub checked_at: SystemTime,
}

/// A finding as it was written down: by its kind and its line of text, so that a program of another version can show it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RecordedFinding {
    /// [`Finding::kind`].
    pub kind: String,
    /// The finding's line.
    pub text: String,
}

impl RecordedFinding {
    fn of(finding: &Finding) -> Self {
        Self {
            kind: finding.kind(),
            text: finding.to_string(),
        }
    }
}

/// A row to be kept.
#[derive(Debug, Clone)]
#[doc(hidden)]
pub struct NewHealth {
    pub tenant: Uuid,
    pub record: HealthRecord,
}

impl NewHealth {
    pub(crate) fn of(tenant: Uuid, found: &Verification) -> Self {
        Self {
            tenant,
            record: HealthRecord {
                status: found.status,
                findings: found.reasons.iter().map(RecordedFinding::of).collect(),
                generation: found.generation,
                checked_at: found.checked_at,
            },
        }
    }
}

/// What the engine asks of the kept verifications. Implemented by this crate only.
#[doc(hidden)]
pub trait HealthStore {
    /// Keeps these, in place of what was known of the same tenants; tenants that are gone are passed over.
    fn health_put(&mut self, all: &[NewHealth]) -> QueryResult<()>;
    /// Keeps one that somebody asked for, and enters that.
    fn health_enter(
        &mut self,
        new: NewHealth,
        entry: &AuditNote,
        by: &Principal,
    ) -> QueryResult<()>;
    fn health_of(&mut self, tenant: Uuid) -> QueryResult<Option<HealthRecord>>;
    fn health_of_all(&mut self) -> QueryResult<Vec<(Uuid, HealthRecord)>>;
}

diesel::table! {
    #[sql_name = "__tenants_health"]
    health (tenant_uuid) {
        tenant_uuid -> Binary,
        generation -> BigInt,
        status -> Text,
        findings -> Text,
        checked_at -> BigInt,
    }
}
