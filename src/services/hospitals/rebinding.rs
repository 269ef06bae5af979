//! Hospitals whose tenant is gone or was never told, and how they get one.
use std::collections::{HashMap, HashSet};

use chrono::NaiveDateTime;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use uuid::Uuid;

use super::key;
use crate::audit::AuditNote;
use crate::catalog::retention::RetentionStore;
use crate::catalog::{CatalogStore, Status, TenantRecord};
use crate::context::{RunQueryDsl, SharedContext};
use crate::error::{CatalogError, OpenError};
use crate::id::Id;
use crate::models::schema::shared::hospitals;
use crate::models::shared::accounts::Hospital;
use crate::services::onboarding::RegisterHospital;
use crate::services::subscriptions::{Limits, plan_in_force};
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;
use crate::workflow::Workflow;

/// What is entered when a hospital becomes a tenant.
const BOUND: &str = "hospital.bind";

/// A hospital that is no tenant: nobody can log in to it, and nothing that is done to it reaches a database.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Astray {
    /// Its row.
    pub hospital: Id<Hospital>,
    /// Its code.
    pub code: String,
    /// The tenant that it was, and that is gone; `None` where none was ever named.
    pub lost: Option<Uuid>,
    /// The tenant whose id is its code and that is no other hospital's, if there is one that can be used. Perhaps it is the
    /// hospital's own, come back; perhaps it is somebody else's who got the id. Look before you [`rebind`] it.
    pub candidate: Option<TenantId>,
}

/// A hospital that was bound to a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bound {
    /// Its row.
    pub hospital: Id<Hospital>,
    /// The tenant's id.
    pub tenant: TenantId,
    /// The tenant's uuid.
    pub uuid: Uuid,
    /// The one that it was before.
    pub before: Option<Uuid>,
}

/// Why a hospital was not bound to a tenant. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// No hospital has this code.
    #[error("there is no hospital of the code `{code}`")]
    UnknownHospital {
        /// The code.
        code: String,
    },
    /// The confirmation is not the hospital's code.
    #[error("binding needs the hospital's code, `{code}`, typed exactly as confirmation")]
    NotConfirmed {
        /// Its code.
        code: String,
    },
    /// The hospital is a tenant that is there.
    #[error(
        "hospital `{code}` is tenant `{id}`, which is {status}; it is another one's only when that one has been purged"
    )]
    HasTenant {
        /// Its code.
        code: String,
        /// The tenant that it is.
        id: TenantId,
        /// Where that stands.
        status: Status,
    },
    /// The tenant is another hospital.
    #[error("tenant `{id}` is another hospital already")]
    TenantTaken {
        /// The tenant.
        id: TenantId,
    },
    /// The tenant has no database to work in.
    #[error(
        "tenant `{id}` is {status}; bind a hospital to one that is active, suspended or archived"
    )]
    NotUsable {
        /// The tenant.
        id: TenantId,
        /// Where it stands.
        status: Status,
    },
    /// There is no such tenant, or the shared database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The catalogue cannot be asked.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A statement failed.
    #[error("the hospital cannot be read or changed")]
    Query(#[from] Error),
}

/// The hospitals that are no tenant, in the order of their codes: those that none was ever named for, and those whose tenant
/// has been purged or is not known to this catalogue. Not among them are those that are being registered, and those that were
/// [closed](crate::services::onboarding::deregister), for whom being gone is the end of it.
///
/// # Errors
/// [`BindError::Open`], [`BindError::Catalog`], [`BindError::Query`].
pub fn astray(tenancy: &Tenancy) -> Result<Vec<Astray>, BindError> {
    // Asked for first: whose registration ends meanwhile has its tenant below.
    let runs = tenancy.unfinished_workflows()?;
    let under_way: HashSet<_> = runs
        .iter()
        .filter(|run| run.name == RegisterHospital::NAME && !run.is_abandoned)
        .map(|run| run.tenant.folded())
        .collect();
    let rows = hospitals::table.order(hospitals::code).select((
        hospitals::id,
        hospitals::code,
        hospitals::tenant_uuid,
        hospitals::closed_at,
    ));
    type Row = (
        Id<Hospital>,
        String,
        Option<Id<TenantRecord>>,
        Option<NaiveDateTime>,
    );
    let rows: Vec<Row> = rows.load(&mut tenancy.shared()?)?;
    let tenants = tenancy.tenants()?;
    let there: HashMap<Uuid, Status> = tenants.iter().map(|t| (t.uuid, t.status)).collect();
    let bound: HashSet<Uuid> = rows
        .iter()
        .filter_map(|row| row.2)
        .map(|id| *id.as_uuid())
        .collect();
    let mut free: HashMap<_, TenantId> = tenants
        .iter()
        .filter(|tenant| !bound.contains(&tenant.uuid) && is_usable(tenant.status))
        .map(|tenant| (tenant.id.folded(), tenant.id))
        .collect();
    let mut astray = Vec::new();
    for (hospital, code, lost, closed_at) in rows {
        let lost = lost.map(|id| *id.as_uuid());
        let status = lost.and_then(|uuid| there.get(&uuid).copied());
        let id = code.parse::<TenantId>().ok().map(|id| id.folded());
        let is_under_way = id.as_ref().is_some_and(|id| under_way.contains(id));
        if status.is_some() || closed_at.is_some() || is_under_way {
            continue;
        }
        astray.push(Astray {
            hospital,
            code,
            lost,
            candidate: id.and_then(|id| free.remove(&id)),
        });
    }
    Ok(astray)
}

/// Says that a tenant is the hospital of this code from now on, with all its members, sessions and subscription: where none
/// was named before, or the one that was named has been purged, or is not known to this catalogue. One that is there, in
/// whatever state, stays the hospital. The tenant's id need not be the hospital's code.
///
/// `confirmation` is the hospital's code, typed by whoever has looked that the tenant's data is this hospital's: nothing
/// else can tell. It is entered into the [audit log](crate::audit) with the change. Doing it again changes nothing. For when
/// the quota holds, see [`Tenancy::set_quota`].
///
/// # Errors
/// See [`BindError`].
pub fn rebind(
    tenancy: &Tenancy,
    code: &str,
    tenant: &TenantId,
    confirmation: &str,
) -> Result<Bound, BindError> {
    let uuid = tenancy.handle(tenant)?.uuid();
    let now = crate::services::now();
    let by = tenancy.acting();
    // The catalogue is in the same database: what it says holds until this is written.
    let bound = tenancy.shared()?.transaction(|shared| {
        let row = hospitals::table.filter(hospitals::code.eq(code));
        let row = row
            .select((hospitals::id, hospitals::tenant_uuid))
            .first(shared);
        type Row = (Id<Hospital>, Option<Id<TenantRecord>>);
        let Some((hospital, before)) = row.optional()? as Option<Row> else {
            let code = code.to_owned();
            return Err(BindError::UnknownHospital { code });
        };
        let before = before.map(|id| *id.as_uuid());
        let bound = Bound {
            hospital,
            tenant: *tenant,
            uuid,
            before,
        };
        if before == Some(uuid) {
            return Ok(bound);
        }
        let code = code.to_owned();
        if let Some(before) = before
            && let Some(there) = shared.on_connection(|conn| conn.catalog_tenant(before))?
            && there.status != Status::Deleted
        {
            let (id, status) = (there.id, there.status);
            return Err(BindError::HasTenant { code, id, status });
        }
        let id = *tenant;
        match shared.on_connection(|conn| conn.catalog_tenant(uuid))? {
            Some(there) if is_usable(there.status) => {}
            Some(there) => {
                let status = there.status;
                return Err(BindError::NotUsable { id, status });
            }
            None => return Err(OpenError::UnknownTenant { id }.into()),
        }
        if confirmation != code {
            return Err(BindError::NotConfirmed { code });
        }
        match set(shared, hospital, before, uuid, now) {
            Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => {
                return Err(BindError::TenantTaken { id });
            }
            done => done?,
        }
        if let Some(plan) = plan_in_force(shared, hospital)? {
            let bytes = Limits::of(&plan).bytes();
            // It was seen to be usable above, in this transaction.
            shared
                .on_connection(|conn| conn.set_plan_and_quota_here(uuid, &plan.code, bytes, by))?;
        }
        Ok(bound)
    })?;
    // It is bound. Where this process' cache cannot be brought up to it, it is within the freshness bound.
    let _ = tenancy.registry.reload();
    Ok(bound)
}

fn is_usable(status: Status) -> bool {
    matches!(
        status,
        Status::Active | Status::Suspended | Status::Archived
    )
}

/// Writes it down and enters it, in a transaction of the caller's that has checked the rest.
pub(super) fn set(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
    before: Option<Uuid>,
    tenant: Uuid,
    now: NaiveDateTime,
) -> QueryResult<()> {
    diesel::update(hospitals::table.find(hospital))
        .set((
            hospitals::tenant_uuid.eq(key(tenant)),
            hospitals::updated_at.eq(now),
        ))
        .execute(shared)?;
    let note = AuditNote::new(BOUND).expect("two words");
    let mut note = note.subject(*hospital.as_uuid());
    note = match shared.on_connection(|conn| conn.catalog_tenant(tenant))? {
        Some(record) => note.about(record.key()),
        None => note.with("tenant", tenant.to_string()),
    };
    if let Some(before) = before {
        note = note.with("before", before.to_string());
    }
    shared.audit(&note)
}
