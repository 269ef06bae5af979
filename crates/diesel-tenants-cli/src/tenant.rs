//! A tenant, as documents have it.
use diesel_tenants::{Status, TenantRecord};
use serde::Serialize;

use crate::show::iso;

/// What the catalogue knows of a tenant.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) uuid: String,
    pub(crate) name: String,
    pub(crate) subdomain: Option<String>,
    pub(crate) plan: Option<String>,
    /// reserved, provisioning, active, suspended, archived, restoring, deleting, deleted or failed.
    pub(crate) status: &'static str,
    /// Which physical database is in use, counted from 1.
    pub(crate) generation: u64,
    /// The newest migration in its database.
    pub(crate) schema_version: Option<String>,
    /// From when on it may be purged, if it was deleted: RFC 3339, UTC.
    pub(crate) delete_after: Option<String>,
    /// Why nothing of it may be removed, while it is under a legal hold.
    pub(crate) legal_hold: Option<String>,
    /// The most bytes its database may have; null where its plan decides.
    pub(crate) quota_bytes: Option<u64>,
    /// RFC 3339, UTC.
    pub(crate) created_at: String,
    /// RFC 3339, UTC.
    pub(crate) changed_at: String,
    /// For people.
    #[serde(skip)]
    pub(crate) record: Record,
}

/// What the fields were made from, for showing it to people.
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) status: Status,
    pub(crate) created_at: std::time::SystemTime,
    pub(crate) changed_at: std::time::SystemTime,
}

impl Tenant {
    pub(crate) fn of(record: &TenantRecord) -> Self {
        Self {
            id: record.id.to_string(),
            uuid: record.uuid.to_string(),
            name: record.display_name.as_str().to_owned(),
            subdomain: record.subdomain.as_ref().map(ToString::to_string),
            plan: record.plan.clone(),
            status: record.status.as_str(),
            generation: record.generation,
            schema_version: record.schema_version.clone(),
            delete_after: record.delete_after.map(iso),
            legal_hold: record.legal_hold.clone(),
            quota_bytes: record.quota,
            created_at: iso(record.created_at),
            changed_at: iso(record.changed_at),
            record: Record {
                status: record.status,
                created_at: record.created_at,
                changed_at: record.changed_at,
            },
        }
    }
}
