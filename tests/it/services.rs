//! The hospital's services: accounts, numbers, subscriptions.
use std::path::{Path, PathBuf};

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::shared::hospitals;
use diesel_tenants::models::shared::accounts::{Hospital, NewHospital};
use diesel_tenants::models::{ROUTES, SHARED_MIGRATIONS, TENANT_MIGRATIONS};
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::{Accounts, HashCost, Policy};
use diesel_tenants::services::admission::Admission;
use diesel_tenants::services::hospitals as hospitals_service;

mod access;
mod accounts;
mod admission;
mod binding;
mod closing;
mod decisions;
mod links;
mod numbers;
mod onboarding;
mod permissions;
mod plans;
mod restored;
mod sessions;
mod subscriptions;
mod wholly;

/// A data directory of hospitals, removed when the test ends.
struct Service {
    tenancy: Tenancy,
    accounts: Accounts,
    root: PathBuf,
    _dir: tempfile::TempDir,
}

fn service() -> Service {
    let dir = crate::scratch::dir();
    let root = dir.path().join("data");
    Service {
        tenancy: open(&root),
        accounts: quick_accounts(),
        root,
        _dir: dir,
    }
}

/// The library on the hospital's model, as every process of these tests opens it.
fn open(root: &Path) -> Tenancy {
    let builder = Tenancy::builder(&ROUTES)
        .sqlite(root)
        .init()
        .shared_migrations(SHARED_MIGRATIONS)
        .tenant_migrations(TENANT_MIGRATIONS)
        .membership(Accounts::default())
        .workflow(Admission::default());
    diesel_tenants::services::onboarding::workflows(builder)
        .open()
        .unwrap()
}

/// Hashes are not what is tested here, and slow on purpose.
fn quick_accounts() -> Accounts {
    let mut policy = Policy::default();
    policy.hash_cost = HashCost::new(16, 1);
    Accounts::new(policy)
}

/// The parts other processes play here.
pub(crate) fn play(part: &str, root: &Path) -> bool {
    onboarding::play(part, root) || admission::play(part, root)
}

impl Service {
    fn shared(&self) -> SharedContext {
        self.tenancy.shared().unwrap()
    }

    /// A hospital: its row, and its database.
    fn hospital(&self, code: &str) -> Id<Hospital> {
        let tenant = code.parse().unwrap();
        self.tenancy
            .create(&tenant, NewTenant::named(code))
            .unwrap();
        let hospital = self.hospital_row(code);
        let uuid = self.tenancy.handle(&tenant).unwrap().uuid();
        assert!(hospitals_service::bind(&mut self.shared(), hospital, uuid, at(0)).unwrap());
        hospital
    }

    /// The row alone.
    fn hospital_row(&self, code: &str) -> Id<Hospital> {
        hospital_row(&mut self.shared(), code)
    }
}

fn hospital_row(shared: &mut SharedContext, code: &str) -> Id<Hospital> {
    let id = Id::new();
    let row = NewHospital {
        id,
        code,
        name: code,
        subdomain: &code.to_lowercase(),
        contact_name: None,
        email: "office@hospital.example",
        phone: None,
        address: None,
        city: None,
        country: None,
        website: None,
        time_zone: "UTC",
        currency: "USD",
        created_at: at(0),
    };
    diesel::insert_into(hospitals::table)
        .values(&row)
        .execute(shared)
        .unwrap();
    id
}

/// The day everything begins.
fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, 31).unwrap()
}

/// So many seconds after the beginning of that day.
fn at(seconds: i64) -> NaiveDateTime {
    today().and_hms_opt(0, 0, 0).unwrap() + TimeDelta::seconds(seconds)
}

/// So many days after it.
fn day(days: i64) -> NaiveDateTime {
    at(days * 24 * 3600)
}
