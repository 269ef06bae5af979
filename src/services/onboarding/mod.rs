//! Hospitals as a whole: registered, put on another plan, closed, opened again. Each is a
//! [workflow](crate::workflow): done wholly or not at all, also when the process is killed in between.
//!
//! Pass the workflows to the builder, so that what a dead process left is finished or undone when the library is opened:
//!
//! ```
//! use diesel_tenants::models::{ROUTES, SHARED_MIGRATIONS, TENANT_MIGRATIONS};
//! use diesel_tenants::prelude::*;
//! use diesel_tenants::services::accounts::Accounts;
//! use diesel_tenants::services::onboarding::{self, Registration};
//! use diesel_tenants::services::{now, subscriptions};
//! use diesel_tenants::workflow::IdempotencyKey;
//!
//! # let dir = tempfile::tempdir()?;
//! # let data = dir.path().join("data");
//! let builder = Tenancy::<SqliteConnection>::builder(&ROUTES)
//!     .sqlite(data)
//!     .init()
//!     .shared_migrations(SHARED_MIGRATIONS)
//!     .tenant_migrations(TENANT_MIGRATIONS);
//! let tenancy = onboarding::workflows(builder).open()?;
//! subscriptions::ensure_plans(&mut tenancy.shared()?, now())?;
//!
//! // The key comes from the form the request was sent with: sent twice, it registers once.
//! let key: IdempotencyKey = "form-1f8e".parse()?;
//! let asked = Registration::new("NORTH", "North Hospital", "north", "Nora", "North", "nora@north.example");
//! let made = onboarding::register(&tenancy, &Accounts::default(), Some(key), &asked)?;
//! assert_eq!(made.owner.username, "nora.north.hospital_admin");
//! let password = made.owner.password.expect("nobody has logged in yet");
//! # let _ = password.reveal();
//! assert!(made.modules.iter().any(|module| module.path == "/patients/"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | killed after | a registration is |
//! |---|---|
//! | the hospital's row, its owner's account, its trial, in one transaction: `workflow.shared-step` | undone |
//! | `workflow.creating`, and any step of creating a tenant before its commit | undone |
//! | **the tenant is created, and that is noted**: `workflow.created` | finished |
//! | the hospital's row names the tenant: `workflow.shared-step` | finished |
//!
//! | killed after | a closing is |
//! |---|---|
//! | **the hospital's row, subscription, memberships and sessions, in one transaction**: `workflow.shared-step` | finished |
//! | `onboarding.suspended`, `onboarding.archived`, `onboarding.deleted`, `workflow.verb` | finished |

mod closing;
mod error;
mod plan;
mod registration;

pub use self::closing::{Closing, DeregisterHospital, ReopenHospital, deregister, reopen};
pub use self::error::OnboardingError;
pub use self::plan::{
    ChangePlan, OrderPlan, PlanWanted, apply_plan, change_plan, clear_quota, order,
};
pub use self::registration::{
    Made, ModuleLink, Owner, RegisterHospital, Registered, Registration, register,
};

use diesel::prelude::*;
use uuid::Uuid;

use crate::context::{RunQueryDsl, SharedContext};
use crate::models::schema::shared::hospitals;
use crate::models::shared::accounts::Hospital;
use crate::services::hospitals::key;
use crate::tenancy::Builder;
use crate::tenant_id::TenantId;

/// Registers all workflows of this module.
#[must_use]
pub fn workflows<S>(builder: Builder<SqliteConnection, S>) -> Builder<SqliteConnection, S> {
    builder
        .workflow(RegisterHospital)
        .workflow(ChangePlan)
        .workflow(OrderPlan)
        .workflow(DeregisterHospital)
        .workflow(ReopenHospital)
}

/// The row of the hospital that a tenant is: by the tenant's uuid, or, where there is no tenant of this id, by the code,
/// which is never another hospital's.
fn hospital(
    shared: &mut SharedContext,
    code: &TenantId,
    tenant: Option<Uuid>,
) -> Result<Hospital, OnboardingError> {
    let rows = hospitals::table.select(Hospital::as_select()).into_boxed();
    let row = match tenant {
        Some(uuid) => rows.filter(hospitals::tenant_uuid.eq(key(uuid))),
        None => rows.filter(hospitals::code.eq(code.as_str())),
    };
    let row = row.first(shared).optional()?;
    row.ok_or(OnboardingError::UnknownHospital { code: *code })
}
