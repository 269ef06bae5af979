//! What is in an invented hospital: doctors, medicines, and patients with what was done for them.
//!
//! The same in every run. Numbers are taken where the services take theirs, which go on from there.
use std::error::Error;

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::tenant::*;
use diesel_tenants::models::shared::accounts::{Hospital, User};
use diesel_tenants::models::tenant::appointments::*;
use diesel_tenants::models::tenant::billing::*;
use diesel_tenants::models::tenant::doctors::*;
use diesel_tenants::models::tenant::patients::*;
use diesel_tenants::models::tenant::pharmacy::*;
use diesel_tenants::models::tenant::staff::*;
use diesel_tenants::money::Money;
use diesel_tenants::prelude::*;
use diesel_tenants::services::numbers::{Document, next_number};

pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The rows of the shared database that a hospital's own refer to: itself, and who works there.
#[derive(Debug, Clone, Copy)]
pub struct Shared {
    pub hospital: Id<Hospital>,
    pub receptionist: Id<User>,
    pub pharmacist: Id<User>,
}

/// Fills an empty hospital, in one transaction: all of it or nothing. One that has patients is left as it is.
pub fn fill(ctx: &mut TenantContext, shared: Shared, patients: usize) -> Result<()> {
    ctx.transaction(|ctx| {
        if patients::table.count().get_result::<i64>(ctx)? > 0 {
            return Ok(());
        }
        let doctors = doctors_of(ctx)?;
        let medicines = medicines_of(ctx)?;
        let (given, family) = (
            rows(include_str!("../data/given_names.csv")),
            rows(include_str!("../data/family_names.csv")),
        );
        let complaints = rows(include_str!("../data/complaints.csv"));

        for n in 0..patients {
            let person = &given[n % given.len()];
            let number = next_number(ctx, Document::Patient, day(n))?;
            let birth = day(0) - Days::new(365 * (n as u64 % 80 + 1) + n as u64);
            let family_name = family[n / given.len() % family.len()][0];
            let patient = NewPatient {
                city: Some("Sampleton"),
                registered_by: Some(shared.receptionist.into()),
                ..NewPatient::named(
                    &number,
                    person[0],
                    family_name,
                    birth,
                    person[1].parse()?,
                    at(n),
                )
            };
            diesel::insert_into(patients::table)
                .values(&patient)
                .execute(ctx)?;
            let (doctor, fee) = doctors[n % doctors.len()];
            let complaint = complaints[n % complaints.len()][0];
            let appointment = book(ctx, n, &patient, doctor, fee, complaint)?;
            if n % 2 == 0 {
                invoice(ctx, n, &patient, appointment, fee)?;
            }
            if n % 3 == 0 {
                sell(ctx, n, &patient, medicines[n % medicines.len()], shared)?;
            }
        }
        Ok(())
    })
}

fn doctors_of(ctx: &mut TenantContext) -> Result<Vec<(Id<Doctor>, Money)>> {
    let mut doctors = Vec::new();
    for row in rows(include_str!("../data/doctors.csv")) {
        let number = next_number(ctx, Document::StaffMember, day(0))?;
        let person = NewStaffMember::named(
            &number,
            StaffKind::Doctor,
            row[0],
            row[1],
            day(0),
            opening(),
        );
        diesel::insert_into(staff_members::table)
            .values(&person)
            .execute(ctx)?;
        let number = next_number(ctx, Document::Doctor, day(0))?;
        let doctor = NewDoctor {
            id: Id::new(),
            staff_member_id: person.id,
            number: &number,
            specialization: row[2],
            license_number: row[3],
            qualification: None,
            consultation_fee: row[4].parse()?,
            created_at: opening(),
        };
        diesel::insert_into(doctors::table)
            .values(&doctor)
            .execute(ctx)?;
        doctors.push((doctor.id, doctor.consultation_fee));
    }
    Ok(doctors)
}

fn medicines_of(ctx: &mut TenantContext) -> Result<Vec<(Id<Medicine>, Money)>> {
    let category = NewDrugCategory {
        id: Id::new(),
        name: "General",
        description: None,
    };
    diesel::insert_into(drug_categories::table)
        .values(&category)
        .execute(ctx)?;
    let maker = NewManufacturer {
        id: Id::new(),
        code: "INV",
        name: "Invented Remedies",
        contact_person: None,
        phone: None,
        email: None,
        address: None,
    };
    diesel::insert_into(manufacturers::table)
        .values(&maker)
        .execute(ctx)?;
    let mut medicines = Vec::new();
    for row in rows(include_str!("../data/medicines.csv")) {
        let medicine = NewMedicine {
            id: Id::new(),
            code: row[0],
            name: row[1],
            generic_name: row[2],
            drug_category_id: category.id,
            manufacturer_id: maker.id,
            form: row[3],
            strength: Some(row[4]),
            pack_size: None,
            reorder_level: 20,
            cost_price: row[5].parse()?,
            selling_price: row[6].parse()?,
            batch_number: None,
            expires_on: None,
            prescription_only: row[7] == "yes",
            created_by: None,
            created_at: opening(),
        };
        diesel::insert_into(medicines::table)
            .values(&medicine)
            .execute(ctx)?;
        medicines.push((medicine.id, medicine.selling_price));
    }
    Ok(medicines)
}

fn book(
    ctx: &mut TenantContext,
    n: usize,
    patient: &NewPatient<'_>,
    doctor: Id<Doctor>,
    fee: Money,
    complaint: &str,
) -> QueryResult<Id<Appointment>> {
    let number = next_number(ctx, Document::Appointment, day(n))?;
    let appointment = NewAppointment {
        id: Id::new(),
        number: &number,
        patient_id: patient.id,
        doctor_id: doctor,
        appointment_type_id: None,
        previous_appointment_id: None,
        starts_at: at(n),
        duration_minutes: 30,
        priority: Priority::Normal,
        complaint: Some(complaint),
        notes: None,
        fee,
        created_by: patient.registered_by,
        created_at: at(n),
    };
    diesel::insert_into(appointments::table)
        .values(&appointment)
        .execute(ctx)?;
    Ok(appointment.id)
}

fn invoice(
    ctx: &mut TenantContext,
    n: usize,
    patient: &NewPatient<'_>,
    appointment: Id<Appointment>,
    fee: Money,
) -> Result<()> {
    let number = next_number(ctx, Document::Invoice, day(n))?;
    let tax = fee.checked_share(500).ok_or("the tax is too large")?;
    let invoice = NewInvoice {
        id: Id::new(),
        number: &number,
        patient_id: patient.id,
        appointment_id: Some(appointment),
        issued_on: day(n),
        due_on: day(n) + Days::new(30),
        subtotal_amount: fee,
        discount_amount: Money::ZERO,
        tax_basis_points: 500,
        tax_amount: tax,
        total_amount: fee.checked_add(tax).ok_or("the total is too large")?,
        notes: None,
        created_by: patient.registered_by,
        created_at: at(n),
    };
    diesel::insert_into(invoices::table)
        .values(&invoice)
        .execute(ctx)?;
    let item = NewInvoiceItem {
        id: Id::new(),
        invoice_id: invoice.id,
        service_id: None,
        description: "Consultation",
        quantity: 1,
        unit_price: fee,
        total_amount: fee,
        created_at: at(n),
    };
    diesel::insert_into(invoice_items::table)
        .values(&item)
        .execute(ctx)?;
    Ok(())
}

fn sell(
    ctx: &mut TenantContext,
    n: usize,
    patient: &NewPatient<'_>,
    (medicine, price): (Id<Medicine>, Money),
    shared: Shared,
) -> Result<()> {
    let quantity = n as i32 % 3 + 1;
    let total = price
        .checked_mul(quantity.into())
        .ok_or("the total is too large")?;
    let number = next_number(ctx, Document::Sale, day(n))?;
    let sale = NewPharmacySale {
        id: Id::new(),
        sale_number: &number,
        sale_date: at(n),
        total_amount: total,
        payment_method: PaymentMethod::Cash,
        patient_id: Some(patient.id),
        sold_by: Some(shared.pharmacist.into()),
        created_at: at(n),
        hospital_id: Some(shared.hospital.into()),
        customer_name: patient.family_name,
        customer_phone: "",
        discount_amount: Money::ZERO,
        tax_amount: Money::ZERO,
        net_amount: total,
        payment_reference: "",
    };
    diesel::insert_into(pharmacy_sales::table)
        .values(&sale)
        .execute(ctx)?;
    let item = NewPharmacySaleItem {
        id: Id::new(),
        pharmacy_sale_id: sale.id,
        medicine_id: medicine,
        quantity,
        unit_price: price,
        total_amount: total,
    };
    diesel::insert_into(pharmacy_sale_items::table)
        .values(&item)
        .execute(ctx)?;
    Ok(())
}

/// The fields of each line after the header.
fn rows(csv: &str) -> Vec<Vec<&str>> {
    csv.lines()
        .skip(1)
        .map(|line| line.split(',').collect())
        .collect()
}

/// When the hospitals opened. The rows are the same in every run, so their times are too.
pub fn opening() -> NaiveDateTime {
    day(0).and_time(NaiveTime::MIN)
}

fn day(n: usize) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, 2).unwrap_or_default() + Days::new(n as u64 / 16)
}

/// The `n`-th half hour of a working day from eight to four.
fn at(n: usize) -> NaiveDateTime {
    day(n).and_time(NaiveTime::MIN) + TimeDelta::minutes(8 * 60 + 30 * (n as i64 % 16))
}
