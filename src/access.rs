//! Who may open a tenant: members, and those who break the glass.
//!
//! The engine knows no users and no hospitals. Who is a member of what comes from the application, as a
//! [`Membership`] given to [`Builder::membership`]; without one, [`Tenancy::tenant_as`] opens nothing. It is asked each
//! time: nothing is cached, so that who was shut out is out at once.
//!
//! Who is no member and must get in all the same, in an emergency or to repair something, *breaks the glass*
//! ([`Tenancy::break_glass`]): with a reason, for an hour at most, and with an entry in the [audit log](crate::audit)
//! before anything is opened.
//!
//! # Example
//! ```
//! use diesel_tenants::access::{ActorId, Membership, Principal, Role};
//! use diesel_tenants::{AccessError, backend::TenantKey, prelude::*};
//! # mod schema {
//! #     diesel::table! { memberships (user, hospital) { user -> Text, hospital -> Binary, role -> Text, } }
//! #     diesel::table! { patients { id -> Integer, name -> Text, } }
//! # }
//! # use schema::memberships;
//! # routes! {
//! #     static ROUTES;
//! #     shared { accounts { schema::memberships } }
//! #     tenant { patients { schema::patients } }
//! # }
//!
//! struct Memberships;
//!
//! impl Membership for Memberships {
//!     fn role(
//!         &self,
//!         shared: &mut SharedContext,
//!         actor: &ActorId,
//!         tenant: &TenantKey,
//!     ) -> QueryResult<Option<Role>> {
//!         let role = memberships::table
//!             .find((actor.as_str(), tenant.uuid.as_bytes().as_slice())) // an id may be taken again, a uuid never is
//!             .select(memberships::role)
//!             .get_result::<String>(shared)
//!             .optional()?;
//!         Ok(role.and_then(|name| Role::named(&name).ok()))
//!     }
//! }
//! # let dir = tempfile::tempdir()?;
//! # let shared = MigrationSet::new([MigrationScript::new("1", "memberships",
//! #     "CREATE TABLE memberships (user TEXT NOT NULL, hospital BLOB NOT NULL, role TEXT NOT NULL,
//! #                                PRIMARY KEY (user, hospital))")]);
//! # let data = dir.path().join("data");
//! let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES)
//!     .sqlite(data)
//!     .init()
//! #   .shared_migrations(shared)
//!     .membership(Memberships)
//!     .open()?;
//! let id: TenantId = "TH001".parse()?;
//! tenancy.create(&id, NewTenant::named("Teaching Hospital"))?;
//!
//! let doctor = Principal::user("user:41".parse()?);
//! let refused = tenancy.tenant_as(&doctor, &id).unwrap_err();
//! assert!(matches!(refused, AccessError::NotAMember { .. }));
//!
//! let reason = "unconscious patient, on-call doctor not a member".parse()?;
//! let grant = tenancy.break_glass(&doctor, &id, reason, std::time::Duration::from_secs(15 * 60))?;
//! let th001 = tenancy.tenant_as(&doctor, &id)?;
//! # drop(th001);
//! tenancy.close_grant(grant.id)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use diesel::QueryResult;
use serde::Serialize;
use uuid::Uuid;

use crate::audit::{AuditPolicy, opening};
use crate::backend::{Backend, DefaultConnection, TenantKey};
use crate::catalog::audit::GrantRow;
use crate::catalog::{from_millis, to_millis};
use crate::context::{SharedContext, TenantContext};
use crate::error::{AccessError, CatalogError, OpenError, withhold};
use crate::registry::{Registry, Tenant};
use crate::tenancy::{Builder, Tenancy};
use crate::tenant_id::TenantId;

mod principal;

pub use principal::{
    ActorId, ActorIdError, ActorKind, Principal, Reason, ReasonError, Role, RoleName, RoleNameError,
};

/// Says in which role somebody may open a tenant. The only source of a role.
pub trait Membership<C: Backend = DefaultConnection>: Send + Sync + 'static {
    /// The role of `actor` in `tenant`, or `None` for who is no member.
    ///
    /// Runs on a context of the shared database, each time somebody asks to be let in. `tenant` may be one that is not
    /// there, with the nil uuid: a caller who may not know which tenants there are must not learn it from the time it
    /// takes. An id may be taken again after a tenant was deleted, the uuid never is: keep memberships by uuid, or end
    /// them with the tenant.
    ///
    /// Open nothing else in it. The caller waits with one connection to the shared database, and all who ask at once for a
    /// second one would wait for each other.
    ///
    /// # Errors
    /// Those of its statements. Nobody is let in then.
    fn role(
        &self,
        shared: &mut SharedContext<C>,
        actor: &ActorId,
        tenant: &TenantKey,
    ) -> QueryResult<Option<Role>>;
}

/// A right to open one tenant without being a member, for a while. Got from [`Tenancy::break_glass`].
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BreakGlass {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub actor: ActorId,
    /// What kind of actor that is.
    pub actor_kind: ActorKind,
    /// The tenant it opens.
    pub tenant: TenantId,
    /// The tenant's uuid.
    pub tenant_uuid: Uuid,
    /// Why it was asked for.
    pub reason: Reason,
    /// Since when it holds.
    pub granted_at: SystemTime,
    /// Until when it holds. Never moved.
    pub expires_at: SystemTime,
}

/// Everything but the reason.
impl fmt::Debug for BreakGlass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakGlass")
            .field("id", &self.id)
            .field("actor", &self.actor)
            .field("tenant", &format_args!("{}", self.tenant))
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl BreakGlass {
    fn read(row: GrantRow) -> Result<Self, AccessError> {
        let unreadable = |e: Box<dyn std::error::Error + Send + Sync>| {
            let error = diesel::result::Error::DeserializationError(e);
            AccessError::Catalog(CatalogError::Query(withhold(error)))
        };
        Ok(Self {
            id: row.id,
            actor: row
                .actor
                .parse()
                .map_err(|e: ActorIdError| unreadable(e.into()))?,
            actor_kind: row.actor_kind,
            tenant: row.tenant.id,
            tenant_uuid: row.tenant.uuid,
            reason: row
                .reason
                .parse()
                .map_err(|e: ReasonError| unreadable(e.into()))?,
            granted_at: from_millis(row.granted_at),
            expires_at: from_millis(row.expires_at),
        })
    }
}

/// How long the glass stays broken at most, unless the application says otherwise.
pub(crate) const BREAK_GLASS_MAX: Duration = Duration::from_secs(60 * 60);

impl<C: Backend, S> Builder<C, S> {
    /// Who is a member of what, for [`Tenancy::tenant_as`]. Default: nobody is.
    #[must_use]
    pub fn membership(mut self, source: impl Membership<C>) -> Self {
        self.hooks.membership = Some(Arc::new(source));
        self
    }

    /// The longest time a break-glass grant may be asked for. Default 1 h.
    #[must_use]
    pub fn break_glass_max(mut self, limit: Duration) -> Self {
        self.hooks.break_glass_max = limit;
        self
    }
}

/// By what right somebody is let in: one of the two at least.
struct Right {
    role: Option<Role>,
    /// Also that of a member: who broke the glass is told of each opening, whatever else would have let them in.
    grant: Option<GrantRow>,
}

impl<C: Backend> Tenancy<C> {
    /// Opens a context on a tenant's database for `principal`, who must be a member of it or have broken the glass.
    ///
    /// Asks the [`Membership`] on a context of the shared database, each time. What is entered into the audit log, with
    /// `principal` as the actor: openings by a break-glass grant always, those in a privileged role and others as the
    /// [`AuditPolicy`] says; the first two before the context is handed out.
    ///
    /// As that takes a connection to the shared database, call it with no [`SharedContext`] open: the tenant first, then the
    /// shared database (see [`Tenancy::shared`]).
    ///
    /// # Errors
    /// See [`AccessError`]. Towards callers who may not know which tenants there are, answer with
    /// [`AccessError::for_untrusted`].
    pub fn tenant_as(
        &self,
        principal: &Principal,
        id: &TenantId,
    ) -> Result<TenantContext<C>, AccessError> {
        let (tenant, right) = self.admit(principal, id)?;
        let registry = &self.registry;
        let context = registry.enter_unnoted(&tenant)?;
        let note = match &right.role {
            Some(role) => opening(context.generation()).in_role(role.name()),
            None => opening(context.generation()),
        };
        let policy = registry.hooks.audit.policy;
        let noted = match right {
            Right {
                grant: Some(grant), ..
            } => {
                let mut note = note.subject(grant.id).with("by", "break-glass");
                note.reason = grant.reason.parse().ok();
                registry.audit_as(principal, &tenant, note)
            }
            Right {
                role: Some(role), ..
            } if role.is_privileged() && policy != AuditPolicy::Off => {
                registry.audit_as(principal, &tenant, note)
            }
            _ if policy == AuditPolicy::All => registry.note_opening(&tenant, principal, note),
            _ => Ok(()),
        };
        noted.map_err(AccessError::Catalog)?;
        Ok(context)
    }

    /// The role in which `principal` may open a tenant, as the [`Membership`] has it now. Opens nothing of the tenant's,
    /// and does not look at break-glass grants: they give no role.
    ///
    /// # Errors
    /// See [`AccessError`].
    pub fn role_of(&self, principal: &Principal, id: &TenantId) -> Result<Role, AccessError> {
        let (_, right) = self.admit(principal, id)?;
        right.role.ok_or(AccessError::NotAMember { id: *id })
    }

    /// Lets `principal` open a tenant without being a member, from now until `expires_in` is over (at most 1 h, see
    /// [`Builder::break_glass_max`]) or [`close_grant`](Self::close_grant) is called.
    ///
    /// It is written into the audit log, with the reason, before this returns; so is each opening by it, and its end. It
    /// holds for this actor and this tenant only, in every process, and by the clock on the wall: it is never longer
    /// for a clock that is turned back. So it is shorter where the clocks of two machines differ: entries of the one that is
    /// ahead end it, and so does one that is behind the time it was granted at; its `break-glass.expire` then says so as
    /// `clock`. Somebody else must have decided that the actor may do this at all.
    ///
    /// # Errors
    /// See [`AccessError`].
    pub fn break_glass(
        &self,
        principal: &Principal,
        id: &TenantId,
        reason: Reason,
        expires_in: Duration,
    ) -> Result<BreakGlass, AccessError> {
        let longest = self.registry.hooks.break_glass_max;
        if expires_in.is_zero() || expires_in > longest {
            return Err(AccessError::TooLong {
                asked: expires_in,
                longest,
            });
        }
        let tenant = self.registry.tenant(id)?;
        let now = SystemTime::now();
        let expires_in = i64::try_from(expires_in.as_millis()).unwrap_or(i64::MAX);
        let grant = GrantRow {
            id: Uuid::now_v7(),
            actor: principal.actor().as_str().to_owned(),
            actor_kind: principal.kind(),
            tenant: tenant.record().key(),
            reason: reason.as_str().to_owned(),
            granted_at: to_millis(now),
            expires_at: to_millis(now).saturating_add(expires_in),
        };
        self.end_expired()?;
        let entered = |conn: &mut C| conn.grant_insert(&grant, principal);
        self.registry.write(entered).map_err(AccessError::Catalog)?;
        crate::failpoint::hit("break-glass.opened");
        BreakGlass::read(grant)
    }

    /// The break-glass grants that hold now, oldest first. Those that have expired are ended on the way, each with an
    /// entry in the audit log.
    ///
    /// # Errors
    /// See [`AccessError`].
    pub fn active_grants(&self) -> Result<Vec<BreakGlass>, AccessError> {
        self.end_expired()?;
        let open = self.registry.ask(|conn| conn.grants_open(None));
        let open = open.map_err(AccessError::Catalog)?;
        open.into_iter().map(BreakGlass::read).collect()
    }

    /// Ends a break-glass grant before its time, with an entry in the audit log. False where it had ended already.
    /// Contexts that are open go on until dropped.
    ///
    /// # Errors
    /// See [`AccessError`].
    pub fn close_grant(&self, id: Uuid) -> Result<bool, AccessError> {
        let by = self.registry.acting();
        let closed = self.registry.write(|conn| conn.grant_close(id, by));
        closed.map_err(AccessError::Catalog)
    }

    fn end_expired(&self) -> Result<(), AccessError> {
        let by = self.registry.acting();
        let ended = self.registry.write(|conn| conn.grants_expire(by));
        ended.map_err(AccessError::Catalog)
    }

    /// Whether and by what right somebody is let in. Everybody causes the same statements, whatever the answer, since the
    /// time it takes must not tell one reason to be refused from another: one asks for the newest word of the catalogue, one
    /// for the membership, one for the grants.
    fn admit(
        &self,
        principal: &Principal,
        id: &TenantId,
    ) -> Result<(Arc<Tenant<C>>, Right), AccessError> {
        let registry = &self.registry;
        let Some(source) = &registry.hooks.membership else {
            return Err(AccessError::NoMembershipSource);
        };
        let found = match registry.tenant(id) {
            Ok(tenant) => Some(tenant),
            Err(OpenError::UnknownTenant { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let key = match &found {
            Some(tenant) => tenant.record().key(),
            None => TenantKey {
                id: *id,
                uuid: Uuid::nil(),
            },
        };
        let role = {
            let mut shared = registry.shared()?;
            source.role(&mut shared, principal.actor(), &key)
        };
        let role = role.map_err(|source| AccessError::Membership { id: *id, source })?;
        let mut open = self.grants_of(principal)?.into_iter();
        let grant = open
            .find(|grant| grant.tenant.uuid == key.uuid && grant.actor_kind == principal.kind());
        let Some(tenant) = found else {
            return Err(OpenError::UnknownTenant { id: *id }.into());
        };
        if role.is_none() && grant.is_none() {
            // Asking for a tenant that is not there, or not open, is answered by the catalogue and not from memory.
            let _ = registry.reload();
            return Err(AccessError::NotAMember { id: *id });
        }
        Ok((tenant, Right { role, grant }))
    }

    fn grants_of(&self, principal: &Principal) -> Result<Vec<GrantRow>, AccessError> {
        let actor = principal.actor().as_str();
        let open = self.registry.ask(|conn| conn.grants_open(Some(actor)));
        open.map_err(AccessError::Catalog)
    }
}

impl<C: Backend> Registry<C> {
    fn audit_as(
        &self,
        by: &Principal,
        tenant: &Tenant<C>,
        note: crate::audit::AuditNote,
    ) -> Result<(), CatalogError> {
        let note = note.about(tenant.record().key());
        let draft = crate::catalog::audit::Draft::new(by, &note);
        self.write(|conn| conn.audit_append(&[draft]))
    }
}
