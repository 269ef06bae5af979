//! Memberships: who works where, as what.
use chrono::NaiveDateTime;
use diesel::prelude::*;
use uuid::Uuid;

use super::access::{GRANTED, REVOKED, about};
use super::{AccountError, Accounts, session};
use crate::context::{RunQueryDsl, SharedContext};
use crate::id::Id;
use crate::models::schema::shared::{hospitals, tenant_access, users};
use crate::models::shared::accounts::{Hospital, NewTenantAccess, Role, TenantAccess, User};
use crate::services::{hospitals as tenants, subscriptions};

/// A user's membership in one hospital.
#[derive(Debug, Clone, PartialEq, Queryable)]
#[non_exhaustive]
pub struct Membership {
    /// The hospital.
    pub hospital: Id<Hospital>,
    /// Its code, which is its tenant id.
    pub code: String,
    /// Its name.
    pub name: String,
    /// What the user may do there.
    pub role: Role,
    /// Whether the user starts there.
    pub is_default: bool,
}

impl Accounts {
    /// Makes a user a member of a hospital, or changes what they are there. The first membership is where they start.
    ///
    /// # Errors
    /// [`AccountError::UnknownUser`], [`AccountError::UnknownHospital`], [`AccountError::HospitalClosed`];
    /// [`AccountError::Limit`] where the plan allows no more users; [`AccountError::Query`].
    pub fn grant(
        &self,
        shared: &mut SharedContext,
        user: Id<User>,
        hospital: Id<Hospital>,
        role: Role,
        now: NaiveDateTime,
    ) -> Result<(), AccountError> {
        shared.transaction(|shared| {
            super::find(shared, user)?;
            grant(shared, user, hospital, role, now)
        })
    }

    /// Ends a membership, and the user's sessions in the hospital. The row stays, and does not count. One that ended with its
    /// hospital is ended for good by this: it does not come back when the hospital is opened again. False where there was
    /// neither.
    ///
    /// # Errors
    /// [`AccountError::Query`].
    pub fn revoke_membership(
        &self,
        shared: &mut SharedContext,
        user: Id<User>,
        hospital: Id<Hospital>,
    ) -> Result<bool, AccountError> {
        let counts = tenant_access::active.or(tenant_access::closed_with_hospital);
        let row = tenant_access::table
            .filter(tenant_access::user_id.eq(user))
            .filter(tenant_access::hospital_id.eq(hospital))
            .filter(counts);
        shared.transaction(|shared| {
            let ended = diesel::update(row)
                .set((
                    tenant_access::active.eq(false),
                    tenant_access::is_default.eq(false),
                    tenant_access::closed_with_hospital.eq(false),
                ))
                .execute(shared)?;
            if ended > 0 {
                session::revoke_in(shared, user, hospital, crate::services::now())?;
                note_revoked(shared, user, hospital, None)?;
            }
            Ok(ended > 0)
        })
    }

    /// Where a user works, the hospital they start in first. Nothing for an account that is switched off.
    ///
    /// # Errors
    /// [`AccountError::Query`].
    pub fn memberships(
        &self,
        shared: &mut SharedContext,
        user: Id<User>,
    ) -> Result<Vec<Membership>, AccountError> {
        let rows = tenant_access::table
            .inner_join(hospitals::table)
            .inner_join(users::table)
            .filter(tenant_access::user_id.eq(user))
            .filter(tenant_access::active.eq(true))
            .filter(users::active.eq(true))
            .order((tenant_access::is_default.desc(), hospitals::code))
            .select((
                hospitals::id,
                hospitals::code,
                hospitals::name,
                tenant_access::role,
                tenant_access::is_default,
            ));
        Ok(rows.load(shared)?)
    }

    /// What a user is in a hospital; `None` where they are no member, or their account is switched off.
    ///
    /// This is the only source of a role.
    ///
    /// # Errors
    /// [`AccountError::Query`].
    pub fn role_in(
        &self,
        shared: &mut SharedContext,
        user: Id<User>,
        hospital: Id<Hospital>,
    ) -> Result<Option<Role>, AccountError> {
        Ok(role_in(shared, user, hospital)?)
    }
}

pub(super) fn role_in(
    shared: &mut SharedContext,
    user: Id<User>,
    hospital: Id<Hospital>,
) -> QueryResult<Option<Role>> {
    let row = tenant_access::table
        .inner_join(users::table)
        .filter(tenant_access::user_id.eq(user))
        .filter(tenant_access::hospital_id.eq(hospital))
        .filter(tenant_access::active.eq(true))
        .filter(users::active.eq(true))
        .select(TenantAccess::as_select());
    let row = row.first(shared).optional()?;
    Ok(row.map(|row| row.role))
}

/// Refuses where the hospital is closed or unknown. Ask in the transaction that writes what a closed one must not get.
pub(super) fn refuse_closed(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
) -> Result<(), AccountError> {
    let closed_at = hospitals::table.find(hospital).select(hospitals::closed_at);
    match closed_at
        .first::<Option<NaiveDateTime>>(shared)
        .optional()?
    {
        None => Err(AccountError::UnknownHospital),
        Some(Some(_)) => Err(AccountError::HospitalClosed),
        Some(None) => Ok(()),
    }
}

/// Refuses where the hospital's plan allows no more members of this kind. Patients are limited elsewhere.
pub(super) fn check_room(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
    role: Role,
) -> Result<(), AccountError> {
    match role {
        Role::Patient => Ok(()),
        _ => subscriptions::check_users(shared, hospital),
    }
}

/// Where a user works and as what, whether or not their account is switched on.
pub(super) fn roles(
    shared: &mut SharedContext,
    user: Id<User>,
) -> QueryResult<Vec<(Id<Hospital>, Role)>> {
    tenant_access::table
        .filter(tenant_access::user_id.eq(user))
        .filter(tenant_access::active.eq(true))
        .select((tenant_access::hospital_id, tenant_access::role))
        .load(shared)
}

/// The hospital of a tenant.
pub(in crate::services) fn hospital_of(
    shared: &mut SharedContext,
    tenant: Uuid,
) -> Result<Id<Hospital>, AccountError> {
    tenants::of_tenant(shared, tenant)?.ok_or(AccountError::UnknownHospital)
}

/// A membership as it was before [`join`].
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub(in crate::services) enum Before {
    /// It counted, and was left as it was.
    Member,
    /// There was a row that did not count.
    Ended { role: Role, is_default: bool },
    /// There was none.
    Stranger,
}

/// Makes a user a member in this role, unless they are a member already, in whatever role.
pub(in crate::services) fn join(
    shared: &mut SharedContext,
    user: Id<User>,
    hospital: Id<Hospital>,
    role: Role,
    now: NaiveDateTime,
) -> Result<Before, AccountError> {
    if !super::find(shared, user)?.active {
        return Err(AccountError::UnknownUser);
    }
    let row = tenant_access::table
        .filter(tenant_access::user_id.eq(user))
        .filter(tenant_access::hospital_id.eq(hospital))
        .select(TenantAccess::as_select());
    let before = match row.first::<TenantAccess>(shared).optional()? {
        Some(row) if row.active => return Ok(Before::Member),
        Some(row) => Before::Ended {
            role: row.role,
            is_default: row.is_default,
        },
        None => Before::Stranger,
    };
    grant(shared, user, hospital, role, now)?;
    Ok(before)
}

/// Makes the membership what it was before [`join`], whatever else was done to it since.
pub(in crate::services) fn unjoin(
    shared: &mut SharedContext,
    user: Id<User>,
    hospital: Id<Hospital>,
    before: Before,
) -> QueryResult<()> {
    let row = tenant_access::table
        .filter(tenant_access::user_id.eq(user))
        .filter(tenant_access::hospital_id.eq(hospital));
    match before {
        Before::Member => return Ok(()),
        Before::Ended { role, is_default } => {
            diesel::update(row)
                .set((
                    tenant_access::role.eq(role),
                    tenant_access::active.eq(false),
                    tenant_access::is_default.eq(is_default),
                    // The hospital may have been closed meanwhile, and this one with it.
                    tenant_access::closed_with_hospital.eq(false),
                ))
                .execute(shared)?;
        }
        Before::Stranger => {
            diesel::delete(row).execute(shared)?;
        }
    }
    session::revoke_in(shared, user, hospital, crate::services::now())?;
    note_revoked(shared, user, hospital, Some(UNDONE))
}

/// Ends all memberships of a hospital that is closed, so that [`come_back`] finds them, and tells whose they were.
pub(in crate::services) fn end_all(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
) -> QueryResult<Vec<Id<User>>> {
    let members = tenant_access::table
        .filter(tenant_access::hospital_id.eq(hospital))
        .filter(tenant_access::active.eq(true));
    let people: Vec<Id<User>> = members.select(tenant_access::user_id).load(shared)?;
    diesel::update(members)
        .set((
            tenant_access::active.eq(false),
            tenant_access::is_default.eq(false),
            tenant_access::closed_with_hospital.eq(true),
        ))
        .execute(shared)?;
    for user in &people {
        note_revoked(shared, *user, hospital, Some("the hospital was closed"))?;
    }
    Ok(people)
}

/// Gives back what [`end_all`] ended and nobody has revoked since.
pub(in crate::services) fn come_back(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
) -> QueryResult<()> {
    let ended = tenant_access::table
        .filter(tenant_access::hospital_id.eq(hospital))
        .filter(tenant_access::closed_with_hospital.eq(true));
    let people = ended.select((tenant_access::user_id, tenant_access::role));
    let people: Vec<(Id<User>, Role)> = people.load(shared)?;
    diesel::update(ended)
        .set((
            tenant_access::active.eq(true),
            tenant_access::closed_with_hospital.eq(false),
        ))
        .execute(shared)?;
    for (user, role) in people {
        note_granted(shared, user, hospital, role)?;
    }
    Ok(())
}

/// How many of those whom [`come_back`] would make members again count for the limit of a plan.
pub(in crate::services) fn coming_back(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
) -> QueryResult<i64> {
    tenant_access::table
        .inner_join(users::table)
        .filter(tenant_access::hospital_id.eq(hospital))
        .filter(tenant_access::closed_with_hospital.eq(true))
        .filter(tenant_access::role.ne(Role::Patient))
        .filter(users::active.eq(true))
        .count()
        .get_result(shared)
}

/// Takes out all memberships of a hospital that is taken out itself.
pub(in crate::services) fn take_out(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
) -> QueryResult<()> {
    let rows = tenant_access::table.filter(tenant_access::hospital_id.eq(hospital));
    let members = rows.filter(tenant_access::active.eq(true));
    let people: Vec<Id<User>> = members.select(tenant_access::user_id).load(shared)?;
    diesel::delete(rows).execute(shared)?;
    for user in people {
        note_revoked(shared, user, hospital, Some(UNDONE))?;
    }
    Ok(())
}

/// Makes a user a member, whether they were one or not, and enters it. Inside a transaction that goes if this fails.
pub(super) fn grant(
    shared: &mut SharedContext,
    user: Id<User>,
    hospital: Id<Hospital>,
    role: Role,
    now: NaiveDateTime,
) -> Result<(), AccountError> {
    use diesel::dsl::count_star;

    refuse_closed(shared, hospital)?;
    let present_role = role_in(shared, user, hospital)?;
    if !present_role.is_some_and(|present| present != Role::Patient) {
        check_room(shared, hospital, role)?;
    }
    let starts = tenant_access::table
        .filter(tenant_access::user_id.eq(user))
        .filter(tenant_access::is_default.eq(true))
        .select(count_star());
    let starts: i64 = starts.get_result(shared)?;
    let present = tenant_access::table
        .filter(tenant_access::user_id.eq(user))
        .filter(tenant_access::hospital_id.eq(hospital));
    let changed = diesel::update(present)
        .set((
            tenant_access::role.eq(role),
            tenant_access::active.eq(true),
            tenant_access::closed_with_hospital.eq(false),
        ))
        .execute(shared)?;
    if changed == 0 {
        let row = NewTenantAccess {
            id: Id::<TenantAccess>::new(),
            user_id: user,
            hospital_id: hospital,
            role,
            is_default: starts == 0,
            created_at: now,
        };
        diesel::insert_into(tenant_access::table)
            .values(&row)
            .execute(shared)?;
    } else if starts == 0 {
        diesel::update(present)
            .set(tenant_access::is_default.eq(true))
            .execute(shared)?;
    }
    Ok(note_granted(shared, user, hospital, role)?)
}

/// Why a membership ended that a run had made.
const UNDONE: &str = "the run that gave it was undone";

fn note_granted(
    shared: &mut SharedContext,
    user: Id<User>,
    hospital: Id<Hospital>,
    role: Role,
) -> QueryResult<()> {
    let note = about(GRANTED, user)
        .with("hospital", hospital.to_string())
        .with("role", role.as_str());
    shared.audit(&note)
}

/// `why` where nobody revoked it as such.
fn note_revoked(
    shared: &mut SharedContext,
    user: Id<User>,
    hospital: Id<Hospital>,
    why: Option<&'static str>,
) -> QueryResult<()> {
    let note = about(REVOKED, user).with("hospital", hospital.to_string());
    shared.audit(&match why {
        Some(why) => note.with("why", why),
        None => note,
    })
}
