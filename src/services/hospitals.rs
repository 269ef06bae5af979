//! Which hospital a tenant is.
//!
//! It is told by the tenant's uuid and by nothing else. A tenant's id can be taken again after a purge, and whoever gets
//! it then is another customer: the members, sessions, subscription and modules of the hospital that had it before are not
//! theirs. A tenant that no hospital names is nobody's hospital.
//!
//! Where a hospital's database came back under another uuid (as a clone of a backup, adopted, recreated after a purge), or
//! the hospital's row is older than this rule, somebody has to say which tenant it is: [`astray`] finds such hospitals, and
//! [`rebind`] says it.
use chrono::NaiveDateTime;
use diesel::prelude::*;
use uuid::Uuid;

mod rebinding;

pub use self::rebinding::{Astray, BindError, Bound, astray, rebind};

use crate::catalog::TenantRecord;
use crate::context::{RunQueryDsl, SharedContext};
use crate::id::Id;
use crate::models::schema::shared::hospitals;
use crate::models::shared::accounts::Hospital;

/// The hospital that a tenant is. `tenant` is its uuid, as [`TenantHandle::uuid`](crate::TenantHandle::uuid) and
/// [`TenantContext::tenant_uuid`](crate::TenantContext::tenant_uuid) say.
///
/// # Errors
/// Those of the statement.
pub fn of_tenant(shared: &mut SharedContext, tenant: Uuid) -> QueryResult<Option<Id<Hospital>>> {
    let row = hospitals::table.filter(hospitals::tenant_uuid.eq(key(tenant)));
    row.select(hospitals::id).first(shared).optional()
}

/// Says that a tenant is this hospital, for a row that was not made by [onboarding](super::onboarding), or was made before
/// there was this column, and enters it into the [audit log](crate::audit) as `hospital.bind`. False where there is no such
/// hospital, or it is another tenant already: that is changed by [`rebind`] alone. The plan's storage limit is left to
/// [`apply_plan`](super::onboarding::apply_plan).
///
/// # Errors
/// Those of the statement: a `UniqueViolation` where the tenant is another hospital.
pub fn bind(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
    tenant: Uuid,
    now: NaiveDateTime,
) -> QueryResult<bool> {
    shared.transaction(|shared| {
        let present = hospitals::table.find(hospital);
        let present = present.select(hospitals::tenant_uuid).first(shared);
        match present.optional()? {
            Some(None) => {
                rebinding::set(shared, hospital, None, tenant, now)?;
                Ok(true)
            }
            Some(bound) => Ok(bound == key(tenant)),
            None => Ok(false),
        }
    })
}

pub(in crate::services) fn key(tenant: Uuid) -> Option<Id<TenantRecord>> {
    Some(Id::from_uuid(tenant))
}
