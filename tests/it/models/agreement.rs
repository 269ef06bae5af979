//! `table!` and the migrated database say the same about every column of every table.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use diesel::prelude::*;
use diesel::sql_types::{
    BigInt, Bool, Date, Double, Integer, Nullable, Text, Time, Timestamp, is_nullable,
};
use diesel::sqlite::Sqlite;
use diesel_tenants::id::sql_types::Id;

use super::{Database, tables};

/// A column, as the file or as `table!` describes it.
#[derive(Debug, PartialEq, Eq, QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    declared_type: String,
    #[diesel(sql_type = Bool)]
    nullable: bool,
    /// The place in the primary key from 1, or 0.
    #[diesel(sql_type = Integer)]
    key: i32,
}

/// The type a migration declares for a column of this SQL type.
trait Declared {
    const TYPE: &'static str;
    const NULLABLE: bool = false;
}

macro_rules! declared {
    ($($sql_type:ident: $name:literal,)*) => {$(
        impl Declared for $sql_type {
            const TYPE: &'static str = $name;
        }
    )*};
}
declared! {
    BigInt: "BIGINT",
    Bool: "BOOLEAN",
    Date: "DATE",
    Double: "DOUBLE",
    Id: "BLOB",
    Integer: "INTEGER",
    Text: "TEXT",
    Time: "TIME",
    Timestamp: "TIMESTAMP",
}

impl<T> Declared for Nullable<T>
where
    T: Declared + diesel::sql_types::SqlType<IsNull = is_nullable::NotNull>,
{
    const TYPE: &'static str = T::TYPE;
    const NULLABLE: bool = true;
}

/// All columns of a table, from the tuple that `table!` makes of them.
trait Columns {
    fn columns() -> Vec<Column>;
}

macro_rules! columns {
    ($first:ident $($rest:ident)*) => {
        impl<$first, $($rest),*> Columns for ($first, $($rest,)*)
        where
            $first: diesel::Column<SqlType: Declared>,
            $($rest: diesel::Column<SqlType: Declared>,)*
        {
            fn columns() -> Vec<Column> {
                vec![column::<$first>() $(, column::<$rest>())*]
            }
        }
        columns!($($rest)*);
    };
    () => {};
}
columns!(A B C D E F G H I J K L M N O P Q R S T U V W X Y Z Aa Ab Ac Ad Ae Af);

fn column<C: diesel::Column<SqlType: Declared>>() -> Column {
    Column {
        name: C::NAME.into(),
        declared_type: C::SqlType::TYPE.into(),
        nullable: C::SqlType::NULLABLE,
        key: 0,
    }
}

/// The columns of a table with their places in the primary key.
fn described<T>(_: T, primary_key: &str) -> Vec<Column>
where
    T: Table<AllColumns: Columns>,
{
    // `SELECT `patients`.`id` FROM …`: a key of one column is no tuple, so its type cannot be walked as the columns' is.
    let key: Vec<_> = primary_key
        .strip_prefix("SELECT ")
        .and_then(|query| query.split(" FROM ").next())
        .unwrap()
        .split(", ")
        .map(|column| column.rsplit('.').next().unwrap().trim_matches('`'))
        .collect();
    let mut columns = T::AllColumns::columns();
    for column in &mut columns {
        let place = key.iter().position(|name| *name == column.name);
        column.key = place.map_or(0, |place| i32::try_from(place).unwrap() + 1);
    }
    assert_eq!(
        columns.iter().filter(|column| column.key > 0).count(),
        key.len()
    );
    columns
}

macro_rules! described {
    ($schema:ident: $($table:ident)*) => {{
        use diesel_tenants::models::schema::$schema::*;
        BTreeMap::from([$((
            stringify!($table).to_owned(),
            described(
                $table::table,
                &diesel::debug_query::<Sqlite, _>(&$table::table.select($table::table.primary_key()))
                    .to_string(),
            ),
        )),*])
    }};
}

fn shared() -> BTreeMap<String, Vec<Column>> {
    described! { shared:
        contract_acceptances group_permissions groups hospital_modules hospitals login_attempts permissions
        plans profiles sessions subscriptions tenant_access user_groups users
    }
}

fn tenant() -> BTreeMap<String, Vec<Column>> {
    described! { tenant:
        admissions appointment_events appointment_types appointments beds contact_messages daily_metrics
        dashboard_widgets departments doctor_schedules doctors drug_categories emergency_cases emergency_vitals
        insurance_claims inventory_items inventory_transactions invoice_items invoices lab_order_items
        lab_orders lab_results lab_sections lab_tests leave_requests manufacturers medicines notifications
        number_sequences nurse_schedules nurses opd_visits operating_theatres patient_documents patient_feedback
        patient_notes patient_vitals patients payments payroll_entries pharmacy_sale_items pharmacy_sales
        prescription_items prescriptions radiology_orders radiology_studies rooms services settings
        staff_attendance staff_members staff_schedules stock_movements study_types suppliers surgeries
        surgery_team teleconsultations treatments
    }
}

#[test]
fn shared_tables_agree() {
    assert_agreement(&shared(), Database::shared());
}

#[test]
fn tenant_tables_agree() {
    assert_agreement(&tenant(), Database::tenant());
}

fn assert_agreement(described: &BTreeMap<String, Vec<Column>>, mut database: Database) {
    let conn = &mut database.conn;
    let names: BTreeSet<_> = described.keys().cloned().collect();
    assert_eq!(
        names,
        tables(conn),
        "listed here, and made by the migrations"
    );
    for (table, columns) in described {
        let in_file: Vec<Column> = diesel::sql_query(
            "SELECT name, type AS declared_type, NOT \"notnull\" AS nullable, pk AS key \
             FROM pragma_table_info(?) ORDER BY cid",
        )
        .bind::<Text, _>(table)
        .load(conn)
        .unwrap();
        assert_eq!(
            columns, &in_file,
            "{table}: `table!` on the left, the file on the right"
        );
    }
}

/// A `table!` that is neither listed above nor made by a migration would escape the comparison.
#[test]
fn every_table_in_the_source_is_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/models/schema");
    assert_eq!(
        declared_in(&folder.join("shared.rs")),
        shared().into_keys().collect()
    );
    let mut declared = BTreeSet::new();
    for file in fs::read_dir(folder.join("tenant")).unwrap() {
        declared.append(&mut declared_in(&file.unwrap().path()));
    }
    assert_eq!(declared, tenant().into_keys().collect());
}

/// The names in lines like `    patients (id) {`.
fn declared_in(file: &Path) -> BTreeSet<String> {
    let source = fs::read_to_string(file).unwrap();
    let names: BTreeSet<_> = source
        .lines()
        .filter_map(|line| line.strip_suffix(") {")?.trim_start().split_once(" ("))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(names.len(), source.matches("table! {").count());
    names
}

#[test]
fn no_table_is_in_both_scopes() {
    let both: Vec<_> = shared()
        .into_keys()
        .filter(|table| tenant().contains_key(table))
        .collect();
    assert!(both.is_empty(), "{both:?}");
}
