//! The pointer from a hospital's record of a person to their account.
use chrono::NaiveDateTime;
use diesel::prelude::*;
use uuid::Uuid;

use super::{AccountError, Accounts, access, membership};
use crate::context::{RunQueryDsl, SharedContext, TenantContext};
use crate::id::{Id, SharedRef};
use crate::models::schema::tenant::{doctors, patients, staff_members};
use crate::models::shared::accounts::User;
use crate::models::tenant::doctors::Doctor;
use crate::models::tenant::patients::Patient;
use crate::models::tenant::staff::StaffMember;

impl Accounts {
    /// Links a member of staff to the account of a user who is a member of the hospital. Doing it again changes nothing.
    ///
    /// The record is in one database and the membership in another: it is looked at first, and what becomes of it
    /// afterwards is for the audit of shared references to find.
    ///
    /// # Errors
    /// [`AccountError::UnknownUser`], [`AccountError::NotAMember`], [`AccountError::UnknownRecord`],
    /// [`AccountError::LinkedToAnother`], [`AccountError::UserLinked`]; [`AccountError::Query`].
    pub fn link_staff(
        &self,
        shared: &mut SharedContext,
        tenant: &mut TenantContext,
        staff: Id<StaffMember>,
        user: Id<User>,
        now: NaiveDateTime,
    ) -> Result<(), AccountError> {
        self.check_member(shared, tenant, user)?;
        tenant.transaction(|tenant| {
            link_staff(tenant, staff, user, now)?;
            enter(shared, tenant, user, *staff.as_uuid())
        })
    }

    /// Links a doctor, which is the doctor's record as a member of staff. Otherwise as [`link_staff`](Self::link_staff).
    ///
    /// # Errors
    /// As [`link_staff`](Self::link_staff).
    pub fn link_doctor(
        &self,
        shared: &mut SharedContext,
        tenant: &mut TenantContext,
        doctor: Id<Doctor>,
        user: Id<User>,
        now: NaiveDateTime,
    ) -> Result<(), AccountError> {
        self.check_member(shared, tenant, user)?;
        tenant.transaction(|tenant| {
            let staff = staff_of_doctor(tenant, doctor)?;
            link_staff(tenant, staff, user, now)?;
            enter(shared, tenant, user, *staff.as_uuid())
        })
    }

    /// Links a patient to their own account. Otherwise as [`link_staff`](Self::link_staff).
    ///
    /// # Errors
    /// As [`link_staff`](Self::link_staff).
    pub fn link_patient(
        &self,
        shared: &mut SharedContext,
        tenant: &mut TenantContext,
        patient: Id<Patient>,
        user: Id<User>,
        now: NaiveDateTime,
    ) -> Result<(), AccountError> {
        self.check_member(shared, tenant, user)?;
        tenant.transaction(|tenant| {
            link_patient(tenant, patient, user, now)?;
            enter(shared, tenant, user, *patient.as_uuid())
        })
    }

    fn check_member(
        &self,
        shared: &mut SharedContext,
        tenant: &TenantContext,
        user: Id<User>,
    ) -> Result<(), AccountError> {
        super::find(shared, user)?;
        let hospital = membership::hospital_of(shared, tenant.tenant_uuid())?;
        let tenant = tenant.tenant_id();
        match membership::role_in(shared, user, hospital)? {
            Some(_) => Ok(()),
            None => Err(AccountError::NotAMember { tenant }),
        }
    }
}

/// Enters a link just before it is committed: where the commit fails there is an entry too many, and never one too few.
fn enter(
    shared: &mut SharedContext,
    tenant: &TenantContext,
    user: Id<User>,
    record: Uuid,
) -> Result<(), AccountError> {
    let hospital = membership::hospital_of(shared, tenant.tenant_uuid())?;
    let note = access::about(access::LINKED, user).with("hospital", hospital.to_string());
    Ok(shared.audit(&note.with("record", record.to_string()))?)
}

/// Inside a transaction of the tenant's, for a user who is a member.
pub(in crate::services) fn link_patient(
    tenant: &mut TenantContext,
    patient: Id<Patient>,
    user: Id<User>,
    now: NaiveDateTime,
) -> Result<(), AccountError> {
    let user_ref = SharedRef::from(user);
    let present = patients::table.find(patient).select(patients::user_id);
    let present: Option<Option<SharedRef<User>>> = present.first(tenant).optional()?;
    let present = present.ok_or_else(|| unknown("patient", tenant))?;
    refuse_another(present, user)?;
    if present.is_none() {
        refuse_second_patient(tenant, user)?;
    }
    diesel::update(patients::table.find(patient))
        .set((patients::user_id.eq(user_ref), patients::updated_at.eq(now)))
        .execute(tenant)?;
    Ok(())
}

/// The doctor's record as a member of staff.
pub(in crate::services) fn staff_of_doctor(
    tenant: &mut TenantContext,
    doctor: Id<Doctor>,
) -> Result<Id<StaffMember>, AccountError> {
    let staff = doctors::table.find(doctor).select(doctors::staff_member_id);
    let staff: Option<Id<StaffMember>> = staff.first(tenant).optional()?;
    staff.ok_or_else(|| unknown("doctor", tenant))
}

/// As [`link_patient`].
pub(in crate::services) fn link_staff(
    tenant: &mut TenantContext,
    staff: Id<StaffMember>,
    user: Id<User>,
    now: NaiveDateTime,
) -> Result<(), AccountError> {
    let present = staff_members::table
        .find(staff)
        .select(staff_members::user_id);
    let present: Option<Option<SharedRef<User>>> = present.first(tenant).optional()?;
    let present = present.ok_or_else(|| unknown("member of staff", tenant))?;
    refuse_another(present, user)?;
    if present.is_none() {
        refuse_second_staff(tenant, user)?;
    }
    diesel::update(staff_members::table.find(staff))
        .set((
            staff_members::user_id.eq(SharedRef::from(user)),
            staff_members::updated_at.eq(now),
        ))
        .execute(tenant)?;
    Ok(())
}

/// A user has one record of a kind in a hospital.
pub(in crate::services) fn refuse_second_patient(
    tenant: &mut TenantContext,
    user: Id<User>,
) -> Result<(), AccountError> {
    let present = patients::table.filter(patients::user_id.eq(SharedRef::from(user)));
    match present.count().get_result::<i64>(tenant)? {
        0 => Ok(()),
        _ => Err(AccountError::UserLinked { what: "patient" }),
    }
}

/// As [`refuse_second_patient`].
pub(in crate::services) fn refuse_second_staff(
    tenant: &mut TenantContext,
    user: Id<User>,
) -> Result<(), AccountError> {
    let present = staff_members::table.filter(staff_members::user_id.eq(SharedRef::from(user)));
    match present.count().get_result::<i64>(tenant)? {
        0 => Ok(()),
        _ => Err(AccountError::UserLinked {
            what: "member of staff",
        }),
    }
}

fn refuse_another(present: Option<SharedRef<User>>, user: Id<User>) -> Result<(), AccountError> {
    match present {
        Some(other) if other.id() != user => Err(AccountError::LinkedToAnother),
        _ => Ok(()),
    }
}

pub(in crate::services) fn unknown(what: &'static str, tenant: &TenantContext) -> AccountError {
    let tenant = tenant.tenant_id();
    AccountError::UnknownRecord { what, tenant }
}
