//! A hospital whose database drifted: found by name, planned, mended, and not a row lost.
//!
//! Three hospitals are made. One of them is then broken as it happens in practice: somebody puts back an old
//! `pharmacy_sales`, without the seven columns that a later migration has added, and leaves the ledger alone, which goes
//! on saying that the migration was applied. Look at what `verify` says, at the plan (which changes nothing), and at the
//! sales before and after.
//!
//! `cargo run --example drift [-- directory]`; without one nothing is left to look into afterwards.
use std::path::PathBuf;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use diesel::connection::SimpleConnection;
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::tenant::pharmacy_sales;
use diesel_tenants::models::tenant::billing::PaymentMethod;
use diesel_tenants::models::tenant::pharmacy::NewPharmacySale;
use diesel_tenants::models::{ROUTES, SHARED_MIGRATIONS, SHARED_REFS, TENANT_MIGRATIONS};
use diesel_tenants::money::Money;
use diesel_tenants::prelude::*;
use diesel_tenants::repair::RepairOptions;
use diesel_tenants::verify::{Health, VerifyOptions};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const HOSPITALS: [(&str, &str); 3] = [
    ("TH001", "Teaching Hospital"),
    ("DMC001", "Downtown Medical Center"),
    ("TEST_HOSPITAL", "Test Hospital"),
];

/// What an operator with a database shell and an old dump does. The rows of the weeks before are in it.
const BROKEN: &str = "
    PRAGMA foreign_keys = OFF;
    CREATE TABLE old_sales (
        id BLOB NOT NULL PRIMARY KEY,
        sale_number TEXT NOT NULL UNIQUE,
        sale_date TIMESTAMP NOT NULL,
        total_amount BIGINT NOT NULL CHECK (total_amount >= 0),
        payment_method TEXT NOT NULL
            CHECK (payment_method IN ('cash', 'card', 'bank_transfer', 'mobile', 'cheque', 'insurance')),
        patient_id BLOB REFERENCES patients (id),
        sold_by BLOB,
        created_at TIMESTAMP NOT NULL
    );
    INSERT INTO old_sales
        SELECT id, sale_number, sale_date, total_amount, payment_method, patient_id, sold_by, created_at
        FROM pharmacy_sales;
    DROP TABLE pharmacy_sales;
    PRAGMA legacy_alter_table = ON;
    ALTER TABLE old_sales RENAME TO pharmacy_sales;
    CREATE INDEX pharmacy_sales_patient_id_idx ON pharmacy_sales (patient_id);
    CREATE INDEX pharmacy_sales_sale_date_idx ON pharmacy_sales (sale_date);";

fn main() -> Result<()> {
    let given = std::env::args_os().nth(1).map(PathBuf::from);
    // Without a directory of its own it leaves nothing behind and begins anew each time.
    let scratch = tempfile::tempdir()?;
    let directory = given.unwrap_or_else(|| scratch.path().join("data"));
    let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES)
        .sqlite(&directory)
        .init()
        .shared_migrations(SHARED_MIGRATIONS)
        .tenant_migrations(TENANT_MIGRATIONS)
        .open()?;
    for (code, name) in HOSPITALS {
        let tenant = tenancy.ensure(&code.parse()?, NewTenant::named(name))?;
        sell(&mut tenant.enter()?, code)?;
    }
    let options = VerifyOptions::default().shared_refs(SHARED_REFS);
    println!("Three hospitals, as they were made:\n");
    overview(&tenancy, &options)?;

    let id: TenantId = "TH001".parse()?;
    let before = sales(&mut tenancy.tenant(&id)?)?;
    tenancy
        .tenant(&id)?
        .unrouted("show how a hospital drifts", |raw| {
            raw.connection().batch_execute(BROKEN)
        })?;
    println!("\nSomebody put an old `pharmacy_sales` back into {id}. A query of today fails:\n");
    let query = pharmacy_sales::table.select(pharmacy_sales::customer_name);
    match query.load::<String>(&mut tenancy.tenant(&id)?) {
        Ok(_) => return Err("the table was not broken".into()),
        Err(error) => println!("  {error}"),
    }

    println!("\nVerified:\n");
    let found = tenancy.verify(&id, &options)?;
    println!("{found}");
    assert_eq!(found.status, Health::Incomplete);

    println!("\nThe plan. Nothing has been changed yet:\n");
    let plan = tenancy.plan_repair(&id, &RepairOptions::default())?;
    println!("{plan}");
    assert!(!tenancy.verify(&id, &options)?.is_ready());

    println!("\nRepaired:\n");
    let report = tenancy.repair(&id, &plan)?;
    println!("{report}");
    assert!(report.after.is_ready());
    if let Some(backup) = &report.backup {
        println!("  the backup from before has {} bytes", backup.bytes);
    }

    let after = sales(&mut tenancy.tenant(&id)?)?;
    assert_eq!(before, after, "a sale was lost or changed");
    println!(
        "\nAll {} sales are there, and each has its net amount again:\n",
        after.len()
    );
    for (number, total, net) in after.iter().take(3) {
        println!("  {number}  total {total}  net {net}");
    }

    println!("\nThe hospitals now; the others were not touched:\n");
    overview(&tenancy, &options)?;
    Ok(())
}

fn overview(tenancy: &Tenancy, options: &VerifyOptions) -> Result<()> {
    let fleet = tenancy.verify_fleet(options, |_| {})?;
    for hospital in &fleet.tenants {
        let id = hospital.id.as_ref().map_or("", TenantId::as_str);
        println!("  {id:13}  {}", hospital.status);
    }
    assert!(fleet.is_ready(), "{fleet:?}");
    Ok(())
}

/// Each sale with its number and amounts.
fn sales(ctx: &mut TenantContext) -> QueryResult<Vec<(String, Money, Money)>> {
    let columns = (
        pharmacy_sales::sale_number,
        pharmacy_sales::total_amount,
        pharmacy_sales::net_amount,
    );
    pharmacy_sales::table
        .select(columns)
        .order(pharmacy_sales::sale_number)
        .load(ctx)
}

/// Forty sales over the counter, made once.
fn sell(ctx: &mut TenantContext, code: &str) -> Result<()> {
    if pharmacy_sales::table.count().get_result::<i64>(ctx)? > 0 {
        return Ok(());
    }
    let day = NaiveDate::from_ymd_opt(2026, 2, 2).ok_or("not a day")?;
    let at: NaiveDateTime = day.and_time(NaiveTime::MIN);
    ctx.transaction(|ctx| {
        for number in 1..=40_i64 {
            let price: Money = "2.50".parse()?;
            let total = price.checked_mul(number).ok_or("too much")?;
            let sale = NewPharmacySale {
                id: Id::new(),
                sale_number: &format!("{code}-SALE-{number:05}"),
                sale_date: at,
                total_amount: total,
                payment_method: PaymentMethod::Cash,
                patient_id: None,
                sold_by: None,
                created_at: at,
                hospital_id: None,
                customer_name: "",
                customer_phone: "",
                discount_amount: Money::ZERO,
                tax_amount: Money::ZERO,
                net_amount: total,
                payment_reference: "",
            };
            diesel::insert_into(pharmacy_sales::table)
                .values(&sale)
                .execute(ctx)?;
        }
        Ok(())
    })
}
