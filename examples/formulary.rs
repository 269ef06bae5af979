//! One list of medicines for every hospital, kept up to date, and one question to all of them.
//!
//! `cargo run --example formulary`. Look at the function `formulary`: ordinary Diesel on one hospital's tables. The library
//! runs it once in each of them, in a transaction with the note of the version. What a hospital decides for itself, its
//! prices and its stock, a new version leaves alone.
use std::error::Error;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use diesel::upsert::excluded;
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::tenant::{drug_categories, manufacturers, medicines};
use diesel_tenants::models::tenant::pharmacy::*;
use diesel_tenants::models::{ROUTES, SHARED_MIGRATIONS, TENANT_MIGRATIONS};
use diesel_tenants::money::Money;
use diesel_tenants::prelude::*;
use diesel_tenants::{FanOut, ReferenceList};

const MEDICINES: &str = include_str!("data/medicines.csv");

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES)
        .sqlite(directory.path().join("data"))
        .init()
        .shared_migrations(SHARED_MIGRATIONS)
        .tenant_migrations(TENANT_MIGRATIONS)
        .open()?;
    for id in ["TH001", "DMC001", "TEST_HOSPITAL"] {
        tenancy.create(&id.parse()?, NewTenant::named(id))?;
    }

    // The first version has the first twelve medicines, the second one all of them.
    let begin: String = MEDICINES.split_inclusive('\n').take(13).collect();
    push(&tenancy, 1, &begin)?;
    println!("Once more, when all have it: no hospital is opened.");
    push(&tenancy, 1, &begin)?;

    // A hospital has its own prices, and one is created between two versions.
    let dear = diesel::update(medicines::table).set(medicines::selling_price.eq(Money(9_900)));
    dear.execute(&mut tenancy.tenant(&"DMC001".parse()?)?)?;
    tenancy.create(&"NEW001".parse()?, NewTenant::named("New Hospital"))?;
    let status = tenancy.reference_status("formulary")?;
    for hospital in status.behind() {
        println!("{} has not got version {} yet", hospital.id, status.newest);
    }
    push(&tenancy, 2, MEDICINES)?;

    // One question to all hospitals, on a context that cannot write: how many medicines, and how many at their own price?
    let count = |ctx: &mut ReadContext| {
        let dear = medicines::table.filter(medicines::selling_price.eq(Money(9_900)));
        let dear = dear.count().get_result::<i64>(ctx)?;
        Ok((medicines::table.count().get_result::<i64>(ctx)?, dear))
    };
    let sum = tenancy.aggregate(
        FanOut::new(),
        (0, 0),
        count,
        |sum, _hospital, (all, dear)| {
            *sum = (sum.0 + all, sum.1 + dear);
        },
    )?;
    println!(
        "{} hospitals keep {} medicines, {} of them at a price of their own",
        sum.done, sum.value.0, sum.value.1
    );
    Ok(())
}

fn push(tenancy: &Tenancy, version: u64, content: &str) -> Result<(), Box<dyn Error>> {
    // Read before it is pushed: what cannot be read must not be found out hospital by hospital.
    let rows = read(content)?;
    let list = ReferenceList::new("formulary", version, content, |ctx| formulary(ctx, &rows))?;
    let report = tenancy.push_reference(&list, FanOut::new(), |progress| {
        println!("version {version}: {} of {}", progress.done, progress.total);
    })?;
    for (hospital, error) in report.failed() {
        eprintln!("{hospital} did not get version {version}: {error}");
    }
    println!(
        "version {version}: brought to {} of {} hospitals",
        report.applied().count(),
        report.tenants.len()
    );
    Ok(())
}

/// Makes of whatever version a hospital has this one.
fn formulary(ctx: &mut TenantContext, rows: &[Row<'_>]) -> QueryResult<usize> {
    diesel::insert_into(drug_categories::table)
        .values((
            drug_categories::id.eq(Id::<DrugCategory>::new()),
            drug_categories::name.eq("General"),
        ))
        .on_conflict(drug_categories::name)
        .do_nothing()
        .execute(ctx)?;
    let category = drug_categories::table
        .filter(drug_categories::name.eq("General"))
        .select(drug_categories::id)
        .get_result::<Id<DrugCategory>>(ctx)?;
    diesel::insert_into(manufacturers::table)
        .values((
            manufacturers::id.eq(Id::<Manufacturer>::new()),
            manufacturers::code.eq("INV"),
            manufacturers::name.eq("Invented Remedies"),
        ))
        .on_conflict(manufacturers::code)
        .do_nothing()
        .execute(ctx)?;
    let maker = manufacturers::table
        .filter(manufacturers::code.eq("INV"))
        .select(manufacturers::id)
        .get_result::<Id<Manufacturer>>(ctx)?;

    let mut written = 0;
    for row in rows {
        let medicine = NewMedicine {
            id: Id::new(),
            code: row.code,
            name: row.name,
            generic_name: row.generic_name,
            drug_category_id: category,
            manufacturer_id: maker,
            form: row.form,
            strength: Some(row.strength),
            pack_size: None,
            reorder_level: 20,
            cost_price: row.cost_price,
            selling_price: row.selling_price,
            batch_number: None,
            expires_on: None,
            prescription_only: row.prescription_only,
            created_by: None,
            created_at: opening(),
        };
        // The code is what a medicine is known by everywhere; its id is each hospital's own, and so are price and stock.
        written += diesel::insert_into(medicines::table)
            .values(&medicine)
            .on_conflict(medicines::code)
            .do_update()
            .set((
                medicines::name.eq(excluded(medicines::name)),
                medicines::generic_name.eq(excluded(medicines::generic_name)),
                medicines::form.eq(excluded(medicines::form)),
                medicines::strength.eq(excluded(medicines::strength)),
                medicines::prescription_only.eq(excluded(medicines::prescription_only)),
            ))
            .execute(ctx)?;
    }
    Ok(written)
}

struct Row<'a> {
    code: &'a str,
    name: &'a str,
    generic_name: &'a str,
    form: &'a str,
    strength: &'a str,
    cost_price: Money,
    selling_price: Money,
    prescription_only: bool,
}

fn read(content: &str) -> Result<Vec<Row<'_>>, Box<dyn Error>> {
    let mut rows = Vec::new();
    for line in content.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let &[
            code,
            name,
            generic_name,
            form,
            strength,
            cost,
            price,
            prescription,
        ] = &fields[..]
        else {
            return Err(format!("`{line}` has {} fields, not 8", fields.len()).into());
        };
        rows.push(Row {
            code,
            name,
            generic_name,
            form,
            strength,
            cost_price: cost.parse()?,
            selling_price: price.parse()?,
            prescription_only: prescription == "yes",
        });
    }
    Ok(rows)
}

fn opening() -> NaiveDateTime {
    let day = NaiveDate::from_ymd_opt(2026, 1, 5).expect("a day of the calendar");
    day.and_time(NaiveTime::MIN)
}
