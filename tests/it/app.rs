//! A small application for the tests of the engine: two shared tables, three tenant tables.
use std::path::{Path, PathBuf};

use diesel_tenants::prelude::*;
use diesel_tenants::{Builder, MigrationScript, MigrationSet, Retention, Sqlite};

pub(crate) mod schema {
    diesel::table! { users { id -> Integer, name -> Text, } }
    diesel::table! { hospitals { id -> Integer, name -> Text, } }
    diesel::allow_tables_to_appear_in_same_query!(users, hospitals);

    diesel::table! { patients { id -> Integer, name -> Text, ward -> Text, } }
    diesel::table! { visits { id -> Integer, patient_id -> Integer, reason -> Text, } }
    diesel::table! { archive { id -> Integer, name -> Text, ward -> Text, } }
    diesel::joinable!(visits -> patients (patient_id));
    diesel::allow_tables_to_appear_in_same_query!(patients, visits, archive);
}
pub(crate) use schema::{hospitals, patients, users};

routes! {
    pub(crate) static ROUTES;
    shared { accounts { schema::users, schema::hospitals } }
    tenant { wards { schema::patients, schema::visits, schema::archive } }
}

pub(crate) fn shared_migrations() -> MigrationSet {
    MigrationSet::new([MigrationScript::new(
        "20260101000000",
        "accounts",
        "CREATE TABLE users (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL);
         CREATE TABLE hospitals (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL);",
    )])
}

pub(crate) fn tenant_migrations() -> MigrationSet {
    MigrationSet::new([wards(), archive()])
}

pub(crate) fn wards() -> MigrationScript {
    MigrationScript::new(
        "20260101000000",
        "wards",
        "CREATE TABLE patients (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL, ward TEXT NOT NULL);
         CREATE TABLE visits (id INTEGER PRIMARY KEY NOT NULL, reason TEXT NOT NULL,
                              patient_id INTEGER NOT NULL REFERENCES patients (id));
         CREATE INDEX visits_patient_id ON visits (patient_id);",
    )
}

pub(crate) fn archive() -> MigrationScript {
    MigrationScript::new(
        "20260102000000",
        "archive",
        "CREATE TABLE archive (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL, ward TEXT NOT NULL);",
    )
}

/// The application's library on the data directory `root`, to be adjusted and opened.
pub(crate) fn builder(root: &Path) -> Builder<SqliteConnection, Sqlite> {
    Tenancy::builder(&ROUTES)
        .sqlite(root)
        .init()
        .shared_migrations(shared_migrations())
        .tenant_migrations(tenant_migrations())
        .workflow(crate::workflow::Admission)
        .workflow(crate::workflow::Onboarding)
        .membership(crate::access::Members)
}

/// A data directory that is removed when the test ends, and the library opened on it.
pub(crate) struct Fleet {
    pub(crate) tenancy: Tenancy,
    pub(crate) root: PathBuf,
    pub(crate) _dir: tempfile::TempDir,
}

pub(crate) fn fleet() -> Fleet {
    fleet_with(|builder| builder)
}

pub(crate) fn fleet_with(
    adjust: impl FnOnce(Builder<SqliteConnection, Sqlite>) -> Builder<SqliteConnection, Sqlite>,
) -> Fleet {
    let dir = crate::scratch::dir();
    let root = dir.path().join("data");
    Fleet {
        tenancy: adjust(builder(&root)).open().unwrap(),
        root,
        _dir: dir,
    }
}

impl Fleet {
    pub(crate) fn create(&self, id: &str) -> TenantHandle {
        let new = NewTenant::named(format!("{id} Hospital"));
        self.tenancy.create(&id.parse().unwrap(), new).unwrap()
    }

    /// The library, opened once more on the same directory, as another process would.
    pub(crate) fn again(&self) -> Tenancy {
        builder(&self.root).open().unwrap()
    }

    /// The directory, in which nobody has anything open any more.
    pub(crate) fn close(self) -> (PathBuf, tempfile::TempDir) {
        drop(self.tenancy);
        (self.root, self._dir)
    }

    /// The database file of a tenant's generation.
    pub(crate) fn file(&self, tenant: &TenantHandle, generation: u64) -> PathBuf {
        let record = tenant.record().unwrap();
        let uuid = record.uuid.simple().to_string();
        let directory = format!("{}-{}", record.id.folded(), &uuid[24..]);
        let tenants = self.root.join("tenants");
        tenants
            .join(directory)
            .join(format!("g{generation}.sqlite3"))
    }
}

/// Brings an active tenant to where it may be purged at once.
pub(crate) fn delete_at_once(tenancy: &Tenancy, id: &TenantId) {
    tenancy.suspend(id).unwrap();
    tenancy.archive(id).unwrap();
    tenancy.delete(id, id.as_str(), Retention::NONE).unwrap();
}

pub(crate) fn admit(ctx: &mut TenantContext, name: &str) -> QueryResult<usize> {
    diesel::insert_into(patients::table)
        .values((patients::name.eq(name), patients::ward.eq("A")))
        .execute(ctx)
}

pub(crate) fn names(ctx: &mut TenantContext) -> Vec<String> {
    let names = patients::table.select(patients::name).order(patients::id);
    names.load(ctx).unwrap()
}

/// The library, opened once more with other tenant migrations, as another build would.
pub(crate) fn fleet_again(fleet: &Fleet, set: MigrationSet) -> Tenancy {
    builder(&fleet.root).tenant_migrations(set).open().unwrap()
}
