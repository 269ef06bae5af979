//! `tenants`: the commands on the data model of a hospital.
use std::process::ExitCode;

use diesel_tenants::Tenancy;
use diesel_tenants::models::{ROUTES, SHARED_MIGRATIONS, SHARED_REFS, TENANT_MIGRATIONS};
use diesel_tenants_cli::Setup;

fn main() -> ExitCode {
    diesel_tenants_cli::run_hospitals(|data| {
        let hospitals = Tenancy::builder(&ROUTES)
            .sqlite(data)
            .shared_migrations(SHARED_MIGRATIONS)
            .tenant_migrations(TENANT_MIGRATIONS);
        Setup::from(hospitals).shared_refs(SHARED_REFS)
    })
}
