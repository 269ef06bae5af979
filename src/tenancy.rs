//! `Tenancy`: the library, opened on one shared database and its tenants.
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::access::Principal;
use crate::audit::AuditNote;
use crate::backend::{Backend, DefaultConnection, Storage, StorageError};
use crate::catalog::{Status, TenantRecord};
use crate::context::{SharedContext, TenantContext};
use crate::database::Common;
use crate::error::{
    CreateError, Error, LifecycleError, OpenError, QuotaOutOfRange, SetupError, withhold,
};
use crate::hooks::Hooks;
use crate::lifecycle::{self, Compacted};
use crate::migrate::{self, Applied, MigrateOptions, MigrationSet};
use crate::pool::{PoolConfig, PoolSet, PoolStats};
use crate::provision::{self, NewTenant};
use crate::registry::{self, Registry, TenantHandle};
use crate::router::RoutingTable;
use crate::scope::ScopeKind;
use crate::subdomain::Subdomain;
use crate::tenant_id::TenantId;
use crate::workflow;

/// The library, opened: the shared database, the catalogue of tenants and the pools of all of them.
///
/// Cheap to clone, `Send` and `Sync`; one per process and data directory is enough. Nothing runs in the background:
/// it has no thread of its own, but for the one that [`AuditPolicy::All`](crate::audit::AuditPolicy::All) asks for.
///
/// # Example
/// ```
/// use diesel_tenants::prelude::*;
/// # use diesel_tenants::MigrationSet;
/// # mod schema {
/// #     diesel::table! { users { id -> Integer, name -> Text, } }
/// #     diesel::table! { patients { id -> Integer, ward -> Text, } }
/// # }
/// # routes! {
/// #     static ROUTES;
/// #     shared { accounts { schema::users } }
/// #     tenant { patients { schema::patients } }
/// # }
/// # let dir = tempfile::tempdir()?;
/// # let data = dir.path().join("data");
/// # let (shared, tenant) = (MigrationSet::empty(), MigrationSet::empty());
/// let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES)
///     .sqlite(data)
///     .init()
///     .shared_migrations(shared)
///     .tenant_migrations(tenant)
///     .open()?;
/// let id: TenantId = "TH001".parse()?;
/// tenancy.create(&id, NewTenant::named("Teaching Hospital"))?;
/// let mut th001 = tenancy.tenant(&id)?;
/// # let _ = &mut th001;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Tenancy<C: Backend = DefaultConnection> {
    pub(crate) registry: Arc<Registry<C>>,
}

impl<C: Backend> Tenancy<C> {
    /// Begins to set the library up for the application whose tables `routes` lists.
    pub fn builder(routes: &'static RoutingTable) -> Builder<C> {
        Builder {
            routes,
            storage: (),
            shared_migrations: MigrationSet::empty(),
            tenant_migrations: MigrationSet::empty(),
            pool: PoolConfig::default(),
            freshness: DEFAULT_FRESHNESS,
            drain_timeout: DEFAULT_DRAIN_TIMEOUT,
            schema_policy: SchemaPolicy::Refuse,
            hooks: Hooks::default(),
            plan_quotas: HashMap::new(),
            acting: None,
            connection: std::marker::PhantomData,
        }
    }

    /// The routing table it was opened with.
    pub fn routes(&self) -> &'static RoutingTable {
        self.registry.common.routes
    }

    /// Opens a context on the shared database.
    ///
    /// Blocks up to the checkout timeout (default 5 s) for a free connection: there are 16, or as many as a tenant has if that
    /// is more ([`PoolConfig::with_max_per_database`], default 4). Who has that many contexts of one database open on one
    /// thread waits for itself, and the next one fails with [`OpenError::Busy`].
    ///
    /// Work that needs both opens **the tenant first, then the shared database**; better one after the other. Nobody who has
    /// the shared database then waits for another connection, so it always comes back. The other way round the program may
    /// wait in a circle until the timeout: [`tenant_as`](Self::tenant_as) asks the shared database who somebody is.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn shared(&self) -> Result<SharedContext<C>, OpenError> {
        self.registry.shared()
    }

    /// Opens a context on a tenant's database. Never creates one.
    ///
    /// Looks the tenant up and [enters](TenantHandle::enter) it; keep a [`handle`](Self::handle) to do the first
    /// part once.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn tenant(&self, id: &TenantId) -> Result<TenantContext<C>, OpenError> {
        let tenant = self.registry.tenant(id)?;
        self.registry.enter(&tenant)
    }

    /// Looks a tenant up, whatever its status. Opens nothing.
    ///
    /// # Errors
    /// [`OpenError::UnknownTenant`]; [`OpenError::Catalog`].
    pub fn handle(&self, id: &TenantId) -> Result<TenantHandle<C>, OpenError> {
        let tenant = self.registry.tenant(id)?;
        Ok(TenantHandle::new(Arc::clone(&self.registry), tenant))
    }

    /// Looks a tenant up by its subdomain. Opens nothing.
    ///
    /// # Errors
    /// [`OpenError::UnknownSubdomain`]; [`OpenError::Catalog`].
    pub fn handle_at(&self, subdomain: &Subdomain) -> Result<TenantHandle<C>, OpenError> {
        let tenant = self.registry.tenant_at(subdomain)?;
        Ok(TenantHandle::new(Arc::clone(&self.registry), tenant))
    }

    /// As [`handle`](Self::handle), from memory alone: never blocks. `None` where the tenant is not known here, or what is
    /// known is older than the freshness bound (default 1 s): then ask [`handle`](Self::handle), off an async runtime's
    /// own threads.
    pub fn try_handle(&self, id: &TenantId) -> Option<TenantHandle<C>> {
        let tenant = self.registry.try_tenant(id)?;
        Some(TenantHandle::new(Arc::clone(&self.registry), tenant))
    }

    /// Looks a tenant up by its uuid, which no other tenant has ever: an id may become another one's. `None` where there is
    /// none. Opens nothing.
    ///
    /// # Errors
    /// [`OpenError::Catalog`].
    pub fn handle_of(&self, uuid: uuid::Uuid) -> Result<Option<TenantHandle<C>>, OpenError> {
        let tenant = self.registry.by_uuid(uuid)?;
        let registry = || Arc::clone(&self.registry);
        Ok(tenant.map(|tenant| TenantHandle::new(registry(), tenant)))
    }

    /// As [`handle_of`](Self::handle_of), from memory alone; see [`try_handle`](Self::try_handle).
    pub fn try_handle_of(&self, uuid: uuid::Uuid) -> Option<TenantHandle<C>> {
        let tenant = self.registry.try_by_uuid(uuid)?;
        Some(TenantHandle::new(Arc::clone(&self.registry), tenant))
    }

    /// As [`handle_at`](Self::handle_at), from memory alone; see [`try_handle`](Self::try_handle).
    pub fn try_handle_at(&self, subdomain: &Subdomain) -> Option<TenantHandle<C>> {
        let tenant = self.registry.try_tenant_at(subdomain)?;
        Some(TenantHandle::new(Arc::clone(&self.registry), tenant))
    }

    /// All tenants that are not deleted, ordered by id, as the catalogue has them now.
    ///
    /// # Errors
    /// [`OpenError::Catalog`].
    pub fn tenants(&self) -> Result<Vec<Arc<TenantRecord>>, OpenError> {
        self.registry.tenants().map_err(OpenError::Catalog)
    }

    /// Creates a tenant: its database from the template, its stamp, its place in the catalogue.
    ///
    /// All or nothing, also when the process is killed in between: what was begun is undone when the library is
    /// opened next, or when the same id is created again. Two processes may try at once; one wins.
    ///
    /// Takes the write lock of the shared database: do not call it inside a transaction of a
    /// [`SharedContext`] on the same thread, it would wait for itself until the busy timeout. So do the other
    /// operations on tenants.
    ///
    /// # Errors
    /// See [`CreateError`]; nothing is left behind.
    pub fn create(&self, id: &TenantId, new: NewTenant) -> Result<TenantHandle<C>, CreateError> {
        let tenant = provision::create(&self.registry, *id, new)?;
        Ok(TenantHandle::new(Arc::clone(&self.registry), tenant))
    }

    /// Closes an active tenant for use; its data stays untouched. Contexts that are open go on until dropped.
    ///
    /// Other processes follow within their freshness bound (default 1 s).
    ///
    /// # Errors
    /// See [`LifecycleError`]; an archived tenant stays archived, with its date: [`unarchive`](Self::unarchive) brings it back.
    pub fn suspend(&self, id: &TenantId) -> Result<(), LifecycleError> {
        lifecycle::transition(&self.registry, id, Status::Active, Status::Suspended)
    }

    /// Opens a suspended tenant again.
    ///
    /// # Errors
    /// See [`LifecycleError`].
    pub fn resume(&self, id: &TenantId) -> Result<(), LifecycleError> {
        lifecycle::transition(&self.registry, id, Status::Suspended, Status::Active)
    }

    /// Takes a suspended tenant out of use for good. Its data is kept; only an archived tenant can be deleted.
    ///
    /// # Errors
    /// See [`LifecycleError`].
    pub fn archive(&self, id: &TenantId) -> Result<(), LifecycleError> {
        lifecycle::transition(&self.registry, id, Status::Suspended, Status::Archived)
    }

    /// Brings an archived tenant back to suspended. A [deletion](Self::delete) that was scheduled is taken back.
    ///
    /// # Errors
    /// See [`LifecycleError`].
    pub fn unarchive(&self, id: &TenantId) -> Result<(), LifecycleError> {
        lifecycle::transition(&self.registry, id, Status::Archived, Status::Suspended)
    }

    /// Makes the tenant's database anew without its free pages, as its next generation.
    ///
    /// The tenant is closed and fenced meanwhile: other processes' writes fail with
    /// [`TenantFenced`](crate::error::TenantFenced) rather than being lost, new contexts are refused. Takes about as
    /// long as writing the database twice.
    ///
    /// # Errors
    /// See [`LifecycleError`]; the tenant then goes on with the generation it had.
    pub fn compact(&self, id: &TenantId) -> Result<Compacted, LifecycleError> {
        lifecycle::compact(&self.registry, id)
    }

    /// Brings the shared database to the newest migration. Returns those that were applied.
    ///
    /// [`open`](Builder::open) does this.
    ///
    /// # Errors
    /// See [`SetupError`]. Each migration is all or nothing; those before a failing one stay.
    pub fn migrate_shared(&self) -> Result<Vec<Applied>, SetupError> {
        let (applied, _) = migrate_shared(&self.registry.common)?;
        enter_migration(&self.registry, &applied)?;
        Ok(applied)
    }

    /// Finishes or undoes what dead processes left half done, and returns how many operations and runs of
    /// [workflows](crate::workflow) that were.
    ///
    /// [`open`](Builder::open) does this; call it for a process that runs for months.
    ///
    /// # Errors
    /// The first operation that could be neither finished nor undone; the others were tried all the same.
    pub fn recover(&self) -> Result<usize, LifecycleError> {
        let operations = lifecycle::recover(&self.registry)?;
        Ok(operations + workflow::recover(&self.registry)?)
    }

    /// The queries of one tenant in this process, since it first opened the tenant (feature `query-stats`).
    ///
    /// # Errors
    /// [`OpenError::UnknownTenant`]; [`OpenError::Catalog`].
    #[cfg(feature = "query-stats")]
    pub fn query_stats(&self, id: &TenantId) -> Result<crate::observe::QueryStats, OpenError> {
        Ok(self.registry.tenant(id)?.database.query_stats())
    }

    /// How the connections are used, over all databases.
    pub fn stats(&self) -> PoolStats {
        self.registry.pools.stats()
    }

    /// Closes connections that were idle for longer than the idle timeout (default 60 s); returns how many.
    ///
    /// There is no thread that does it: it happens when contexts are opened, about once per freshness bound. Call it
    /// from a timer of your own in a service that can be idle for long.
    pub fn reap_idle(&self) -> usize {
        self.registry.pools.reap_idle()
    }
}

impl<C: Backend> Clone for Tenancy<C> {
    fn clone(&self) -> Self {
        Self {
            registry: Arc::clone(&self.registry),
        }
    }
}

impl<C: Backend> fmt::Debug for Tenancy<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenancy")
            .field("routes", &self.routes().len())
            .field("pools", &self.stats())
            .finish_non_exhaustive()
    }
}

/// How old what a process knows of the catalogue may be.
const DEFAULT_FRESHNESS: Duration = Duration::from_secs(1);
/// How long an operation that needs a tenant for itself waits for open contexts.
const DEFAULT_DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a statement waits for another writer.
const DEFAULT_BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What happens when a context is asked for on a database that misses migrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SchemaPolicy {
    /// It is refused, with the versions in the error. Migrations run when somebody runs them.
    #[default]
    Refuse,
    /// It is migrated first. The first caller pays for it.
    MigrateOnOpen,
}

impl SchemaPolicy {
    pub(crate) fn migrates(self) -> bool {
        self == Self::MigrateOnOpen
    }
}

/// Where SQLite's files go. Made by [`Builder::sqlite`].
#[cfg(feature = "sqlite")]
#[derive(Clone, Debug)]
pub struct Sqlite(crate::backend::sqlite::Settings);

/// Sets the library up. Made by [`Tenancy::builder`]; `S` says whether it knows yet where the databases are.
pub struct Builder<C: Backend = DefaultConnection, S = ()> {
    routes: &'static RoutingTable,
    storage: S,
    shared_migrations: MigrationSet,
    tenant_migrations: MigrationSet,
    pool: PoolConfig,
    freshness: Duration,
    drain_timeout: Duration,
    schema_policy: SchemaPolicy,
    pub(crate) hooks: Hooks<C>,
    plan_quotas: HashMap<String, u64>,
    acting: Option<Principal>,
    connection: std::marker::PhantomData<fn() -> C>,
}

impl<C: Backend, S> Builder<C, S> {
    /// The routing table it was made with.
    pub fn routes(&self) -> &'static RoutingTable {
        self.routes
    }

    /// Migrations of the shared database; [`open`](Builder::open) applies those that are pending.
    #[must_use]
    pub fn shared_migrations(mut self, set: impl Into<MigrationSet>) -> Self {
        self.shared_migrations = set.into();
        self
    }

    /// Migrations every tenant's database has. New tenants are cloned from a template made with them.
    #[must_use]
    pub fn tenant_migrations(mut self, set: impl Into<MigrationSet>) -> Self {
        self.tenant_migrations = set.into();
        self
    }

    /// Who is named in the audit log for what is done in opening and through the library that is opened, as by
    /// [`Tenancy::acting_as`]. Default: the user the process runs as, by number.
    #[must_use]
    pub fn acting_as(mut self, principal: Principal) -> Self {
        self.acting = Some(principal);
        self
    }

    /// Limits of the connection pools. Default: [`PoolConfig::default`], with as many connections as the process'
    /// file descriptors allow.
    #[must_use]
    pub fn pool(mut self, config: PoolConfig) -> Self {
        self.pool = config;
        self
    }

    /// How old what this process knows of the catalogue may be: after a change in another process, at most this
    /// long passes until it is seen here. Default 1 s. Zero asks the catalogue each time a context is opened.
    #[must_use]
    pub fn freshness(mut self, bound: Duration) -> Self {
        self.freshness = bound;
        self
    }

    /// How long an operation that needs a tenant for itself waits for contexts and statements to end. Default 10 s.
    #[must_use]
    pub fn drain_timeout(mut self, wait: Duration) -> Self {
        self.drain_timeout = wait;
        self
    }

    /// What happens on a database that misses migrations. Default: it is refused.
    #[must_use]
    pub fn schema_policy(mut self, policy: SchemaPolicy) -> Self {
        self.schema_policy = policy;
        self
    }

    /// The most bytes the database of a tenant on `plan` may have, where the tenant has no quota of its own; see
    /// [`Tenancy::set_quota`]. Default: no limit.
    #[must_use]
    pub fn plan_quota(mut self, plan: impl Into<String>, bytes: u64) -> Self {
        self.plan_quotas.insert(plan.into(), bytes);
        self
    }
}

#[cfg(feature = "sqlite")]
impl Builder<diesel::SqliteConnection, ()> {
    /// Keeps databases as SQLite files below `root`: `shared.sqlite3`, `tenants/…`, `templates/…`, `backups/…`.
    ///
    /// The directory must exist, belong to the user and have mode 0700; see [`init`](Builder::init) for the first
    /// time.
    #[must_use]
    pub fn sqlite(self, root: impl Into<PathBuf>) -> Builder<diesel::SqliteConnection, Sqlite> {
        let settings = crate::backend::sqlite::Settings {
            root: root.into(),
            init: false,
            busy_timeout: DEFAULT_BUSY_TIMEOUT,
            any_file_system: false,
        };
        Builder {
            routes: self.routes,
            storage: Sqlite(settings),
            shared_migrations: self.shared_migrations,
            tenant_migrations: self.tenant_migrations,
            pool: self.pool,
            freshness: self.freshness,
            drain_timeout: self.drain_timeout,
            schema_policy: self.schema_policy,
            hooks: self.hooks,
            plan_quotas: self.plan_quotas,
            acting: self.acting,
            connection: self.connection,
        }
    }
}

#[cfg(feature = "sqlite")]
impl Builder<diesel::SqliteConnection, Sqlite> {
    /// Makes the directory and an empty shared database if there are none. Without it, opening never creates: a
    /// wrong path or a disk that is not mounted is an error, not a new, empty fleet.
    #[must_use]
    pub fn init(mut self) -> Self {
        self.storage.0.init = true;
        self
    }

    /// How long a statement waits for another writer on the same database. Default 5 s.
    #[must_use]
    pub fn busy_timeout(mut self, wait: Duration) -> Self {
        self.storage.0.busy_timeout = wait;
        self
    }

    /// Accepts a network file system or FUSE, where SQLite's WAL may lose acknowledged commits.
    #[must_use]
    pub fn dangerously_allow_any_file_system(mut self) -> Self {
        self.storage.0.any_file_system = true;
        self
    }

    /// Puts a backup in the place of the shared database, while nobody has the library open on this data directory.
    ///
    /// `backup` is the directory of one backup of the shared database, such as
    /// [`Backups`](crate::Backups) lists. The database that is there is set aside, never overwritten. Then the catalogue is
    /// brought in line with the disk: tenants whose database moved on since are found again, and what it cannot know is
    /// reported. Killed at any point, it is finished by calling it again; until then [`open`](Builder::open) refuses.
    ///
    /// # Errors
    /// See [`RestoreError`](crate::RestoreError); where it says so, in
    /// [`Shared`](crate::RestoreError::Shared), that the directory is in use, nothing has happened.
    pub fn restore_shared(
        &self,
        backup: impl AsRef<std::path::Path>,
    ) -> Result<crate::SharedRestored, crate::RestoreError> {
        let by = self.acting.clone().unwrap_or_else(Principal::of_process);
        let (settings, set) = (&self.storage.0, &self.shared_migrations);
        crate::restore::restore_shared(settings, set, backup.as_ref(), &by)
    }

    /// Opens the library: checks the directory, migrates the shared database, reads the catalogue, and finishes or
    /// undoes what dead processes left half done.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn open(self) -> Result<Tenancy<diesel::SqliteConnection>, Error> {
        self.tenant_migrations
            .check()
            .map_err(SetupError::Migrations)?;
        self.shared_migrations
            .check()
            .map_err(SetupError::Migrations)?;
        for (plan, bytes) in &self.plan_quotas {
            let plan = || plan.clone();
            QuotaOutOfRange::check(*bytes).map_err(|source| SetupError::PlanQuota {
                plan: plan(),
                source,
            })?;
        }
        let storage = crate::backend::sqlite::SqliteStorage::open(&self.storage.0)?;
        open_with(self, storage)
    }
}

fn open_with<C: Backend, S>(
    builder: Builder<C, S>,
    storage: C::Storage,
) -> Result<Tenancy<C>, Error> {
    let pools = PoolSet::new(builder.pool);
    let common = Common::new(
        storage,
        builder.routes,
        builder.shared_migrations,
        builder.tenant_migrations,
    );
    let (applied, was_new) = migrate_shared(&common)?;
    let common = Arc::new(common);
    let settings = registry::Settings {
        freshness: builder.freshness,
        drain_timeout: builder.drain_timeout,
        schema_policy: builder.schema_policy,
        plan_quotas: builder.plan_quotas,
    };
    let acting = builder.acting.unwrap_or_else(Principal::of_process);
    let registry = Registry::open(common, pools, settings, builder.hooks, acting)?;
    if !was_new {
        enter_migration(&registry, &applied)?;
    }
    // Before anything is recovered: what an old catalogue wants done to a purged tenant is not to be done.
    let buried = lifecycle::bury(&registry)?;
    let _ = registry.buried.set(buried);
    // Before anything may be removed.
    lifecycle::lay_holds(&registry)?;
    // What cannot be written now is in the catalogue all the same.
    let _ = lifecycle::keep_holds(&registry);
    let _ = lifecycle::sweep(&registry);
    let registry = Arc::new(registry);
    // What cannot be recovered is one tenant's trouble: it stays in its status, and the others must be reachable.
    let _ = lifecycle::recover(&registry);
    let _ = workflow::recover(&registry);
    Ok(Tenancy { registry })
}

/// Brings the shared database to the newest migration, and makes sure it holds no tenant table. Says, too, whether it
/// had none before: it has just been made.
fn migrate_shared<C: Backend>(common: &Common<C>) -> Result<(Vec<Applied>, bool), SetupError> {
    let mut shared = common
        .storage
        .connect_shared()
        .map_err(SetupError::Shared)?;
    let set = &common.shared_migrations;
    let unreadable = |source| StorageError::Query {
        action: "reading the shared schema",
        source: withhold(source),
    };
    let before = migrate::newest_applied(&mut shared).map_err(unreadable)?;
    let applied = migrate::run_pending(&mut shared, set, MigrateOptions::default())
        .map_err(SetupError::MigrateShared)?;
    let facts = common.storage.schema_facts(&mut shared);
    let facts = facts.map_err(unreadable)?;
    common.check_scope(&facts, ScopeKind::Shared)?;
    Ok((applied, before.is_none()))
}

/// Each migration is committed by itself, so this cannot be in its transaction; it is entered once it is there.
fn enter_migration<C: Backend>(
    registry: &Registry<C>,
    applied: &[Applied],
) -> Result<(), SetupError> {
    let Some(newest) = applied.last() else {
        return Ok(());
    };
    let migrated = AuditNote::of_library("shared.migrate")
        .with("schema", newest.version.as_str())
        .with("migrations", applied.len());
    registry.audit(&migrated).map_err(SetupError::Audit)
}
