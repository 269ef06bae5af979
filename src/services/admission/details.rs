//! What is said of somebody who is to be taken in, and what is refused of it.
use std::fmt;

use chrono::{Days, Months, NaiveDate, NaiveDateTime};
use serde::{Deserialize, Serialize};

use super::{AdmissionError, BadField};
use crate::id::{Id, SharedRef};
use crate::models::shared::accounts::User;
use crate::models::tenant::patients::{NewPatient, Sex};
use crate::models::tenant::staff::{Department, Employment, NewStaffMember, Shift, StaffKind};
use crate::money::Money;
use crate::services::accounts::email;

/// The longest name, in characters.
const NAME: usize = 100;
/// The longest line.
const LINE: usize = 200;
/// The longest text of several lines.
const TEXT: usize = 10_000;

/// Which account somebody is to have.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum AccountWanted {
    /// None.
    None,
    /// One that is made.
    #[non_exhaustive]
    New {
        /// Its e-mail address.
        email: String,
    },
    /// One that is there.
    #[non_exhaustive]
    Existing {
        /// Whose.
        user: Id<User>,
    },
}

/// Shows no address.
impl fmt::Debug for AccountWanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::New { .. } => f.write_str("New(…)"),
            Self::Existing { user } => f.debug_tuple("Existing").field(user).finish(),
        }
    }
}

impl AccountWanted {
    /// A new one with this address.
    pub fn new(email: impl Into<String>) -> Self {
        Self::New {
            email: email.into(),
        }
    }

    /// That of a user.
    #[must_use]
    pub fn of(user: Id<User>) -> Self {
        Self::Existing { user }
    }

    /// As it is kept and compared.
    pub(super) fn trimmed(self) -> Self {
        match self {
            Self::New { email } => Self::new(email.trim().to_lowercase()),
            other => other,
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Names {
    pub(super) given: String,
    pub(super) family: String,
}

impl Names {
    pub(super) fn of(given: &str, family: &str) -> Self {
        Self {
            given: given.to_owned(),
            family: family.to_owned(),
        }
    }
}

/// A patient who is to be admitted: what is in [`NewPatient`], owned, without what the admission finds out itself. As JSON,
/// what is left out is not given.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PatientDetails {
    /// Given name: 1 to 100 characters, like every name.
    pub given_name: String,
    /// Further given names.
    #[serde(default)]
    pub middle_name: Option<String>,
    /// Family name.
    pub family_name: String,
    /// Date of birth.
    pub birth_date: NaiveDate,
    /// Sex as recorded.
    #[serde(default = "unknown")]
    pub sex: Sex,
    /// ABO and Rh, as in `O+`.
    #[serde(default)]
    pub blood_group: Option<String>,
    /// Telephone: up to 200 characters, like every other line.
    #[serde(default)]
    pub phone: Option<String>,
    /// Another telephone.
    #[serde(default)]
    pub alternate_phone: Option<String>,
    /// E-mail.
    #[serde(default)]
    pub email: Option<String>,
    /// Street and number: up to 10,000 characters in several lines, like every longer text.
    #[serde(default)]
    pub address: Option<String>,
    /// Town.
    #[serde(default)]
    pub city: Option<String>,
    /// State or province.
    #[serde(default)]
    pub region: Option<String>,
    /// Postal code.
    #[serde(default)]
    pub postal_code: Option<String>,
    /// Country.
    #[serde(default)]
    pub country: Option<String>,
    /// Whom to call.
    #[serde(default)]
    pub emergency_contact_name: Option<String>,
    /// Who that is to the patient.
    #[serde(default)]
    pub emergency_contact_relation: Option<String>,
    /// How to call them.
    #[serde(default)]
    pub emergency_contact_phone: Option<String>,
    /// Known allergies.
    #[serde(default)]
    pub allergies: Option<String>,
    /// Long-term conditions.
    #[serde(default)]
    pub chronic_conditions: Option<String>,
    /// What the patient takes.
    #[serde(default)]
    pub current_medications: Option<String>,
    /// Earlier illnesses and operations.
    #[serde(default)]
    pub medical_history: Option<String>,
    /// Illnesses in the family.
    #[serde(default)]
    pub family_history: Option<String>,
    /// Who pays.
    #[serde(default)]
    pub insurance_provider: Option<String>,
    /// Number of the policy.
    #[serde(default)]
    pub insurance_policy_number: Option<String>,
    /// Who enters the row.
    #[serde(default)]
    pub registered_by: Option<Id<User>>,
}

fn unknown() -> Sex {
    Sex::Unknown
}

/// Shows nothing of the person.
impl fmt::Debug for PatientDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatientDetails").finish_non_exhaustive()
    }
}

impl PatientDetails {
    /// A patient of whom no more is known yet; set the other fields afterwards.
    pub fn named(
        given_name: impl Into<String>,
        family_name: impl Into<String>,
        birth_date: NaiveDate,
        sex: Sex,
    ) -> Self {
        Self {
            given_name: given_name.into(),
            middle_name: None,
            family_name: family_name.into(),
            birth_date,
            sex,
            blood_group: None,
            phone: None,
            alternate_phone: None,
            email: None,
            address: None,
            city: None,
            region: None,
            postal_code: None,
            country: None,
            emergency_contact_name: None,
            emergency_contact_relation: None,
            emergency_contact_phone: None,
            allergies: None,
            chronic_conditions: None,
            current_medications: None,
            medical_history: None,
            family_history: None,
            insurance_provider: None,
            insurance_policy_number: None,
            registered_by: None,
        }
    }

    /// As it is written: without white space around, and nothing in place of what is empty.
    pub(super) fn checked(mut self, today: NaiveDate) -> Result<Self, AdmissionError> {
        name("the given name", &mut self.given_name)?;
        name("the family name", &mut self.family_name)?;
        // It may be tomorrow already where the hospital is.
        let tomorrow = today.checked_add_days(Days::new(1));
        let oldest = today.checked_sub_months(Months::new(150 * 12));
        let born = self.birth_date;
        if tomorrow.is_some_and(|day| born > day) || oldest.is_some_and(|day| born < day) {
            return Err(BadField::BirthDate.into());
        }
        for (field, text) in [
            ("the middle name", &mut self.middle_name),
            ("the blood group", &mut self.blood_group),
            ("the telephone", &mut self.phone),
            ("the other telephone", &mut self.alternate_phone),
            ("the e-mail address", &mut self.email),
            ("the town", &mut self.city),
            ("the region", &mut self.region),
            ("the postal code", &mut self.postal_code),
            ("the country", &mut self.country),
            ("the emergency contact", &mut self.emergency_contact_name),
            ("the relation", &mut self.emergency_contact_relation),
            ("the emergency telephone", &mut self.emergency_contact_phone),
            ("the insurance", &mut self.insurance_provider),
            ("the policy's number", &mut self.insurance_policy_number),
        ] {
            optional(field, text, LINE, line_has)?;
        }
        for (field, text) in [
            ("the address", &mut self.address),
            ("the allergies", &mut self.allergies),
            ("the conditions", &mut self.chronic_conditions),
            ("the medications", &mut self.current_medications),
            ("the history", &mut self.medical_history),
            ("the family's history", &mut self.family_history),
        ] {
            optional(field, text, TEXT, text_has)?;
        }
        if let Some(address) = &self.email {
            self.email = Some(email(address)?);
        }
        Ok(self)
    }

    pub(super) fn row<'a>(
        &'a self,
        number: &'a str,
        user: Option<SharedRef<User>>,
        now: NaiveDateTime,
    ) -> NewPatient<'a> {
        NewPatient {
            id: Id::new(),
            number,
            given_name: &self.given_name,
            middle_name: self.middle_name.as_deref(),
            family_name: &self.family_name,
            birth_date: self.birth_date,
            sex: self.sex,
            blood_group: self.blood_group.as_deref(),
            phone: self.phone.as_deref(),
            alternate_phone: self.alternate_phone.as_deref(),
            email: self.email.as_deref(),
            address: self.address.as_deref(),
            city: self.city.as_deref(),
            region: self.region.as_deref(),
            postal_code: self.postal_code.as_deref(),
            country: self.country.as_deref(),
            emergency_contact_name: self.emergency_contact_name.as_deref(),
            emergency_contact_relation: self.emergency_contact_relation.as_deref(),
            emergency_contact_phone: self.emergency_contact_phone.as_deref(),
            allergies: self.allergies.as_deref(),
            chronic_conditions: self.chronic_conditions.as_deref(),
            current_medications: self.current_medications.as_deref(),
            medical_history: self.medical_history.as_deref(),
            family_history: self.family_history.as_deref(),
            insurance_provider: self.insurance_provider.as_deref(),
            insurance_policy_number: self.insurance_policy_number.as_deref(),
            user_id: user,
            registered_by: self.registered_by.map(SharedRef::from),
            created_at: now,
        }
    }
}

/// Somebody who is to be hired.
#[derive(Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StaffDetails {
    /// What the person does.
    pub kind: StaffKind,
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
    /// Date of birth.
    pub birth_date: Option<NaiveDate>,
    /// Telephone.
    pub phone: Option<String>,
    /// E-mail.
    pub email: Option<String>,
    /// Where the person lives.
    pub address: Option<String>,
    /// Where the person works.
    pub department: Option<Id<Department>>,
    /// The title on the badge.
    pub position: Option<String>,
    /// Degrees and certificates.
    pub qualifications: Option<String>,
    /// On what terms: full time unless told otherwise.
    pub employment: Employment,
    /// The usual shift: in the morning unless told otherwise.
    pub shift: Shift,
    /// Pay of a month.
    pub salary: Option<Money>,
    /// First day of work.
    pub hired_on: NaiveDate,
    /// Last day of work, where it is known.
    pub contract_ends_on: Option<NaiveDate>,
    /// What makes them a doctor, if they are one.
    pub doctor: Option<DoctorDetails>,
    /// Who enters the row.
    pub created_by: Option<Id<User>>,
}

/// What makes a member of staff a doctor.
#[derive(Clone, Serialize, Deserialize)]
pub struct DoctorDetails {
    /// Field, as in `Cardiology`.
    pub specialization: String,
    /// Number of the licence.
    pub license_number: String,
    /// Degrees.
    pub qualification: Option<String>,
    /// Usual price of an appointment.
    pub consultation_fee: Money,
}

/// Shows nothing of the person.
impl fmt::Debug for StaffDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaffDetails").finish_non_exhaustive()
    }
}

/// Shows nothing of the person.
impl fmt::Debug for DoctorDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DoctorDetails").finish_non_exhaustive()
    }
}

impl StaffDetails {
    /// Somebody employed full time for the morning shift; set the other fields afterwards.
    pub fn named(
        kind: StaffKind,
        given_name: impl Into<String>,
        family_name: impl Into<String>,
        hired_on: NaiveDate,
    ) -> Self {
        Self {
            kind,
            given_name: given_name.into(),
            family_name: family_name.into(),
            birth_date: None,
            phone: None,
            email: None,
            address: None,
            department: None,
            position: None,
            qualifications: None,
            employment: Employment::FullTime,
            shift: Shift::Morning,
            salary: None,
            hired_on,
            contract_ends_on: None,
            doctor: None,
            created_by: None,
        }
    }

    /// As [`PatientDetails::checked`].
    pub(super) fn checked(mut self) -> Result<Self, AdmissionError> {
        name("the given name", &mut self.given_name)?;
        name("the family name", &mut self.family_name)?;
        optional("the telephone", &mut self.phone, LINE, line_has)?;
        optional("the e-mail address", &mut self.email, LINE, line_has)?;
        optional("the address", &mut self.address, TEXT, text_has)?;
        optional("the position", &mut self.position, LINE, line_has)?;
        optional(
            "the qualifications",
            &mut self.qualifications,
            TEXT,
            text_has,
        )?;
        if let Some(address) = &self.email {
            self.email = Some(email(address)?);
        }
        if self.salary.is_some_and(|salary| salary < Money(0)) {
            return Err(BadField::Negative {
                field: "the salary",
            }
            .into());
        }
        if let Some(doctor) = &mut self.doctor {
            name("the field of medicine", &mut doctor.specialization)?;
            name("the licence's number", &mut doctor.license_number)?;
            optional("the degrees", &mut doctor.qualification, LINE, line_has)?;
            if doctor.consultation_fee < Money(0) {
                return Err(BadField::Negative { field: "the fee" }.into());
            }
        }
        Ok(self)
    }

    pub(super) fn row<'a>(
        &'a self,
        number: &'a str,
        user: Option<SharedRef<User>>,
        now: NaiveDateTime,
    ) -> NewStaffMember<'a> {
        NewStaffMember {
            user_id: user,
            department_id: self.department,
            birth_date: self.birth_date,
            phone: self.phone.as_deref(),
            email: self.email.as_deref(),
            address: self.address.as_deref(),
            position: self.position.as_deref(),
            qualifications: self.qualifications.as_deref(),
            employment: self.employment,
            shift: self.shift,
            salary: self.salary,
            contract_ends_on: self.contract_ends_on,
            created_by: self.created_by.map(SharedRef::from),
            ..NewStaffMember::named(
                number,
                self.kind,
                &self.given_name,
                &self.family_name,
                self.hired_on,
                now,
            )
        }
    }
}

/// Whether a line may hold this character.
fn line_has(c: char) -> bool {
    !c.is_control()
}

/// Whether a text of several lines may.
fn text_has(c: char) -> bool {
    !c.is_control() || matches!(c, '\n' | '\r' | '\t')
}

fn name(field: &'static str, text: &mut String) -> Result<(), BadField> {
    check(field, text, 1, NAME, line_has)
}

fn optional(
    field: &'static str,
    text: &mut Option<String>,
    most: usize,
    has: fn(char) -> bool,
) -> Result<(), BadField> {
    if let Some(text) = text {
        check(field, text, 0, most, has)?;
    }
    text.take_if(|text| text.is_empty());
    Ok(())
}

fn check(
    field: &'static str,
    text: &mut String,
    least: usize,
    most: usize,
    has: fn(char) -> bool,
) -> Result<(), BadField> {
    let trimmed = text.trim();
    if trimmed.len() != text.len() {
        *text = trimmed.to_owned();
    }
    if let Some(c) = text.chars().find(|c| !has(*c)) {
        let found = u32::from(c);
        return Err(BadField::Control { field, found });
    }
    let found = text.chars().count();
    match (least..=most).contains(&found) {
        true => Ok(()),
        false => Err(BadField::Length {
            field,
            found,
            least,
            most,
        }),
    }
}
