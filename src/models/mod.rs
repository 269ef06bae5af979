//! The hospital data model: tables, rows and migrations (feature `hospital`).
//!
//! [`schema`] has the tables, [`shared`] and [`tenant`] the rows by module. A row comes as three types, for example
//! [`Patient`](tenant::patients::Patient) as it is read, [`NewPatient`](tenant::patients::NewPatient) to be inserted, and
//! [`PatientChanges`](tenant::patients::PatientChanges) to be updated with; what only starts out in one way (a state, a
//! stock of nothing) is a default of the column and not in the second, what never changes is not in the third.
//!
//! - Keys are [`Id`](crate::id::Id)s made by the application. A tenant row names a row of the shared database by a
//!   [`SharedRef`](crate::id::SharedRef), never by a foreign key.
//! - Times are UTC, except times of the day in schedules, which are the hospital's. Nothing reads the clock here.
//! - Amounts are [`Money`](crate::money::Money), in the hospital's currency.
//! - States are closed enums, stored as words and checked by the table too.
//! - **Rows of persons do not print what they hold**: `Debug` of a patient, a user or an invoice shows the type's name
//!   and the key, so that a record reaches no log by accident.
//! - In changes, `None` leaves a column as it is. A column that can be emptied takes `Some(None)`; the time and the author of
//!   something that happened cannot, and are given alone.
//! - A `None` in a new row is written as `NULL` rather than left to the column's default, so that every insert into a table
//!   is one statement, prepared once, whatever it holds.
//!
//! # Example
//!
//! A page of a hospital's patients with the users who registered them, in two queries:
//!
//! ```
//! use std::collections::HashMap;
//!
//! use diesel::prelude::*;
//! use diesel_tenants::id::{Id, SharedRef, by_id};
//! use diesel_tenants::models::schema::{shared::users, tenant::patients};
//! use diesel_tenants::models::{shared::accounts::User, tenant::patients::Patient};
//!
//! fn page(
//!     tenant: &mut SqliteConnection,
//!     shared: &mut SqliteConnection,
//! ) -> QueryResult<(Vec<Patient>, HashMap<Id<User>, User>)> {
//!     let page: Vec<Patient> = patients::table.order(patients::id).limit(20).load(tenant)?;
//!     let wanted = SharedRef::distinct(page.iter().filter_map(|patient| patient.registered_by));
//!     let users = users::table.filter(users::id.eq_any(wanted)).load::<User>(shared)?;
//!     Ok((page, by_id(users)))
//! }
//! ```

pub(crate) mod macros;
mod routes;
pub mod schema;
pub mod shared;
mod shared_refs;
pub mod tenant;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};

pub use self::macros::UnknownWord;
pub use self::routes::ROUTES;
pub use self::shared_refs::SHARED_REFS;

/// Creates the tables of the shared database.
pub const SHARED_MIGRATIONS: EmbeddedMigrations =
    embed_migrations!("migrations/sqlite/hospital/shared");

/// Creates the tables of a hospital's database.
pub const TENANT_MIGRATIONS: EmbeddedMigrations =
    embed_migrations!("migrations/sqlite/hospital/tenant");
