//! Taking people in: a patient, or a member of staff, with an account or without, both or neither.
//!
//! The record of a person is in the hospital's database, their account is in the shared one, and no transaction spans the
//! two. So this is a [workflow](crate::workflow): the account is made, then the record, which commits; a crash in between
//! takes the account out again, and never leaves a record that points to nobody. Register it with
//! [`Builder::workflow`](crate::Builder::workflow)`(`[`Admission::default`]`())`. A person without an account is one
//! transaction in the hospital's database, and no workflow unless there is a key.
//!
//! **Numbers** (`DMC001-PAT-000002`) come from a row that is counted up in the transaction that writes the record: one
//! that fails gives its number back.
//!
//! **Limits** of the plan are checked in the transaction that makes what they limit, or switches a patient's record on
//! again ([`Admissions::reactivate_patient`]), and the subscription must let the hospital in: nobody is taken in on a
//! subscription that is over. They are checked here and nowhere else: neither the database nor the types know of plans, and
//! a row that is inserted or changed by a statement of one's own is past them.
//!
//! **The password** that was made up is in [`GivenAccount::password`] and nowhere else: the journal has never seen it,
//! the database has its hash. Asked for again with the same key, the run gives the same record and the same account, and
//! *no* password: whoever lost the answer calls [`Accounts::reset_password`].
//!
//! # Example
//! ```
//! # fn example(tenancy: &diesel_tenants::Tenancy) -> Result<(), Box<dyn std::error::Error>> {
//! use chrono::NaiveDate;
//! use diesel_tenants::models::tenant::patients::Sex;
//! use diesel_tenants::services::admission::{AccountWanted, Admissions, PatientDetails};
//! use diesel_tenants::services::now;
//!
//! let born = NaiveDate::from_ymd_opt(1990, 5, 17).ok_or("no such day")?;
//! let ada = PatientDetails::named("Ada", "Lovelace", born, Sex::Female);
//! let account = AccountWanted::new("ada@example.org");
//! // The key comes with the form: a form that is sent twice admits once.
//! let key = Some("form-1f8e".parse()?);
//! let admitted = Admissions::default().admit(tenancy, &"DMC001".parse()?, key, ada, account, now())?;
//! assert_eq!(admitted.number, "DMC001-PAT-000001");
//! let account = admitted.account.ok_or("an account was asked for")?;
//! assert_eq!(account.username, "ada.lovelace.patient");
//! # Ok(())
//! # }
//! ```
use chrono::NaiveDateTime;
use diesel::prelude::*;

mod details;
mod error;
mod steps;

pub use self::details::{AccountWanted, DoctorDetails, PatientDetails, StaffDetails};
pub use self::error::{AdmissionError, BadField};
pub use self::steps::{Admission, Order, Written};

use self::details::Names;
use self::steps::{Prepared, Record, RecordId};
use super::accounts::{AccountError, Accounts, NewAccount, OneTimePassword, links};
use crate::context::{RunQueryDsl, TenantContext};
use crate::error::OpenError;
use crate::id::Id;
use crate::models::schema::tenant::{patients, staff_members};
use crate::models::shared::accounts::{Role, User};
use crate::models::tenant::doctors::Doctor;
use crate::models::tenant::patients::Patient;
use crate::models::tenant::staff::StaffMember;
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;
use crate::workflow::IdempotencyKey;

/// Takes people in. Holds no connection and no state but the rules for accounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Admissions {
    accounts: Accounts,
}

/// A patient who was admitted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Admitted {
    /// Their record.
    pub patient: Id<Patient>,
    /// Its number, as in `DMC001-PAT-000002`.
    pub number: String,
    /// Their account, if one was wanted.
    pub account: Option<GivenAccount>,
}

/// Somebody who was hired.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Hired {
    /// Their record.
    pub staff: Id<StaffMember>,
    /// Its number, as in `DMC001-EMP-0001`.
    pub number: String,
    /// Their record as a doctor, if they are one.
    pub doctor: Option<Id<Doctor>>,
    /// Their account, if one was wanted.
    pub account: Option<GivenAccount>,
}

/// The account of somebody who was taken in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GivenAccount {
    /// The user's key.
    pub user: Id<User>,
    /// What they log in with.
    pub username: String,
    /// Their first password, to be shown once. There for an account that was made by this very call: not for one that
    /// was there before, and not where an earlier call with the same key made it.
    pub password: Option<OneTimePassword>,
}

/// A record of somebody in a hospital, which an account can be linked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Person {
    /// A patient's.
    Patient(Id<Patient>),
    /// A member of staff's.
    Staff(Id<StaffMember>),
    /// A doctor's; the link is in their record as a member of staff.
    Doctor(Id<Doctor>),
}

impl Admissions {
    /// With these rules for accounts.
    #[must_use]
    pub fn new(accounts: Accounts) -> Self {
        Self { accounts }
    }

    /// Makes a patient, with an account or without. All or nothing, also when the process is killed in between.
    ///
    /// A new account is a member of the hospital as [`Role::Patient`]. With a key, what was sent twice is done once: see
    /// [`Tenancy::run_workflow`], and the [module](self) for what the second one is told. White space around what is
    /// given is taken off, and what is then empty is not given.
    ///
    /// # Errors
    /// See [`AdmissionError`]. Nothing was made, unless it [says](AdmissionError::is_retryable) to ask again.
    pub fn admit(
        &self,
        tenancy: &Tenancy,
        hospital: &TenantId,
        key: Option<IdempotencyKey>,
        patient: PatientDetails,
        account: AccountWanted,
        now: NaiveDateTime,
    ) -> Result<Admitted, AdmissionError> {
        let patient = patient.checked(now.date())?;
        let names = Names::of(&patient.given_name, &patient.family_name);
        let record = Record::NewPatient(Box::new(patient));
        let order = Order::new(record, account, Role::Patient, names)?;
        let (written, account) = self.take_in(tenancy, hospital, key, order, now)?;
        match written.record {
            RecordId::Patient(patient) => Ok(Admitted {
                patient,
                number: written.number,
                account,
            }),
            RecordId::Staff { .. } => unreachable!("a patient was written"),
        }
    }

    /// Makes a member of staff, and a doctor if they are one, with an account or without. Otherwise as
    /// [`admit`](Self::admit).
    ///
    /// `role` is what the account is in the hospital: a right, which the record's kind does not give.
    ///
    /// # Errors
    /// See [`AdmissionError`].
    #[expect(clippy::too_many_arguments, reason = "who, where, as what, and when")]
    pub fn hire(
        &self,
        tenancy: &Tenancy,
        hospital: &TenantId,
        key: Option<IdempotencyKey>,
        staff: StaffDetails,
        account: AccountWanted,
        role: Role,
        now: NaiveDateTime,
    ) -> Result<Hired, AdmissionError> {
        let staff = staff.checked()?;
        let names = Names::of(&staff.given_name, &staff.family_name);
        let record = Record::NewStaff(Box::new(staff));
        let order = Order::new(record, account, role, names)?;
        let (written, account) = self.take_in(tenancy, hospital, key, order, now)?;
        match written.record {
            RecordId::Staff { staff, doctor } => Ok(Hired {
                staff,
                number: written.number,
                doctor,
                account,
            }),
            RecordId::Patient(_) => unreachable!("a member of staff was written"),
        }
    }

    /// Gives an account to somebody who has a record: a new one, or one that is there, which becomes a member of the
    /// hospital in `role` if it is none. One that is a member keeps the role it has. Otherwise as
    /// [`admit`](Self::admit).
    ///
    /// # Errors
    /// See [`AdmissionError`]; in particular [`AccountError::LinkedToAnother`](super::accounts::AccountError) where the
    /// record has another account.
    #[expect(clippy::too_many_arguments, reason = "who, where, as what, and when")]
    pub fn give_account(
        &self,
        tenancy: &Tenancy,
        hospital: &TenantId,
        key: Option<IdempotencyKey>,
        person: Person,
        account: AccountWanted,
        role: Role,
        now: NaiveDateTime,
    ) -> Result<Option<GivenAccount>, AdmissionError> {
        let names = names_of(&mut tenancy.tenant(hospital)?, person)?;
        let order = Order::new(Record::Known(person.into()), account, role, names)?;
        let (_, account) = self.take_in(tenancy, hospital, key, order, now)?;
        Ok(account)
    }

    /// Switches the record of a patient on again that was switched off (`active`), if the plan has room for one more and the
    /// subscription lets the hospital take somebody in. Changes nothing where it is on. Switching it off needs no check: a
    /// plain update of the row does.
    ///
    /// # Errors
    /// [`AccountError::UnknownHospital`](super::accounts::AccountError), and `UnknownRecord` where there is no such patient;
    /// [`SubscriptionError`](super::subscriptions::SubscriptionError), the limit among them; those of the databases.
    pub fn reactivate_patient(
        &self,
        tenancy: &Tenancy,
        hospital: &TenantId,
        patient: Id<Patient>,
        now: NaiveDateTime,
    ) -> Result<(), AdmissionError> {
        let tenant = match tenancy.handle(hospital) {
            Err(OpenError::UnknownTenant { .. }) => {
                return Err(AccountError::UnknownHospital.into());
            }
            found => found?,
        };
        let (_, limits) = steps::allowed(&mut tenancy.shared()?, tenant.uuid(), now)?;
        tenant.enter()?.transaction(|tenant| {
            let row = patients::table.find(patient);
            let active = row.select(patients::active).first(tenant).optional()?;
            match active {
                None => return Err(links::unknown("patient", tenant).into()),
                Some(true) => return Ok(()),
                Some(false) => limits.check_patients(tenant)?,
            }
            diesel::update(row)
                .set((patients::active.eq(true), patients::updated_at.eq(now)))
                .execute(tenant)?;
            Ok(())
        })
    }

    fn take_in(
        &self,
        tenancy: &Tenancy,
        hospital: &TenantId,
        key: Option<IdempotencyKey>,
        order: Order,
        now: NaiveDateTime,
    ) -> Result<(Written, Option<GivenAccount>), AdmissionError> {
        // The hash takes its time, so it is made before anything is locked.
        let first = match &order.account {
            AccountWanted::New { .. } => Some(self.accounts.first_password()?),
            _ => None,
        };
        let prepared = Prepared::new(now, first);
        if key.is_none() && order.account == AccountWanted::None {
            let written = steps::without_account(tenancy, hospital, &order, &prepared)?;
            return Ok((written, None));
        }
        let admission = Admission::with(prepared);
        let written = tenancy.run_workflow(&admission, hospital, key, order)?;
        let account = written
            .account
            .clone()
            .map(|(user, username)| GivenAccount {
                // The key of a user whom another run made is not the one this one had in mind.
                password: admission.password_of(user),
                user,
                username,
            });
        Ok((written, account))
    }
}

/// What the person is called in their record.
fn names_of(tenant: &mut TenantContext, person: Person) -> Result<Names, AdmissionError> {
    let found: Option<(String, String)> = match person {
        Person::Patient(patient) => patients::table
            .find(patient)
            .select((patients::given_name, patients::family_name))
            .first(tenant)
            .optional()?,
        Person::Staff(_) | Person::Doctor(_) => {
            let staff = match person {
                Person::Doctor(doctor) => links::staff_of_doctor(tenant, doctor)?,
                Person::Staff(staff) => staff,
                Person::Patient(_) => unreachable!("matched above"),
            };
            staff_members::table
                .find(staff)
                .select((staff_members::given_name, staff_members::family_name))
                .first(tenant)
                .optional()?
        }
    };
    match found {
        Some((given, family)) => Ok(Names::of(&given, &family)),
        None => Err(links::unknown(person.what(), tenant).into()),
    }
}

impl Person {
    fn what(self) -> &'static str {
        match self {
            Self::Patient(_) => "patient",
            Self::Staff(_) => "member of staff",
            Self::Doctor(_) => "doctor",
        }
    }
}

impl Names {
    /// The account of somebody of these names.
    fn account(&self, email: &str) -> NewAccount {
        NewAccount::new(&*self.given, &*self.family, email)
    }
}
