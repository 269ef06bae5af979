//! Three hospitals with a database each, and a shared one for the people who work in them.
//!
//! `cargo run --example hospital [directory]`; without one the data is under `target/hospital`. Run it twice: the second
//! run finds everything in place and changes nothing.
//!
//! Look at the types of `staff`, `seed` and `page_of_patients`: a function that takes a `TenantContext` cannot read users,
//! one that takes a `SharedContext` cannot read patients, and one that needs both says so. Put `users::table` into `seed`
//! and it does not compile.
use std::collections::HashMap;
use std::error::Error;
use std::path::PathBuf;

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use diesel_tenants::id::{Id, SharedRef, by_id};
use diesel_tenants::models::schema::shared::{hospitals, tenant_access, users};
use diesel_tenants::models::schema::tenant::*;
use diesel_tenants::models::shared::accounts::*;
use diesel_tenants::models::tenant::appointments::*;
use diesel_tenants::models::tenant::billing::*;
use diesel_tenants::models::tenant::doctors::*;
use diesel_tenants::models::tenant::patients::*;
use diesel_tenants::models::tenant::pharmacy::*;
use diesel_tenants::models::tenant::staff::*;
use diesel_tenants::models::{ROUTES, SHARED_MIGRATIONS, TENANT_MIGRATIONS};
use diesel_tenants::money::Money;
use diesel_tenants::prelude::*;
use diesel_tenants::services::hospitals as hospitals_service;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Code, name, subdomain and number of patients.
const HOSPITALS: [(&str, &str, &str, usize); 3] = [
    ("TH001", "Teaching Hospital", "th001", 300),
    ("DMC001", "Downtown Medical Center", "dmc001", 240),
    ("TEST_HOSPITAL", "Test Hospital", "test-hospital", 200),
];

fn main() -> Result<()> {
    let directory = std::env::args_os().nth(1).map(PathBuf::from);
    let directory = directory.unwrap_or_else(|| PathBuf::from("target/hospital"));

    let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES)
        .sqlite(&directory)
        .init()
        .shared_migrations(SHARED_MIGRATIONS)
        .tenant_migrations(TENANT_MIGRATIONS)
        .open()?;

    println!(
        "Where every table lives ({} tables):\n\n{ROUTES}",
        ROUTES.len()
    );

    for (code, name, subdomain, patients) in HOSPITALS {
        let id: TenantId = code.parse()?;
        let tenant = tenancy.ensure(&id, NewTenant::named(name).subdomain(subdomain))?;
        let hospital = register(&mut tenancy.shared()?, code, name, subdomain)?;
        hospitals_service::bind(&mut tenancy.shared()?, hospital, tenant.uuid(), opening())?;
        let staff = staff(&mut tenancy.shared()?, hospital)?;
        let made = seed(&mut tenant.enter()?, code, hospital, &staff, patients)?;
        println!("{code}: {}", if made { "filled" } else { "already there" });
    }

    println!("\nThe hospitals, in {}:\n", directory.display());
    println!("code           status  generation  patients  appointments  sales  invoices  name");
    for record in tenancy.tenants()? {
        let ctx = &mut tenancy.tenant(&record.id)?;
        println!(
            "{:13}  {:6}  {:10}  {:8}  {:12}  {:5}  {:8}  {}",
            record.id.as_str(),
            record.status,
            record.generation,
            patients::table.count().get_result::<i64>(ctx)?,
            appointments::table.count().get_result::<i64>(ctx)?,
            pharmacy_sales::table.count().get_result::<i64>(ctx)?,
            invoices::table.count().get_result::<i64>(ctx)?,
            record.display_name,
        );
    }

    let th001 = tenancy.handle(&"TH001".parse()?)?;
    println!(
        "\nA page of patients of TH001, with the shared users who registered them (two queries):\n"
    );
    for (patient, user) in page_of_patients(&mut th001.enter()?, &mut tenancy.shared()?, 5)? {
        let by = user.map_or_else(|| "-".to_owned(), |user| user.username);
        let name = format!("{} {}", patient.given_name, patient.family_name);
        println!(
            "{}  {:20}  born {}  registered by {by}",
            patient.number, name, patient.birth_date
        );
    }

    println!("\nWhat TH001 wrote, and who sees it:\n");
    let theirs: Vec<Id<Patient>> = patients::table
        .select(patients::id)
        .load(&mut th001.enter()?)?;
    for record in tenancy.tenants()? {
        let found = patients::table.filter(patients::id.eq_any(&theirs)).count();
        let found: i64 = found.get_result(&mut tenancy.tenant(&record.id)?)?;
        println!(
            "{:13}  sees {found:3} of its {} patients",
            record.id.as_str(),
            theirs.len()
        );
    }
    Ok(())
}

/// The hospital's business record, made once.
fn register(
    shared: &mut SharedContext,
    code: &str,
    name: &str,
    subdomain: &str,
) -> QueryResult<Id<Hospital>> {
    let email = format!("office@{subdomain}.example");
    let hospital = NewHospital {
        id: Id::new(),
        code,
        name,
        subdomain,
        contact_name: None,
        email: &email,
        phone: None,
        address: None,
        city: None,
        country: None,
        website: None,
        time_zone: "UTC",
        currency: "USD",
        created_at: opening(),
    };
    let insert = diesel::insert_into(hospitals::table).values(&hospital);
    insert.on_conflict_do_nothing().execute(shared)?;
    let known = hospitals::table.filter(hospitals::code.eq(code));
    known.select(hospitals::id).get_result(shared)
}

/// Three people who work in the hospital: users of the shared database and members of this hospital.
fn staff(shared: &mut SharedContext, hospital: Id<Hospital>) -> QueryResult<Vec<Id<User>>> {
    let people = [
        ("marvella.stethoworth.doctor", Role::Doctor),
        ("aldra.applewick.receptionist", Role::Receptionist),
        ("bertwin.barnacle.pharmacist", Role::Pharmacist),
    ];
    shared.transaction(|shared| {
        let mut ids = Vec::new();
        for (username, role) in people {
            let email = format!("{username}@staff.example");
            let user = NewUser {
                id: Id::new(),
                username,
                email: &email,
                // No password has this hash: nobody can log in as one of them.
                password_hash: "!",
                created_at: opening(),
            };
            let insert = diesel::insert_into(users::table).values(&user);
            insert.on_conflict_do_nothing().execute(shared)?;
            let known = users::table.filter(users::username.eq(username));
            let user_id: Id<User> = known.select(users::id).get_result(shared)?;
            let membership = NewTenantAccess {
                id: Id::new(),
                user_id,
                hospital_id: hospital,
                role,
                is_default: false,
                created_at: opening(),
            };
            let insert = diesel::insert_into(tenant_access::table).values(&membership);
            insert.on_conflict_do_nothing().execute(shared)?;
            ids.push(user_id);
        }
        Ok(ids)
    })
}

/// Fills an empty hospital, in one transaction: all of it or nothing. `false` where there are patients already.
fn seed(
    ctx: &mut TenantContext,
    code: &str,
    hospital: Id<Hospital>,
    staff: &[Id<User>],
    patients: usize,
) -> Result<bool> {
    ctx.transaction(|ctx| {
        if patients::table.count().get_result::<i64>(ctx)? > 0 {
            return Ok(false);
        }
        let doctors = doctors_of(ctx)?;
        let medicines = medicines_of(ctx)?;
        let (given, family) = (
            rows(include_str!("data/given_names.csv")),
            rows(include_str!("data/family_names.csv")),
        );
        let complaints = rows(include_str!("data/complaints.csv"));
        let registered_by = staff.get(1).copied().map(SharedRef::from);
        let sold_by = staff.get(2).copied().map(SharedRef::from);

        for n in 0..patients {
            let person = &given[n % given.len()];
            let number = format!("{code}-PAT-{:06}", n + 1);
            let birth = day(0) - Days::new(365 * (n as u64 % 80 + 1) + n as u64);
            let family_name = family[n / given.len() % family.len()][0];
            let patient = NewPatient {
                city: Some("Sampleton"),
                registered_by,
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
            let appointment = book(
                ctx,
                n,
                &patient,
                doctor,
                fee,
                complaints[n % complaints.len()][0],
            )?;
            if n % 2 == 0 {
                invoice(ctx, n, &patient, appointment, fee)?;
            }
            if n % 3 == 0 {
                let medicine = medicines[n % medicines.len()];
                sell(ctx, n, code, &patient, medicine, hospital.into(), sold_by)?;
            }
        }
        Ok(true)
    })
}

fn doctors_of(ctx: &mut TenantContext) -> Result<Vec<(Id<Doctor>, Money)>> {
    let mut doctors = Vec::new();
    for row in rows(include_str!("data/doctors.csv")) {
        let person =
            NewStaffMember::named(row[0], StaffKind::Doctor, row[1], row[2], day(0), opening());
        diesel::insert_into(staff_members::table)
            .values(&person)
            .execute(ctx)?;
        let doctor = NewDoctor {
            id: Id::new(),
            staff_member_id: person.id,
            number: row[0],
            specialization: row[3],
            license_number: row[4],
            qualification: None,
            consultation_fee: row[5].parse()?,
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
    for row in rows(include_str!("data/medicines.csv")) {
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
    let number = format!("APT-{}-{:04}", day(n).format("%Y%m%d"), n + 1);
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
    let number = format!("INV-{}-{:04}", day(n).format("%Y%m%d"), n + 1);
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
    code: &str,
    patient: &NewPatient<'_>,
    (medicine, price): (Id<Medicine>, Money),
    hospital: SharedRef<Hospital>,
    sold_by: Option<SharedRef<User>>,
) -> Result<()> {
    let quantity = n as i32 % 3 + 1;
    let total = price
        .checked_mul(quantity.into())
        .ok_or("the total is too large")?;
    let number = format!("{code}-SALE-{}-{:05}", day(n).format("%Y%m%d"), n + 1);
    let sale = NewPharmacySale {
        id: Id::new(),
        sale_number: &number,
        sale_date: at(n),
        total_amount: total,
        payment_method: PaymentMethod::Cash,
        patient_id: Some(patient.id),
        sold_by,
        created_at: at(n),
        hospital_id: Some(hospital),
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

/// A page of one hospital's patients, each with the shared user who registered it: two queries, however many rows.
fn page_of_patients(
    ctx: &mut TenantContext,
    shared: &mut SharedContext,
    rows: i64,
) -> QueryResult<Vec<(Patient, Option<User>)>> {
    let page = patients::table
        .order(patients::number)
        .limit(rows)
        .load::<Patient>(ctx)?;
    let wanted = SharedRef::distinct(page.iter().filter_map(|patient| patient.registered_by));
    let found: HashMap<Id<User>, User> =
        by_id(users::table.filter(users::id.eq_any(wanted)).load(shared)?);
    let user_of = |patient: &Patient| found.get(&patient.registered_by?.id()).cloned();
    Ok(page
        .into_iter()
        .map(|patient| (patient.clone(), user_of(&patient)))
        .collect())
}

/// The fields of each line after the header.
fn rows(csv: &str) -> Vec<Vec<&str>> {
    csv.lines()
        .skip(1)
        .map(|line| line.split(',').collect())
        .collect()
}

/// The data is the same in every run, so its times are too.
fn opening() -> NaiveDateTime {
    day(0).and_time(NaiveTime::MIN)
}

fn day(n: usize) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, 2).unwrap_or_default() + Days::new(n as u64 / 16)
}

/// The `n`-th half hour of a working day from eight to four.
fn at(n: usize) -> NaiveDateTime {
    day(n).and_time(NaiveTime::MIN) + TimeDelta::minutes(8 * 60 + 30 * (n as i64 % 16))
}
