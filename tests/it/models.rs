//! The hospital data model: what the migrations make, what `table!` says and what the rows hold are the same.

mod agreement;
mod care_rows;
mod constraints;
mod example_data;
mod migrations;
mod office_rows;
mod people_rows;
mod rows;
mod service_rows;
mod shared_refs;
mod shared_rows;
pub(crate) mod values;

use std::collections::BTreeSet;

use diesel::connection::SimpleConnection;
use diesel::migration::MigrationConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};
use diesel_tenants::models::{SHARED_MIGRATIONS, TENANT_MIGRATIONS};
use tempfile::TempDir;

/// What the files of rows need of Diesel. They are mounted a second time, on contexts, by the module `hospital`.
mod dsl {
    pub(super) use diesel::SqliteConnection as Conn;
    pub(super) use diesel::prelude::*;
}

/// A database file of the test's own.
struct Database {
    conn: SqliteConnection,
    _folder: TempDir,
}

impl Database {
    fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database.sqlite3");
        let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        conn.batch_execute("PRAGMA foreign_keys = ON").unwrap();
        conn.setup().unwrap();
        Self {
            conn,
            _folder: folder,
        }
    }

    fn with(migrations: EmbeddedMigrations) -> Self {
        let mut database = Self::empty();
        database.conn.run_pending_migrations(migrations).unwrap();
        database
    }

    fn shared() -> Self {
        Self::with(SHARED_MIGRATIONS)
    }

    fn tenant() -> Self {
        Self::with(TENANT_MIGRATIONS)
    }
}

/// Inserts a row in every table of the shared database.
fn fill_shared(conn: &mut SqliteConnection) {
    shared_rows::fill(conn);
}

/// Inserts a row in every table of a hospital's database.
fn fill_tenant(conn: &mut SqliteConnection) {
    let people = people_rows::people(conn);
    let appointment = care_rows::care(conn, &people);
    service_rows::diagnostics(conn, &people, &appointment);
    service_rows::goods(conn, &people, &appointment);
    service_rows::finance(conn, &people, &appointment);
    office_rows::office(conn, &people, &appointment);
}

/// The tables in the file, without SQLite's and Diesel's own.
fn tables(conn: &mut SqliteConnection) -> BTreeSet<String> {
    texts(
        conn,
        "SELECT name FROM sqlite_master WHERE type = 'table' \
         AND name NOT LIKE 'sqlite!_%' ESCAPE '!' AND name <> '__diesel_schema_migrations'",
    )
    .into_iter()
    .collect()
}

/// A query for one text column.
fn texts(conn: &mut SqliteConnection, query: &str) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        text: String,
    }

    let query = format!("WITH answer (text) AS ({query}) SELECT text FROM answer");
    diesel::sql_query(query)
        .load::<Row>(conn)
        .unwrap()
        .into_iter()
        .map(|row| row.text)
        .collect()
}

/// Tables whose rows tell nothing about a person, so that their `Debug` prints every field.
pub(crate) const PRINTED: &[&str] = &[
    "appointment_types",
    "beds",
    "daily_metrics",
    "dashboard_widgets",
    "departments",
    "doctor_schedules",
    "doctors",
    "drug_categories",
    "group_permissions",
    "groups",
    "hospital_modules",
    "hospitals",
    "inventory_items",
    "inventory_transactions",
    "lab_sections",
    "lab_tests",
    "manufacturers",
    "medicines",
    "number_sequences",
    "nurse_schedules",
    "nurses",
    "operating_theatres",
    "permissions",
    "plans",
    "rooms",
    "services",
    "staff_schedules",
    "stock_movements",
    "study_types",
    "subscriptions",
    "suppliers",
    "surgery_team",
    "tenant_access",
    "user_groups",
];

/// Whether a field came back as it went in.
pub(crate) trait Same<New> {
    fn same(&self, new: &New) -> bool;
}

impl<T: PartialEq> Same<T> for T {
    fn same(&self, new: &T) -> bool {
        self == new
    }
}

impl Same<&str> for String {
    fn same(&self, new: &&str) -> bool {
        self == new
    }
}

impl Same<Option<&str>> for Option<String> {
    fn same(&self, new: &Option<&str>) -> bool {
        self.as_deref() == *new
    }
}

/// Inserts the only row of a table, reads it back by the table's own column list, compares every field, and returns it.
macro_rules! round_trip {
    ($conn:ident, $table:ident, $row:ident, $new:ident { $($field:ident: $value:expr),* $(,)? }) => {{
        let new = $new { $($field: $value),* };
        diesel::insert_into($table::table).values(&new).execute($conn).unwrap();
        let mut rows: Vec<$row> = $table::table.load($conn).unwrap();
        let row = rows.pop().unwrap();
        assert!(rows.is_empty());
        $(assert!(
            super::Same::same(&row.$field, &new.$field),
            concat!(stringify!($table), ".", stringify!($field)),
        );)*
        let selected = $table::table.select($row::as_select()).first($conn);
        assert!(selected == Ok(row.clone()), stringify!($table));
        let hidden = format!("{row:?}").ends_with(", .. }") && format!("{new:?}").ends_with(", .. }");
        assert_ne!(hidden, super::PRINTED.contains(&stringify!($table)), stringify!($table));
        row
    }};
}
pub(crate) use round_trip;
