//! Document numbers: `TH001-PAT-000001`, from a row that is counted up in the transaction that uses the number.
//!
//! Two admissions at once therefore get two numbers, one that is rolled back gives its number back, and there is no gap
//! between those that were committed. Looking for the newest row and adding one to its number does none of that.
//!
//! Rows that came with numbers of their own, as those of an adopted database, are gone on behind: a number that a row has is
//! never given out.
use chrono::{Datelike, NaiveDate};
use diesel::prelude::*;

use crate::context::{RunQueryDsl, TenantContext};
use crate::models::schema::tenant::{
    admissions, appointments, doctors, emergency_cases, insurance_claims, invoices, lab_orders,
    number_sequences, nurses, patients, payments, pharmacy_sales, prescriptions, radiology_orders,
    staff_members,
};

/// What is numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Document {
    /// `TH001-PAT-000001`.
    Patient,
    /// `TH001-APT-20260418-0001`, anew each day.
    Appointment,
    /// `TH001-INV-20260418-0001`, anew each day.
    Invoice,
    /// `TH001-PAY-000001`.
    Payment,
    /// `TH001-CLM-00001`.
    Claim,
    /// `TH001-LO-20260418-0001`, anew each day.
    LabOrder,
    /// `TH001-RAD-20260418-0001`, anew each day.
    RadiologyOrder,
    /// `TH001-SALE-20260418-00001`, anew each day.
    Sale,
    /// `TH001-RX-20260418-0001`, anew each day.
    Prescription,
    /// `TH001-ER-2026-00001`, anew each year.
    EmergencyCase,
    /// `TH001-ADM-2026-00001`, anew each year.
    Admission,
    /// `TH001-DR-0001`.
    Doctor,
    /// `TH001-NUR-0001`.
    Nurse,
    /// `TH001-EMP-0001`.
    StaffMember,
}

#[derive(Clone, Copy)]
enum Period {
    Ever,
    Year,
    Day,
}

impl Document {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::Patient,
        Self::Appointment,
        Self::Invoice,
        Self::Payment,
        Self::Claim,
        Self::LabOrder,
        Self::RadiologyOrder,
        Self::Sale,
        Self::Prescription,
        Self::EmergencyCase,
        Self::Admission,
        Self::Doctor,
        Self::Nurse,
        Self::StaffMember,
    ];

    /// Its row's key, the letters in the number, when counting starts anew, and the digits.
    fn form(self) -> (&'static str, &'static str, Period, usize) {
        match self {
            Self::Patient => ("patient", "PAT", Period::Ever, 6),
            Self::Appointment => ("appointment", "APT", Period::Day, 4),
            Self::Invoice => ("invoice", "INV", Period::Day, 4),
            Self::Payment => ("payment", "PAY", Period::Ever, 6),
            Self::Claim => ("claim", "CLM", Period::Ever, 5),
            Self::LabOrder => ("lab_order", "LO", Period::Day, 4),
            Self::RadiologyOrder => ("radiology_order", "RAD", Period::Day, 4),
            Self::Sale => ("sale", "SALE", Period::Day, 5),
            Self::Prescription => ("prescription", "RX", Period::Day, 4),
            Self::EmergencyCase => ("emergency_case", "ER", Period::Year, 5),
            Self::Admission => ("admission", "ADM", Period::Year, 5),
            Self::Doctor => ("doctor", "DR", Period::Ever, 4),
            Self::Nurse => ("nurse", "NUR", Period::Ever, 4),
            Self::StaffMember => ("staff_member", "EMP", Period::Ever, 4),
        }
    }
}

/// Takes the next number of a kind. `today` is the hospital's day, which the number of a daily kind carries.
///
/// Call it in the transaction that inserts the row: on its own it commits at once, and a row that then fails leaves a
/// gap. Where a row has the number already, which came with an adopted database or was written by hand, counting goes on
/// behind the highest number of that form. A number with more digits than the form has gets longer; it is never cut.
///
/// # Errors
/// Diesel's.
///
/// # Example
/// ```
/// # use chrono::NaiveDate;
/// use diesel_tenants::prelude::*;
/// use diesel_tenants::services::numbers::{Document, next_number};
///
/// fn number(ctx: &mut TenantContext, today: NaiveDate) -> QueryResult<String> {
///     ctx.transaction(|ctx| {
///         let number = next_number(ctx, Document::Patient, today)?; // `TH001-PAT-000002`
///         // … insert the patient …
///         Ok(number)
///     })
/// }
/// ```
pub fn next_number(
    tenant: &mut TenantContext,
    document: Document,
    today: NaiveDate,
) -> QueryResult<String> {
    let (kind, letters, period, digits) = document.form();
    let (period, stem) = match period {
        Period::Ever => (String::new(), String::new()),
        Period::Year => (
            format!("{:04}", today.year()),
            format!("{:04}-", today.year()),
        ),
        Period::Day => {
            let day = today.format("%Y%m%d").to_string();
            let stem = format!("{day}-");
            (day, stem)
        }
    };
    let stem = format!("{}-{letters}-{stem}", tenant.tenant_id());
    let written = |number: i64| format!("{stem}{number:0digits$}");
    tenant.transaction(|tenant| {
        let number = written(count_up(tenant, kind, &period)?);
        if !is_taken(tenant, document, &number)? {
            return Ok(number);
        }
        let next = highest(tenant, document, &stem)? + 1;
        diesel::update(number_sequences::table.find((kind, &period)))
            .set(number_sequences::next.eq(next + 1))
            .execute(tenant)?;
        Ok(written(next))
    })
}

/// The row's next number; it is written first, so nobody else reads it before this transaction is over.
fn count_up(tenant: &mut TenantContext, kind: &str, period: &str) -> QueryResult<i64> {
    let row = number_sequences::table.find((kind, period));
    let counted = diesel::update(row)
        .set(number_sequences::next.eq(number_sequences::next + 1))
        .returning(number_sequences::next - 1)
        .get_result::<i64>(tenant)
        .optional()?;
    if let Some(number) = counted {
        return Ok(number);
    }
    diesel::insert_into(number_sequences::table)
        .values((
            number_sequences::kind.eq(kind),
            number_sequences::period.eq(period),
            number_sequences::next.eq(2),
        ))
        .execute(tenant)?;
    Ok(1)
}

/// The numbers of the documents of a kind, as a query to go on with.
macro_rules! numbers_of {
    ($document:expr, |$numbers:ident, $number:ident| $found:expr) => {
        numbers_of!(@ $document, $numbers, $number, $found;
            Patient patients number, Appointment appointments number, Invoice invoices number,
            Payment payments number, Claim insurance_claims number, LabOrder lab_orders number,
            RadiologyOrder radiology_orders number, Sale pharmacy_sales sale_number,
            Prescription prescriptions number, EmergencyCase emergency_cases number,
            Admission admissions number, Doctor doctors number, Nurse nurses number,
            StaffMember staff_members number)
    };
    (@ $document:expr, $numbers:ident, $number:ident, $found:expr; $($kind:ident $table:ident $column:ident),+) => {
        match $document {
            $(Document::$kind => {
                let $number = $table::$column;
                let $numbers = $table::table.select($number);
                $found
            })+
        }
    };
}

/// If there is a row of that number: it came with it.
fn is_taken(tenant: &mut TenantContext, document: Document, wanted: &str) -> QueryResult<bool> {
    numbers_of!(document, |numbers, number| {
        let found = numbers.filter(number.eq(wanted)).first::<String>(tenant);
        Ok(found.optional()?.is_some())
    })
}

/// The highest number that a row has behind `stem`. What is behind it and is none that was ever given out does not count.
fn highest(tenant: &mut TenantContext, document: Document, stem: &str) -> QueryResult<i64> {
    let found: Vec<String> = numbers_of!(document, |numbers, number| {
        let alike = number.like(format!("{stem}%"));
        numbers.filter(alike).load(tenant)?
    });
    let counted = |number: &String| {
        let digits = number.strip_prefix(stem)?;
        let is_number = digits.len() <= 18 && digits.bytes().all(|digit| digit.is_ascii_digit());
        digits.parse().ok().filter(|_| is_number)
    };
    Ok(found.iter().filter_map(counted).max().unwrap_or(0))
}
