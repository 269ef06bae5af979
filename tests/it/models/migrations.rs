//! Every migration goes up, down and up again; the sale that history left without a hospital survives its repair.

use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource};
use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};
use diesel_tenants::models::schema::tenant::pharmacy_sales;
use diesel_tenants::models::tenant::billing::PaymentMethod;
use diesel_tenants::models::tenant::pharmacy::{PharmacySale, PharmacySaleChanges};
use diesel_tenants::models::{SHARED_MIGRATIONS, TENANT_MIGRATIONS};
use diesel_tenants::money::Money;

use super::values::elsewhere;
use super::{Database, fill_shared, fill_tenant, tables, texts};

/// All that was declared, in order.
fn schema(conn: &mut SqliteConnection) -> Vec<String> {
    texts(
        conn,
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE '%schema_migrations' ORDER BY name",
    )
}

fn in_order(migrations: &EmbeddedMigrations) -> Vec<Box<dyn Migration<Sqlite>>> {
    let mut migrations = MigrationSource::<Sqlite>::migrations(migrations).unwrap();
    migrations.sort_unstable_by_key(|migration| migration.name().version().as_owned());
    migrations
}

#[test]
fn each_migration_is_undone_by_its_down() {
    for source in [SHARED_MIGRATIONS, TENANT_MIGRATIONS] {
        let mut database = Database::empty();
        let conn = &mut database.conn;
        for migration in in_order(&source) {
            let name = migration.name().to_string();
            let before = schema(conn);
            conn.run_migration(&migration).unwrap();
            let after = schema(conn);
            assert_ne!(before, after, "{name}");
            conn.revert_migration(&migration).unwrap();
            assert_eq!(before, schema(conn), "{name}");
            conn.run_migration(&migration).unwrap();
            assert_eq!(after, schema(conn), "{name}");
        }
    }
}

#[test]
fn a_database_with_rows_goes_down_too() {
    for (source, fill) in [
        (SHARED_MIGRATIONS, fill_shared as fn(&mut SqliteConnection)),
        (TENANT_MIGRATIONS, fill_tenant),
    ] {
        let mut database = Database::empty();
        let conn = &mut database.conn;
        conn.run_migrations(&in_order(&source)).unwrap();
        fill(conn);
        for migration in in_order(&source).iter().rev() {
            conn.revert_migration(migration).unwrap();
        }
        assert!(tables(conn).is_empty());
    }
}

#[test]
fn the_repair_keeps_the_sales_it_finds() {
    let mut database = Database::empty();
    let conn = &mut database.conn;
    let mut migrations = in_order(&TENANT_MIGRATIONS);
    let repair = migrations.pop().unwrap();
    assert!(
        repair
            .name()
            .to_string()
            .ends_with("_pharmacy_sales_repair")
    );
    conn.run_migrations(&migrations).unwrap();
    conn.batch_execute(
        "INSERT INTO pharmacy_sales (id, sale_number, sale_date, total_amount, payment_method, created_at)
         VALUES (randomblob(16), 'SALE-1', '2026-01-20 11:00:00', 1250, 'cash', '2026-01-20 11:00:00')",
    )
    .unwrap();

    conn.run_migration(&repair).unwrap();

    let sale: PharmacySale = pharmacy_sales::table.first(conn).unwrap();
    assert_eq!(sale.sale_number, "SALE-1");
    assert_eq!(sale.payment_method, PaymentMethod::Cash);
    assert_eq!(sale.net_amount, Money(1250));
    assert_eq!(
        (sale.discount_amount, sale.tax_amount),
        (Money::ZERO, Money::ZERO)
    );
    assert_eq!((sale.customer_name.as_str(), sale.hospital_id), ("", None));

    let hospital = elsewhere();
    let sale = diesel::update(&sale)
        .set(PharmacySaleChanges {
            hospital_id: Some(Some(hospital)),
            ..PharmacySaleChanges::default()
        })
        .get_result::<PharmacySale>(conn)
        .unwrap();
    assert_eq!(sale.hospital_id, Some(hospital));

    conn.revert_migration(&repair).unwrap();
    assert_eq!(
        texts(conn, "SELECT sale_number FROM pharmacy_sales"),
        ["SALE-1"]
    );
}
