//! The workflow: an account in the shared database, a record in the hospital's.
use std::fmt;

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::details::{AccountWanted, Names, PatientDetails, StaffDetails};
use super::{AdmissionError, Person};
use crate::backend::DefaultConnection;
use crate::context::{RunQueryDsl, SharedContext, TenantContext};
use crate::error::OpenError;
use crate::id::{Id, SharedRef};
use crate::models::schema::shared::users;
use crate::models::schema::tenant::{doctors, patients, staff_members};
use crate::models::shared::accounts::{Hospital, Role, User};
use crate::models::tenant::doctors::{Doctor, NewDoctor};
use crate::models::tenant::patients::Patient;
use crate::models::tenant::staff::StaffMember;
use crate::services::accounts::making::{FirstPassword, make, unmake};
use crate::services::accounts::membership::{Before, hospital_of, join, unjoin};
use crate::services::accounts::{AccountError, OneTimePassword, links};
use crate::services::numbers::{Document, next_number};
use crate::services::subscriptions::{self, Limits};
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;
use crate::workflow::{Flow, Halt, Workflow};

/// What is to be done, as it stands in the journal while it is being done. Made by [`Admissions`](super::Admissions).
#[derive(Clone, Serialize, Deserialize)]
pub struct Order {
    pub(super) record: Record,
    pub(super) account: AccountWanted,
    role: Role,
    names: Names,
}

/// Shows nothing of the person.
impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order").finish_non_exhaustive()
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) enum Record {
    NewPatient(Box<PatientDetails>),
    NewStaff(Box<StaffDetails>),
    Known(KnownPerson),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) enum KnownPerson {
    Patient(Id<Patient>),
    Staff(Id<StaffMember>),
    Doctor(Id<Doctor>),
}

impl From<Person> for KnownPerson {
    fn from(person: Person) -> Self {
        match person {
            Person::Patient(id) => Self::Patient(id),
            Person::Staff(id) => Self::Staff(id),
            Person::Doctor(id) => Self::Doctor(id),
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum RecordId {
    Patient(Id<Patient>),
    Staff {
        staff: Id<StaffMember>,
        doctor: Option<Id<Doctor>>,
    },
}

/// What was done, as it stays in the journal for as long as the key gives the same answer: ids, the number and the user
/// name. Read by [`Admissions`](super::Admissions).
#[derive(Clone, Serialize, Deserialize)]
pub struct Written {
    pub(super) record: RecordId,
    pub(super) number: String,
    pub(super) account: Option<(Id<User>, String)>,
}

/// User names are made of names of persons.
impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Written")
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}

/// What the account step made.
#[derive(Serialize, Deserialize)]
struct Opened {
    limits: Limits,
    hospital: Id<Hospital>,
    account: Opening,
}

#[derive(Serialize, Deserialize)]
enum Opening {
    None,
    Made {
        user: Id<User>,
        username: String,
    },
    Joined {
        user: Id<User>,
        username: String,
        before: Before,
    },
}

impl Opening {
    fn user(&self) -> Option<(Id<User>, &str)> {
        match self {
            Self::None => None,
            Self::Made { user, username } | Self::Joined { user, username, .. } => {
                Some((*user, username))
            }
        }
    }
}

/// What a run has beside its order and must not stand in the journal.
pub(super) struct Prepared {
    now: NaiveDateTime,
    user: Id<User>,
    first: Option<FirstPassword>,
}

impl Prepared {
    pub(super) fn new(now: NaiveDateTime, first: Option<FirstPassword>) -> Self {
        let user = Id::new();
        Self { now, user, first }
    }
}

/// The workflow of [`Admissions`](super::Admissions), to be registered with
/// [`Builder::workflow`](crate::Builder::workflow).
///
/// | killed after | recovery |
/// |---|---|
/// | the account and its membership, in one shared transaction | takes both out |
/// | **the record**, with its number, in one transaction of the hospital's database | ends the run |
/// | the run is over | has nothing to do, but for emptying the journal |
///
/// The one that is registered recovers what was left; it begins nothing, and needs no clock and no password for that:
/// what was not done by the process that began a run is not done, up to the record, and after it there is nothing.
#[derive(Default)]
pub struct Admission(Option<Prepared>);

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Admission(…)")
    }
}

const BEGUN_BY_ADMISSIONS: &str =
    "orders are made by `Admissions`, which prepares what their steps need";

impl Admission {
    pub(super) fn with(prepared: Prepared) -> Self {
        Self(Some(prepared))
    }

    /// The password of the user this very run has made.
    pub(super) fn password_of(self, user: Id<User>) -> Option<OneTimePassword> {
        let prepared = self.0.filter(|prepared| prepared.user == user)?;
        prepared.first.map(|first| first.password)
    }

    fn prepared(&self) -> &Prepared {
        self.0.as_ref().expect(BEGUN_BY_ADMISSIONS)
    }
}

impl Workflow for Admission {
    const NAME: &'static str = "hospital.admission";
    type Input = Order;
    type Output = Written;
    type Error = AdmissionError;

    fn run<'a>(
        &'a self,
        flow: &mut Flow<'a, DefaultConnection, Self>,
        order: &'a Order,
    ) -> Result<Written, Halt<AdmissionError>> {
        let tenant = flow.tenant_uuid();
        let opened = flow.shared_or_undo(
            "account",
            |shared| order.open(shared, tenant, self.prepared()),
            |shared, opened: Opened| Ok(opened.close(shared)?),
        )?;
        let account = opened.account.user();
        let (record, number) = flow.committing().tenant("record", |tenant| {
            let user = account.map(|(user, _)| user);
            order
                .record
                .write(tenant, &opened.limits, user, self.prepared())
        })?;
        Ok(Written {
            record,
            number,
            account: account.map(|(user, username)| (user, username.to_owned())),
        })
    }
}

/// The hospital of a tenant and what its plan allows, if its subscription lets it take somebody in.
pub(super) fn allowed(
    shared: &mut SharedContext,
    tenant: Uuid,
    now: NaiveDateTime,
) -> Result<(Id<Hospital>, Limits), AdmissionError> {
    let hospital = hospital_of(shared, tenant)?;
    subscriptions::require_active(shared, hospital, now.date())?;
    Ok((hospital, subscriptions::limits(shared, hospital)?))
}

/// The one transaction of somebody who gets no account.
pub(super) fn without_account(
    tenancy: &Tenancy,
    tenant: &TenantId,
    order: &Order,
    prepared: &Prepared,
) -> Result<Written, AdmissionError> {
    let tenant = match tenancy.handle(tenant) {
        Err(OpenError::UnknownTenant { .. }) => return Err(AccountError::UnknownHospital.into()),
        found => found?,
    };
    let opened = order.open(&mut tenancy.shared()?, Some(tenant.uuid()), prepared)?;
    let (record, number) = tenant
        .enter()?
        .transaction(|tenant| order.record.write(tenant, &opened.limits, None, prepared))?;
    Ok(Written {
        record,
        number,
        account: None,
    })
}

impl Order {
    pub(super) fn new(
        record: Record,
        account: AccountWanted,
        role: Role,
        names: Names,
    ) -> Result<Self, AdmissionError> {
        let account = account.trimmed();
        if let AccountWanted::New { email } = &account {
            names.account(email).check()?;
        }
        Ok(Self {
            record,
            account,
            role,
            names,
        })
    }

    /// Whether the hospital may take somebody in, and the account, if one is wanted.
    fn open(
        &self,
        shared: &mut SharedContext,
        tenant: Option<Uuid>,
        prepared: &Prepared,
    ) -> Result<Opened, AdmissionError> {
        let now = prepared.now;
        let tenant = tenant.ok_or(AccountError::UnknownHospital)?;
        let (hospital, limits) = allowed(shared, tenant, now)?;
        let account = match &self.account {
            AccountWanted::None => Opening::None,
            AccountWanted::New { email } => {
                let new = self.names.account(email).member_of(hospital, self.role);
                let first = prepared.first.as_ref().expect(BEGUN_BY_ADMISSIONS);
                let user = prepared.user;
                let username = make(shared, &new, user, &first.hash, now)?;
                Opening::Made { user, username }
            }
            AccountWanted::Existing { user } => {
                let user = *user;
                let before = join(shared, user, hospital, self.role, now)?;
                let username = users::table.find(user).select(users::username);
                let username = username.first(shared)?;
                Opening::Joined {
                    user,
                    username,
                    before,
                }
            }
        };
        Ok(Opened {
            limits,
            hospital,
            account,
        })
    }
}

impl Opened {
    fn close(self, shared: &mut SharedContext) -> QueryResult<()> {
        match self.account {
            Opening::None => Ok(()),
            Opening::Made { user, .. } => unmake(shared, user),
            Opening::Joined { user, before, .. } => unjoin(shared, user, self.hospital, before),
        }
    }
}

impl Record {
    /// Writes the record, or the link into it, in a transaction of the caller's.
    fn write(
        &self,
        tenant: &mut TenantContext,
        limits: &Limits,
        user: Option<Id<User>>,
        prepared: &Prepared,
    ) -> Result<(RecordId, String), AdmissionError> {
        match self {
            Self::NewPatient(patient) => new_patient(tenant, patient, limits, user, prepared.now),
            Self::NewStaff(staff) => new_staff(tenant, staff, limits, user, prepared.now),
            Self::Known(person) => known(tenant, *person, user, prepared.now),
        }
    }
}

fn new_patient(
    tenant: &mut TenantContext,
    patient: &PatientDetails,
    limits: &Limits,
    user: Option<Id<User>>,
    now: NaiveDateTime,
) -> Result<(RecordId, String), AdmissionError> {
    limits.check_patients(tenant)?;
    if let Some(user) = user {
        links::refuse_second_patient(tenant, user)?;
    }
    let number = next_number(tenant, Document::Patient, now.date())?;
    let row = patient.row(&number, user.map(SharedRef::from), now);
    diesel::insert_into(patients::table)
        .values(&row)
        .execute(tenant)?;
    Ok((RecordId::Patient(row.id), number))
}

fn new_staff(
    tenant: &mut TenantContext,
    staff: &StaffDetails,
    limits: &Limits,
    user: Option<Id<User>>,
    now: NaiveDateTime,
) -> Result<(RecordId, String), AdmissionError> {
    if let Some(user) = user {
        links::refuse_second_staff(tenant, user)?;
    }
    let today = now.date();
    let number = next_number(tenant, Document::StaffMember, today)?;
    let row = staff.row(&number, user.map(SharedRef::from), now);
    diesel::insert_into(staff_members::table)
        .values(&row)
        .execute(tenant)?;
    let doctor = match &staff.doctor {
        Some(doctor) => {
            limits.check_doctors(tenant)?;
            let number = next_number(tenant, Document::Doctor, today)?;
            let row = NewDoctor {
                id: Id::new(),
                staff_member_id: row.id,
                number: &number,
                specialization: &doctor.specialization,
                license_number: &doctor.license_number,
                qualification: doctor.qualification.as_deref(),
                consultation_fee: doctor.consultation_fee,
                created_at: now,
            };
            diesel::insert_into(doctors::table)
                .values(&row)
                .execute(tenant)?;
            Some(row.id)
        }
        None => None,
    };
    let staff = row.id;
    Ok((RecordId::Staff { staff, doctor }, number))
}

/// The link of somebody who has a record.
fn known(
    tenant: &mut TenantContext,
    person: KnownPerson,
    user: Option<Id<User>>,
    now: NaiveDateTime,
) -> Result<(RecordId, String), AdmissionError> {
    let record = match person {
        KnownPerson::Patient(patient) => {
            if let Some(user) = user {
                links::link_patient(tenant, patient, user, now)?;
            }
            RecordId::Patient(patient)
        }
        KnownPerson::Staff(staff) => RecordId::Staff {
            staff,
            doctor: None,
        },
        KnownPerson::Doctor(doctor) => RecordId::Staff {
            staff: links::staff_of_doctor(tenant, doctor)?,
            doctor: Some(doctor),
        },
    };
    if let (RecordId::Staff { staff, .. }, Some(user)) = (record, user) {
        links::link_staff(tenant, staff, user, now)?;
    }
    let number = match record {
        RecordId::Patient(patient) => patients::table
            .find(patient)
            .select(patients::number)
            .first(tenant)?,
        RecordId::Staff { staff, .. } => staff_members::table
            .find(staff)
            .select(staff_members::number)
            .first(tenant)?,
    };
    Ok((record, number))
}
