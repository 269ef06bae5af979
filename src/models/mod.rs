//! The hospital data model (feature `hospital`).

pub mod schema;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};

/// Creates the tables of the shared database.
pub const SHARED_MIGRATIONS: EmbeddedMigrations =
    embed_migrations!("migrations/sqlite/hospital/shared");

/// Creates the tables of a hospital's database.
pub const TENANT_MIGRATIONS: EmbeddedMigrations =
    embed_migrations!("migrations/sqlite/hospital/tenant");
