//! Three hospitals with a database each, and a shared one for the people who work in them.
//!
//! `cargo run --example hospital [-- directory]`; without one the data is under `target/hospital`. Run it twice: the second
//! run finds everything in place, changes nothing and prints the same.
//!
//! Look at the types of `staff`, `fill` (in `invented.rs`) and `page_of_patients`: a function that takes a `TenantContext`
//! cannot read users, one that takes a `SharedContext` cannot read patients, and one that needs both says so. Put
//! `users::table` into `fill` and it does not compile.
use std::collections::HashMap;
use std::path::PathBuf;

use diesel_tenants::id::{Id, SharedRef, by_id};
use diesel_tenants::models::schema::shared::{hospitals, tenant_access, users};
use diesel_tenants::models::schema::tenant::{appointments, invoices, patients, pharmacy_sales};
use diesel_tenants::models::shared::accounts::*;
use diesel_tenants::models::tenant::patients::Patient;
use diesel_tenants::models::{ROUTES, SHARED_MIGRATIONS, TENANT_MIGRATIONS};
use diesel_tenants::prelude::*;
use diesel_tenants::services::hospitals as hospitals_service;

mod invented;
use invented::{Result, Shared, fill, opening};

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
        let shared = staff(&mut tenancy.shared()?, hospital)?;
        fill(&mut tenant.enter()?, shared, patients)?;
    }

    println!("The hospitals, in {}:\n", directory.display());
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

/// Those who work in the hospital: users of the shared database and members of this hospital.
fn staff(shared: &mut SharedContext, hospital: Id<Hospital>) -> QueryResult<Shared> {
    let mut member = |username: &str, role| {
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
        QueryResult::Ok(user_id)
    };
    member("marvella.stethoworth.doctor", Role::Doctor)?;
    Ok(Shared {
        hospital,
        receptionist: member("aldra.applewick.receptionist", Role::Receptionist)?,
        pharmacist: member("bertwin.barnacle.pharmacist", Role::Pharmacist)?,
    })
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
