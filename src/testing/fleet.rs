//! A temporary fleet: the library opened on a directory that is removed with it.
use std::borrow::Cow;
use std::fmt;
use std::fs::Permissions;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use diesel::SqliteConnection;
use tempfile::TempDir;

use crate::error::{CreateError, Error};
use crate::migrate::{MigrationScript, MigrationSet};
use crate::pool::{PoolConfig, fd_budget};
use crate::provision::NewTenant;
use crate::registry::TenantHandle;
use crate::router::RoutingTable;
use crate::subdomain::Subdomain;
use crate::tenancy::{Builder, Tenancy};
use crate::tenant_id::TenantId;

/// The library, opened on a temporary directory.
///
/// Cheap to clone, `Send` and `Sync`. The directory is below [`std::env::temp_dir`] with mode 0700, and is removed
/// when the last clone and the last [`TestTenant`] are dropped. Creating a tenant copies the template, so that each
/// test can have its own.
///
/// Most of the time a test takes is the disk's: with `TMPDIR=/dev/shm` in the environment there is none.
///
/// It has no `Deref` to [`Tenancy`], since [`tenant`](Self::tenant) would hide
/// [`Tenancy::tenant`]; see [`tenancy`](Self::tenancy).
///
/// # Example
/// ```
/// use diesel_tenants::prelude::*;
/// use diesel_tenants::testing::TestFleet;
/// # mod schema {
/// #     diesel::table! { users { id -> Integer, name -> Text, } }
/// #     diesel::table! { patients { id -> Integer, name -> Text, } }
/// # }
/// # use schema::patients;
/// # routes! {
/// #     static ROUTES;
/// #     shared { accounts { schema::users } }
/// #     tenant { wards { schema::patients } }
/// # }
/// # const CREATE_PATIENTS: &str = "CREATE TABLE patients (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL)";
/// # let shared = MigrationSet::empty();
/// # let tenant = MigrationSet::new([MigrationScript::new("1", "patients", CREATE_PATIENTS)]);
///
/// let fleet = TestFleet::open(&ROUTES, shared, tenant)?;
/// let (one, other) = (fleet.tenant()?, fleet.tenant_named("TH001")?);
/// let insert = diesel::insert_into(patients::table).values(patients::name.eq("Ada"));
/// insert.execute(&mut one.enter()?)?;
/// assert_eq!(patients::table.count().get_result::<i64>(&mut other.enter()?)?, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TestFleet {
    shelter: Arc<Shelter>,
}

/// What is gone with the last handle. The order of the fields is that of dropping: connections, then their files.
pub(super) struct Shelter {
    tenancy: Tenancy,
    next: AtomicU64,
    directory: TempDir,
}

impl TestFleet {
    /// Opens the library on a new temporary directory.
    ///
    /// # Errors
    /// See [`TestFleetError`].
    pub fn open(
        routes: &'static RoutingTable,
        shared_migrations: impl Into<MigrationSet>,
        tenant_migrations: impl Into<MigrationSet>,
    ) -> Result<Self, TestFleetError> {
        Self::builder(routes)
            .shared_migrations(shared_migrations)
            .tenant_migrations(tenant_migrations)
            .open()
    }

    /// Begins to set a fleet up, for fixtures and settings.
    pub fn builder(routes: &'static RoutingTable) -> TestFleetBuilder {
        TestFleetBuilder {
            builder: Tenancy::builder(routes).pool(pool()),
            shared: Migrations::default(),
            tenant: Migrations::default(),
        }
    }

    pub(super) fn of(shelter: Arc<Shelter>) -> Self {
        Self { shelter }
    }

    pub(super) fn downgrade(&self) -> Weak<Shelter> {
        Arc::downgrade(&self.shelter)
    }

    /// The library, as the application has it.
    pub fn tenancy(&self) -> &Tenancy {
        &self.shelter.tenancy
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        data_in(self.shelter.directory.path())
    }

    /// Creates a tenant of its own for the caller. Its id, `test-1` and so on, is used once in the fleet, and it
    /// answers at the subdomain of that name.
    ///
    /// # Errors
    /// See [`CreateError`].
    pub fn tenant(&self) -> Result<TestTenant, CreateError> {
        loop {
            let number = self.shelter.next.fetch_add(1, Ordering::Relaxed);
            let id = format!("test-{number}").parse();
            match self.create(&id.expect("a letter first, then letters, digits and `-`")) {
                // A test has given this name to a tenant of its own.
                Err(
                    CreateError::AlreadyExists { .. }
                    | CreateError::InProgress { .. }
                    | CreateError::Retired { .. }
                    | CreateError::SubdomainTaken { .. },
                ) => {}
                other => return other,
            }
        }
    }

    /// Creates a tenant of this id. It answers at the subdomain of that name, if it can be one.
    ///
    /// For a tenant with a plan or another subdomain, call [`Tenancy::create`] on [`tenancy`](Self::tenancy).
    ///
    /// # Errors
    /// [`Error::TenantId`], [`Error::Create`]: also where another test has taken the id.
    pub fn tenant_named(&self, id: &str) -> Result<TestTenant, Error> {
        Ok(self.create(&id.parse()?)?)
    }

    fn create(&self, id: &TenantId) -> Result<TestTenant, CreateError> {
        Ok(TestTenant {
            handle: self.tenancy().create(id, new_tenant(id))?,
            fleet: self.clone(),
        })
    }
}

impl fmt::Debug for TestFleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestFleet")
            .field("data", &self.data())
            .finish_non_exhaustive()
    }
}

/// A tenant for tests, named like its id and reached at the subdomain of that name.
pub(super) fn new_tenant(id: &TenantId) -> NewTenant {
    let new = NewTenant::named(id.as_str());
    match id.as_str().parse::<Subdomain>() {
        Ok(subdomain) => new.subdomain(subdomain.as_str()),
        Err(_) => new,
    }
}

fn data_in(directory: &Path) -> PathBuf {
    // One level down: the library makes its data directory itself.
    directory.join("data")
}

/// Few connections, since other test binaries run beside this one; and patience, since the machine is busy.
fn pool() -> PoolConfig {
    PoolConfig::default()
        .with_max_connections(fd_budget(None).min(64))
        .and_then(|pool| pool.with_max_per_database(16))
        .and_then(|pool| pool.with_checkout_timeout(Duration::from_secs(30)))
        .expect("the numbers are within their ranges")
}

/// A tenant of a [`TestFleet`]: a [`TenantHandle`] that keeps the fleet's directory in place.
///
/// So a fleet that a test lets go of at once is no trap: `FLEET.get()?.tenant()?`. A context does not keep it; keep
/// the tenant for as long as contexts are opened on it.
#[derive(Clone)]
pub struct TestTenant {
    handle: TenantHandle,
    fleet: TestFleet,
}

impl TestTenant {
    /// The fleet it belongs to.
    pub fn fleet(&self) -> &TestFleet {
        &self.fleet
    }
}

impl Deref for TestTenant {
    type Target = TenantHandle;

    fn deref(&self) -> &TenantHandle {
        &self.handle
    }
}

impl fmt::Debug for TestTenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TestTenant")
            .field(&format_args!("{}", self.id()))
            .finish()
    }
}

/// Sets up a [`TestFleet`]. Made by [`TestFleet::builder`].
#[must_use]
pub struct TestFleetBuilder {
    builder: Builder<SqliteConnection>,
    shared: Migrations,
    tenant: Migrations,
}

impl TestFleetBuilder {
    /// The migrations of the shared database. Default: none.
    pub fn shared_migrations(mut self, set: impl Into<MigrationSet>) -> Self {
        self.shared.set = set.into();
        self
    }

    /// The migrations of a tenant's database. Default: none.
    pub fn tenant_migrations(mut self, set: impl Into<MigrationSet>) -> Self {
        self.tenant.set = set.into();
        self
    }

    /// Rows every tenant starts with: an SQL script, run once, when the template is made.
    ///
    /// It runs as a migration after all others, so it sees the newest schema, may do what a migration may, and the
    /// tenants' schema version is its own: the newest one with `.0001` behind it. Several run in the order given.
    ///
    /// # Example
    /// ```
    /// # use diesel_tenants::prelude::*;
    /// # use diesel_tenants::testing::TestFleet;
    /// # mod schema {
    /// #     diesel::table! { users { id -> Integer, name -> Text, } }
    /// #     diesel::table! { wards { id -> Integer, name -> Text, } }
    /// # }
    /// # use schema::wards;
    /// # routes! {
    /// #     static ROUTES;
    /// #     shared { accounts { schema::users } }
    /// #     tenant { wards { schema::wards } }
    /// # }
    /// # const CREATE_WARDS: &str = "CREATE TABLE wards (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL)";
    /// # let tenant = MigrationSet::new([MigrationScript::new("1", "wards", CREATE_WARDS)]);
    /// let fleet = TestFleet::builder(&ROUTES)
    ///     .tenant_migrations(tenant)
    ///     .fixture("INSERT INTO wards (name) VALUES ('A'), ('B')")
    ///     .open()?;
    /// let tenant = fleet.tenant()?;
    /// assert_eq!(wards::table.count().get_result::<i64>(&mut tenant.enter()?)?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fixture(mut self, sql: impl Into<Cow<'static, str>>) -> Self {
        self.tenant.fixtures.push(sql.into());
        self
    }

    /// Rows the shared database starts with; otherwise as [`fixture`](Self::fixture).
    pub fn shared_fixture(mut self, sql: impl Into<Cow<'static, str>>) -> Self {
        self.shared.fixtures.push(sql.into());
        self
    }

    /// Changes the library's own settings: `.configure(|library| library.freshness(Duration::ZERO))`.
    ///
    /// Default: those of [`Tenancy::builder`], with at most 64 connections, 16 per database and a checkout timeout
    /// of 30 s. Migrations set here are not used.
    pub fn configure(
        mut self,
        change: impl FnOnce(Builder<SqliteConnection>) -> Builder<SqliteConnection>,
    ) -> Self {
        self.builder = change(self.builder);
        self
    }

    /// Opens the library on a new temporary directory.
    ///
    /// # Errors
    /// See [`TestFleetError`].
    pub fn open(self) -> Result<TestFleet, TestFleetError> {
        let directory = tempfile::Builder::new()
            .prefix("diesel-tenants-test-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .map_err(TestFleetError::Directory)?;
        let tenancy = self
            .builder
            .shared_migrations(self.shared.with_fixtures())
            .tenant_migrations(self.tenant.with_fixtures())
            .sqlite(data_in(directory.path()))
            .init()
            .open()?;
        let shelter = Shelter {
            tenancy,
            next: AtomicU64::new(1),
            directory,
        };
        Ok(TestFleet::of(Arc::new(shelter)))
    }
}

impl fmt::Debug for TestFleetBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestFleetBuilder").finish_non_exhaustive()
    }
}

/// The migrations of one scope and the rows that follow them.
struct Migrations {
    set: MigrationSet,
    fixtures: Vec<Cow<'static, str>>,
}

impl Default for Migrations {
    fn default() -> Self {
        Self {
            set: MigrationSet::empty(),
            fixtures: Vec::new(),
        }
    }
}

impl Migrations {
    fn with_fixtures(self) -> MigrationSet {
        // Versions are compared as text, so one that begins with the newest is after all of them.
        let newest = self.set.latest().unwrap_or("0").to_owned();
        let numbered = self.fixtures.into_iter().zip(1_u32..);
        let scripts = numbered.map(|(sql, number)| {
            MigrationScript::new(format!("{newest}.{number:04}"), "fixture", sql)
        });
        self.set.and(MigrationSet::new(scripts))
    }
}

/// Why there is no fleet to test with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestFleetError {
    /// No temporary directory.
    #[error(
        "no temporary directory can be made; point `TMPDIR` at a directory that can be written to"
    )]
    Directory(#[source] std::io::Error),
    /// The library could not be opened on it.
    #[error(transparent)]
    Open(Box<Error>),
}

impl From<Error> for TestFleetError {
    fn from(error: Error) -> Self {
        Self::Open(Box::new(error))
    }
}
