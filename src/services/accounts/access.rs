//! Accounts as the source of who may open a tenant, and what is entered into the audit log of them.
use diesel::QueryResult;
use uuid::Uuid;

use super::{Accounts, membership};
use crate::access::{ActorId, Membership, Principal, Role};
use crate::audit::AuditNote;
use crate::backend::TenantKey;
use crate::context::SharedContext;
use crate::id::Id;
use crate::models::shared::accounts::{Role as MemberRole, User};
use crate::services::hospitals;

/// What stands before a user's key in the name of an actor.
const USER: &str = "user:";

impl Accounts {
    /// How a user is named in the audit log, and to [`Tenancy::tenant_as`](crate::Tenancy::tenant_as): `user:` and their
    /// key, whom no change of name reaches. Whoever calls this has made sure that it is them.
    pub fn principal(user: Id<User>) -> Principal {
        let actor = format!("{USER}{user}").parse();
        Principal::user(actor.expect("a key has no white space and no control character"))
    }
}

/// For [`Builder::membership`](crate::Builder::membership): who is a member of the hospital that a tenant is may open the
/// tenant, in the role they have there. What a hospital's admin opens is privileged, and so entered into the audit log.
///
/// A superuser runs the service and is no member: they break the glass like anybody else.
impl Membership for Accounts {
    fn role(
        &self,
        shared: &mut SharedContext,
        actor: &ActorId,
        tenant: &TenantKey,
    ) -> QueryResult<Option<Role>> {
        let user = actor.as_str().strip_prefix(USER);
        let user = user.and_then(|key| key.parse::<Id<User>>().ok());
        // The same statements whether or not there is such a tenant.
        let hospital = hospitals::of_tenant(shared, tenant.uuid)?;
        let user = user.unwrap_or(Id::from_uuid(Uuid::nil()));
        let hospital = hospital.unwrap_or(Id::from_uuid(Uuid::nil()));
        let role = membership::role_in(shared, user, hospital)?;
        Ok(role.map(|role| {
            let named = Role::named(role.as_str()).expect("a role's word is a name");
            match role {
                MemberRole::HospitalAdmin | MemberRole::Superadmin => named.privileged(),
                _ => named,
            }
        }))
    }
}

/// An entry about an account. Its key and no name: the log is kept for years, and no erasure reaches it.
pub(super) fn about(action: &'static str, user: Id<User>) -> AuditNote {
    AuditNote::of_sister(action).subject(*user.as_uuid())
}

pub(super) const GRANTED: &str = "account.grant";
pub(super) const REVOKED: &str = "account.revoke";
pub(super) const CREATED: &str = "account.create";
/// One that a run had made, and that was undone.
pub(super) const REMOVED: &str = "account.remove";
pub(super) const DEACTIVATED: &str = "account.deactivate";
pub(super) const REACTIVATED: &str = "account.reactivate";
pub(super) const SUPERUSER: &str = "account.superuser";
pub(super) const LINKED: &str = "account.link";
pub(super) const SESSIONS_ENDED: &str = "account.end-sessions";
pub(super) const PASSWORD_RESET: &str = "account.reset-password";
pub(super) const PASSWORD_CHANGED: &str = "account.change-password";
