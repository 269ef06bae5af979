//! An application with tables of its own, and the tenant commands beside its own: `clinic serve`, `clinic tenants list`.
//!
//! `cargo run -p diesel-tenants-cli --example clinic -- tenants --data target/clinic init`
//!
//! Look at `main`: what the application adds is the closure that sets its library up, and one variant of its own commands.
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use diesel_tenants::pool::PoolConfig;
use diesel_tenants::prelude::*;
use diesel_tenants::{Builder, Sqlite};
use diesel_tenants_cli::Tenants;

mod schema {
    diesel::table! { users { id -> Integer, name -> Text, } }
    diesel::table! { patients { id -> Integer, name -> Text, ward -> Text, } }
}

routes! {
    static ROUTES;
    shared { accounts { schema::users } }
    tenant { wards { schema::patients } }
}

const SHARED: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL);";
const TENANT: &str = "CREATE TABLE patients (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL, ward TEXT NOT NULL);";

/// A clinic's service
#[derive(Parser)]
#[command(name = "clinic")]
enum Clinic {
    /// Count the patients of every clinic
    Count {
        /// The data directory
        data: std::path::PathBuf,
    },
    /// Look after the clinics' databases
    Tenants(Box<Tenants>),
}

fn main() -> ExitCode {
    match Clinic::parse() {
        Clinic::Tenants(command) => command.called("clinic tenants").run(configure),
        Clinic::Count { data } => match count(&data) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        },
    }
}

fn configure(data: &Path) -> Builder<SqliteConnection, Sqlite> {
    Tenancy::builder(&ROUTES)
        .sqlite(data)
        .shared_migrations(MigrationScript::new("20260101000000", "users", SHARED))
        .tenant_migrations(MigrationScript::new("20260101000000", "patients", TENANT))
        .pool(
            PoolConfig::default()
                .with_max_connections(200)
                .expect("it is in range"),
        )
}

fn count(data: &Path) -> Result<(), Box<dyn std::error::Error>> {
    use schema::patients;

    let tenancy = configure(data).open()?;
    for record in tenancy.tenants()? {
        let mut ctx = tenancy.tenant(&record.id)?;
        let count: i64 = patients::table.count().get_result(&mut ctx)?;
        println!("{}  {count}", record.id);
    }
    Ok(())
}
