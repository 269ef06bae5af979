//! Three invented hospitals to begin with.
use chrono::{Days, NaiveDate, NaiveTime, TimeDelta};
use diesel_tenants::OpenError;
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::shared::users;
use diesel_tenants::models::schema::tenant::{
    appointments, doctors, drug_categories, manufacturers, medicines, patients, staff_members,
};
use diesel_tenants::models::shared::accounts::User;
use diesel_tenants::models::tenant::appointments::{NewAppointment, Priority};
use diesel_tenants::models::tenant::doctors::{Doctor, NewDoctor};
use diesel_tenants::models::tenant::patients::{NewPatient, Sex};
use diesel_tenants::models::tenant::pharmacy::{NewDrugCategory, NewManufacturer, NewMedicine};
use diesel_tenants::models::tenant::staff::{NewStaffMember, StaffKind};
use diesel_tenants::money::Money;
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::{AccountError, Accounts, NewAccount, OneTimePassword};
use diesel_tenants::services::now;
use diesel_tenants::services::numbers::{Document, next_number};

use crate::register::{RegisterError, Registration, register};

/// An invented hospital.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct DemoHospital {
    /// Its tenant id.
    pub code: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The first label of its host name.
    pub subdomain: &'static str,
    patients: usize,
}

/// The hospitals there are to begin with.
pub const HOSPITALS: [DemoHospital; 3] = [
    DemoHospital {
        code: "TH001",
        name: "Teaching Hospital",
        subdomain: "th001",
        patients: 60,
    },
    DemoHospital {
        code: "DMC001",
        name: "Downtown Medical Center",
        subdomain: "dmc001",
        patients: 45,
    },
    DemoHospital {
        code: "TEST_HOSPITAL",
        name: "Test Hospital",
        subdomain: "test-hospital",
        patients: 30,
    },
];

/// Somebody who can log in once and then chooses a password.
#[derive(Debug)]
#[non_exhaustive]
pub struct FirstLogin {
    /// Where: the console, or a hospital's code.
    pub what: &'static str,
    /// The user name.
    pub username: String,
    /// The password.
    pub password: OneTimePassword,
}

/// Why there is no data to begin with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// The library cannot be opened.
    #[error(transparent)]
    Setup(#[from] diesel_tenants::Error),
    /// A hospital was not registered.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The superuser's account was not made.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A database cannot be read or written.
    #[error("the invented data cannot be written")]
    Query(#[from] diesel::result::Error),
}

/// Makes what is not there yet, and says who can log in with a password that was made up just now.
///
/// A superuser who never chose a password gets a new one: the old one has scrolled away.
///
/// # Errors
/// See [`DemoError`].
pub fn fill(tenancy: &Tenancy) -> Result<Vec<FirstLogin>, DemoError> {
    let mut logins = Vec::new();
    if let Some(login) = superuser(tenancy)? {
        logins.push(login);
    }
    for hospital in HOSPITALS {
        if tenancy
            .tenants()?
            .iter()
            .any(|known| known.id.as_str() == hospital.code)
        {
            continue;
        }
        let asked = Registration::of(hospital.code, hospital.name, hospital.subdomain);
        let made = register(tenancy, &asked)?;
        rows(&mut tenancy.tenant(&made.id)?, &hospital)?;
        if let Some(password) = made.owner.password {
            logins.push(FirstLogin {
                what: hospital.code,
                username: made.owner.username,
                password,
            });
        }
    }
    Ok(logins)
}

fn superuser(tenancy: &Tenancy) -> Result<Option<FirstLogin>, DemoError> {
    let shared = &mut tenancy.shared()?;
    let accounts = Accounts::default();
    let known = users::table.filter(users::superuser.eq(true)).select((
        users::id,
        users::username,
        users::must_change_password,
    ));
    let (username, password) = match known.first::<(Id<User>, String, bool)>(shared).optional()? {
        Some((_, _, false)) => return Ok(None),
        Some((user, username, true)) => (username, accounts.reset_password(shared, user, now())?),
        None => {
            let new = NewAccount::new("Sam", "Operator", "sam@service.example").superuser();
            let made = accounts.create(shared, &new, now())?;
            (made.username, made.password)
        }
    };
    Ok(Some(FirstLogin {
        what: "console",
        username,
        password,
    }))
}

/// Doctors, medicines, patients and an appointment for each: in one transaction, all of it or nothing.
fn rows(ctx: &mut TenantContext, hospital: &DemoHospital) -> QueryResult<()> {
    ctx.transaction(|ctx| {
        let doctors = staff(ctx)?;
        pharmacy(ctx)?;
        let given = ["Aldra", "Brom", "Celia", "Dorin", "Edda", "Falk", "Greta"];
        let family = [
            "Applewick",
            "Barnacle",
            "Candlewood",
            "Dapplegrove",
            "Elmhurst",
        ];
        for n in 0..hospital.patients {
            let number = next_number(ctx, Document::Patient, day(n))?;
            let sex = if n % 2 == 0 { Sex::Female } else { Sex::Male };
            let born = day(0) - Days::new(400 * (n as u64 % 70 + 1));
            let (given, family) = (
                given[n % given.len()],
                family[n / given.len() % family.len()],
            );
            let patient = NewPatient::named(&number, given, family, born, sex, at(n));
            diesel::insert_into(patients::table)
                .values(&patient)
                .execute(ctx)?;
            let number = next_number(ctx, Document::Appointment, day(n))?;
            let appointment = NewAppointment {
                id: Id::new(),
                number: &number,
                patient_id: patient.id,
                doctor_id: doctors[n % doctors.len()],
                appointment_type_id: None,
                previous_appointment_id: None,
                starts_at: at(n),
                duration_minutes: 30,
                priority: Priority::Normal,
                complaint: None,
                notes: None,
                fee: Money(45_00),
                created_by: None,
                created_at: at(0),
            };
            diesel::insert_into(appointments::table)
                .values(&appointment)
                .execute(ctx)?;
        }
        Ok(())
    })
}

fn staff(ctx: &mut TenantContext) -> QueryResult<Vec<Id<Doctor>>> {
    let people = [
        ("Marvella", "Stethoworth", "General Medicine", "LIC-90001"),
        ("Crispin", "Pulsebury", "Cardiology", "LIC-90038"),
        ("Odetta", "Lymphton", "Paediatrics", "LIC-90075"),
    ];
    let mut ids = Vec::new();
    for (given, family, field, license) in people {
        let number = next_number(ctx, Document::StaffMember, day(0))?;
        let person =
            NewStaffMember::named(&number, StaffKind::Doctor, given, family, day(0), at(0));
        diesel::insert_into(staff_members::table)
            .values(&person)
            .execute(ctx)?;
        let number = next_number(ctx, Document::Doctor, day(0))?;
        let doctor = NewDoctor {
            id: Id::new(),
            staff_member_id: person.id,
            number: &number,
            specialization: field,
            license_number: license,
            qualification: None,
            consultation_fee: Money(45_00),
            created_at: at(0),
        };
        diesel::insert_into(doctors::table)
            .values(&doctor)
            .execute(ctx)?;
        ids.push(doctor.id);
    }
    Ok(ids)
}

fn pharmacy(ctx: &mut TenantContext) -> QueryResult<()> {
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
    let invented = [
        ("MED-000001", "Calmorin", "calmoric acid", "500 mg", 30),
        ("MED-000002", "Febrilex", "febrilone", "250 mg", 45),
        ("MED-000003", "Pulmosan", "pulmosine", "10 mg", 120),
    ];
    for (code, name, generic, strength, price) in invented {
        let row = NewMedicine {
            id: Id::new(),
            code,
            name,
            generic_name: generic,
            drug_category_id: category.id,
            manufacturer_id: maker.id,
            form: "tablet",
            strength: Some(strength),
            pack_size: None,
            reorder_level: 20,
            cost_price: Money(price / 2),
            selling_price: Money(price),
            batch_number: None,
            expires_on: None,
            prescription_only: false,
            created_by: None,
            created_at: at(0),
        };
        diesel::insert_into(medicines::table)
            .values(&row)
            .execute(ctx)?;
    }
    Ok(())
}

fn day(n: usize) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, 2).unwrap_or_default() + Days::new(n as u64 / 16)
}

/// The `n`-th half hour of a working day from eight to four.
fn at(n: usize) -> chrono::NaiveDateTime {
    day(n).and_time(NaiveTime::MIN) + TimeDelta::minutes(8 * 60 + 30 * (n as i64 % 16))
}
