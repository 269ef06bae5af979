//! The test kit: temporary fleets and fixtures.
use std::collections::BTreeSet;
use std::error::Error;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use diesel_tenants::error::{CreateError, SetupError};
use diesel_tenants::prelude::*;
use diesel_tenants::testing::{TestFleet, TestFleetCell, TestTenant};

use crate::app::schema::visits;
use crate::app::{ROUTES, admit, names, patients, shared_migrations, tenant_migrations, users};

mod isolation;

fn open() -> TestFleet {
    TestFleet::open(&ROUTES, shared_migrations(), tenant_migrations()).unwrap()
}

fn id(id: &str) -> TenantId {
    id.parse().unwrap()
}

// Fleets.

#[test]
fn the_directory_is_private_and_goes_with_the_last_handle() {
    let fleet = open();
    let data = fleet.data();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(data.parent().unwrap()), 0o700);

    let tenant = fleet.tenant().unwrap();
    let again = fleet.clone();
    drop(fleet);
    drop(again);
    admit(&mut tenant.enter().unwrap(), "kept by the tenant").unwrap();
    assert!(data.exists());
    let mut ctx = tenant.enter().unwrap();
    drop(tenant);
    assert!(!data.parent().unwrap().exists());
    // A context does not keep the directory, and is not torn down either.
    admit(&mut ctx, "to files without a name").unwrap();
    assert_eq!(names(&mut ctx).len(), 2);
}

#[test]
fn the_directory_goes_when_a_test_panics() {
    let data = std::panic::catch_unwind(|| {
        let fleet = open();
        let _ctx = fleet.tenant().unwrap().enter().unwrap();
        std::panic::resume_unwind(Box::new(fleet.data()));
    });
    let data = data.unwrap_err().downcast::<std::path::PathBuf>().unwrap();
    assert!(!data.parent().unwrap().exists());
}

#[test]
fn tenants_have_ids_of_their_own_and_answer_at_a_subdomain() {
    let fleet = open();
    let named: TestTenant = fleet.tenant_named("TH001").unwrap();
    // Two of the names that would be generated next.
    fleet.tenant_named("test-2").unwrap();
    fleet.tenant_named("TEST_3").unwrap();
    let ids: BTreeSet<_> = (0..5).map(|_| fleet.tenant().unwrap().id()).collect();
    assert_eq!(ids.len(), 5);
    assert!(!ids.contains(&id("test-2")));
    assert_eq!(fleet.tenancy().tenants().unwrap().len(), 8);

    assert_eq!(named.record().unwrap().display_name.as_str(), "TH001");
    let at = |subdomain: &str| fleet.tenancy().handle_at(&subdomain.parse().unwrap());
    assert_eq!(at("th001").unwrap().id(), named.id());
    assert_eq!(at("test-1").unwrap().id(), id("test-1"));

    let again = fleet.tenant_named("th001").unwrap_err();
    assert!(matches!(
        again,
        diesel_tenants::Error::Create(CreateError::AlreadyExists { .. })
    ));
    let refused = fleet.tenant_named("../etc").unwrap_err();
    assert!(matches!(refused, diesel_tenants::Error::TenantId(_)));
}

/// What a test of an application does: a tenant of its own, written to and read.
fn use_a_tenant(tenant: &TestTenant, number: usize) {
    let mine = format!("patient of test {number}");
    admit(&mut tenant.enter().unwrap(), &mine).unwrap();
    assert_eq!(names(&mut tenant.enter().unwrap()), [mine.as_str()]);
}

#[test]
fn two_hundred_tests_share_one_fleet_and_no_row() {
    static FLEET: TestFleetCell =
        TestFleetCell::new(|| TestFleet::open(&ROUTES, shared_migrations(), tenant_migrations()));
    const TESTS: usize = 200;

    let started = Instant::now();
    let fleet = FLEET.get().unwrap();
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for _ in 0..16 {
            threads.spawn(|| {
                loop {
                    let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if number >= TESTS {
                        return;
                    }
                    use_a_tenant(&FLEET.get().unwrap().tenant().unwrap(), number);
                }
            });
        }
    });
    println!("{TESTS} tests, a tenant each: {:?}", started.elapsed());

    // All in one directory, and every row still where it was written.
    let tenants = fleet.tenancy().tenants().unwrap();
    assert_eq!(tenants.len(), TESTS);
    let mut all = BTreeSet::new();
    for tenant in tenants {
        let names = names(&mut fleet.tenancy().tenant(&tenant.id).unwrap());
        assert_eq!(names.len(), 1, "{:?}", tenant.id);
        all.extend(names);
    }
    assert_eq!(all.len(), TESTS);
}

#[test]
fn a_cell_opens_one_fleet_at_a_time_and_keeps_none() {
    static FLEET: TestFleetCell =
        TestFleetCell::new(|| TestFleet::open(&ROUTES, shared_migrations(), tenant_migrations()));
    let (one, other) = (FLEET.get().unwrap(), FLEET.get().unwrap());
    assert_eq!(one.data(), other.data());
    let data = one.data();
    drop(one);
    assert!(data.exists());
    drop(other);
    assert!(!data.exists());
    // The fleet is let go of in the same breath; the tenant keeps it.
    let tenant = FLEET.get().unwrap().tenant().unwrap();
    assert_ne!(tenant.fleet().data(), data);
    use_a_tenant(&tenant, 1);
}

// Fixtures.

#[test]
fn every_tenant_starts_with_the_fixtures() {
    let fleet = TestFleet::builder(&ROUTES)
        .shared_migrations(shared_migrations())
        .tenant_migrations(tenant_migrations())
        .fixture("INSERT INTO patients (id, name, ward) VALUES (7, 'Ada', 'A')")
        .fixture(format!(
            "INSERT INTO visits (patient_id, reason) VALUES (7, '{}')",
            "checkup"
        ))
        .shared_fixture("INSERT INTO users (name) VALUES ('root')")
        .open()
        .unwrap();
    for _ in 0..3 {
        let tenant = fleet.tenant().unwrap();
        let mut ctx = tenant.enter().unwrap();
        let rows = visits::table.inner_join(patients::table);
        let rows = rows.select((patients::name, visits::reason));
        let rows: Vec<(String, String)> = rows.load(&mut ctx).unwrap();
        assert_eq!(rows, [("Ada".to_owned(), "checkup".to_owned())]);
        // What one adds, the next does not start with.
        admit(&mut ctx, "Grace").unwrap();
        assert_eq!(names(&mut ctx), ["Ada", "Grace"]);
        let version = tenant.record().unwrap().schema_version.clone();
        assert_eq!(version.as_deref(), Some("20260102000000.0002"));
    }
    let mut shared = fleet.tenancy().shared().unwrap();
    let users: Vec<String> = users::table.select(users::name).load(&mut shared).unwrap();
    assert_eq!(users, ["root"]);
}

#[test]
fn fixtures_come_after_whatever_the_migrations_are_called() {
    let create = "CREATE TABLE patients (id INTEGER PRIMARY KEY, name TEXT, ward TEXT)";
    let insert = "INSERT INTO patients (name) VALUES ('Ada')";
    for version in ["1", "9", "99999999999999.99", "20260101000000.0001"] {
        let fleet = TestFleet::builder(&ROUTES)
            .tenant_migrations(MigrationSet::new([MigrationScript::new(
                version, "x", create,
            )]))
            .fixture(insert)
            .open()
            .unwrap();
        let tenant = fleet.tenant().unwrap();
        assert_eq!(names(&mut tenant.enter().unwrap()), ["Ada"], "{version}");
    }
}

#[test]
fn a_fixture_that_cannot_run_is_an_error() {
    let builder = || {
        TestFleet::builder(&ROUTES)
            .tenant_migrations(tenant_migrations())
            .shared_migrations(shared_migrations())
    };
    let refused = builder().fixture("COMMIT").open().unwrap_err();
    let source = refused.source().unwrap().to_string();
    assert!(
        source.contains("(fixture) must not contain COMMIT"),
        "{source}"
    );
    let refused = builder()
        .shared_fixture("INSERT INTO nothing VALUES (1)")
        .open();
    let Err(diesel_tenants::testing::TestFleetError::Open(error)) = refused else {
        panic!("a fixture that fails was taken");
    };
    assert!(matches!(
        *error,
        diesel_tenants::Error::Setup(SetupError::MigrateShared(_))
    ));
    let fleet = builder()
        .fixture("INSERT INTO nothing VALUES (1)")
        .open()
        .unwrap();
    assert!(matches!(fleet.tenant(), Err(CreateError::Storage(_))));
    assert!(fleet.tenancy().tenants().unwrap().is_empty());
}

#[test]
fn settings_of_the_library_can_be_changed() {
    let fleet = TestFleet::builder(&ROUTES)
        .configure(|library| {
            let pool = diesel_tenants::PoolConfig::default();
            library.pool(pool.with_max_connections(3).unwrap())
        })
        .open()
        .unwrap();
    assert_eq!(fleet.tenancy().stats().max_connections, 3);
    assert!(open().tenancy().stats().max_connections <= 64);
}
