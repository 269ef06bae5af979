//! The test kit for an application's own tests: temporary fleets, fixtures, canaries and the isolation prover.
//!
//! - [`TestFleet`]: the library opened on a temporary directory, and a fresh tenant for every test in one call.
//! - [`TestFleetCell`]: one fleet for all tests of a binary, however many threads run them.
//! - [`IsolationProver`]: a test that fails when the application's way to open contexts leads a row astray.
//!
//! Behind the feature `testing`, which belongs under `[dev-dependencies]`.
//!
//! # Example
//! ```
//! use diesel_tenants::prelude::*;
//! use diesel_tenants::testing::{TestFleet, TestFleetCell};
//! # mod schema {
//! #     diesel::table! { users { id -> Integer, name -> Text, } }
//! #     diesel::table! { patients { id -> Integer, name -> Text, } }
//! # }
//! # use schema::patients;
//! # routes! {
//! #     static ROUTES;
//! #     shared { accounts { schema::users } }
//! #     tenant { wards { schema::patients } }
//! # }
//! # const CREATE_USERS: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL)";
//! # const CREATE_PATIENTS: &str = "CREATE TABLE patients (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL)";
//! # fn shared() -> MigrationSet { MigrationSet::new([MigrationScript::new("1", "users", CREATE_USERS)]) }
//! # fn tenant() -> MigrationSet { MigrationSet::new([MigrationScript::new("1", "patients", CREATE_PATIENTS)]) }
//!
//! static FLEET: TestFleetCell = TestFleetCell::new(|| TestFleet::open(&ROUTES, shared(), tenant()));
//!
//! // #[test]
//! fn a_patient_is_admitted() -> Result<(), Box<dyn std::error::Error>> {
//!     let hospital = FLEET.get()?.tenant()?;
//!     let mut ctx = hospital.enter()?;
//!     diesel::insert_into(patients::table).values(patients::name.eq("Ada")).execute(&mut ctx)?;
//!     assert_eq!(patients::table.select(patients::name).load::<String>(&mut ctx)?, ["Ada"]);
//!     Ok(())
//! }
//! # std::thread::scope(|threads| {
//! #     for _ in 0..4 { threads.spawn(|| a_patient_is_admitted().unwrap()); }
//! # });
//! ```
mod cell;
mod fleet;
mod isolation;
mod isolation_error;
mod isolation_report;
mod scan;

pub use cell::TestFleetCell;
pub use fleet::{TestFleet, TestFleetBuilder, TestFleetError, TestTenant};
pub use isolation::IsolationProver;
pub use isolation_error::{IsolationError, Leak, Place};
pub use isolation_report::IsolationReport;
