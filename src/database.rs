//! One database as the engine sees it: who it is, where it is, its pool, and what its errors mean.
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use once_cell::sync::OnceCell;

use crate::backend::{
    Backend, ConnectError, SchemaFacts, Storage, StorageError, Symptom, TenantKey, Whose,
};
use crate::error::{QuotaExceeded, TenantFenced, missing_table, withhold};
use crate::migrate::MigrationSet;
use crate::observe;
use crate::pool::{PoolSet, Slots};
use crate::router::RoutingTable;
use crate::scope::ScopeKind;
use crate::tenant_id::TenantId;
use crate::verify::History;

/// What all databases of one open library have in common.
pub(crate) struct Common<C: Backend> {
    pub(crate) storage: C::Storage,
    pub(crate) routes: &'static RoutingTable,
    pub(crate) shared_migrations: MigrationSet,
    pub(crate) tenant_migrations: MigrationSet,
    /// The fingerprint of the template, once it is there and was found to be in order.
    template: OnceCell<String>,
    /// The schema each tenant migration leaves behind, once somebody had to know.
    history: OnceCell<History>,
}

/// The shared database serves all tenants, so it may have this many connections even where one tenant may not.
const SHARED_CONNECTIONS: usize = 16;

/// How long to wait for another process that makes the template.
const TEMPLATE_WAIT: Duration = Duration::from_secs(60);

impl<C: Backend> Common<C> {
    pub(crate) fn new(
        storage: C::Storage,
        routes: &'static RoutingTable,
        shared_migrations: MigrationSet,
        tenant_migrations: MigrationSet,
    ) -> Self {
        Self {
            storage,
            routes,
            shared_migrations,
            tenant_migrations,
            template: OnceCell::new(),
            history: OnceCell::new(),
        }
    }

    /// Makes sure the template is there and in order, and returns its fingerprint.
    pub(crate) fn prepare_template(&self) -> Result<&str, StorageError> {
        let fingerprint = self.template.get_or_try_init(|| {
            let set = &self.tenant_migrations;
            let facts = self.storage.prepare_template(set, TEMPLATE_WAIT)?;
            self.check_scope(&facts, ScopeKind::Tenant)?;
            Ok::<_, StorageError>(facts.fingerprint)
        })?;
        Ok(fingerprint)
    }

    /// The schema each tenant migration leaves behind. Worked out once.
    pub(crate) fn history(&self) -> Result<&History, StorageError> {
        let set = &self.tenant_migrations;
        self.history.get_or_try_init(|| self.storage.history(set))
    }

    /// The second fence, behind the compiler: a database of one scope has no tables of the other, and no foreign key
    /// that leads out of it.
    pub(crate) fn check_scope(
        &self,
        facts: &SchemaFacts,
        scope: ScopeKind,
    ) -> Result<(), StorageError> {
        for table in &facts.tables {
            if let Some(route) = self.routes.table(table)
                && route.scope() != scope
            {
                return Err(StorageError::TableOfOtherScope {
                    table: table.clone(),
                    listed: route.scope(),
                    found: scope,
                });
            }
        }
        match facts.dangling.first() {
            None => Ok(()),
            Some((table, parent)) => Err(StorageError::DanglingReference {
                table: table.clone(),
                parent: parent.clone(),
                scope,
            }),
        }
    }
}

/// The shared database or one tenant's. Named `Database` in the pool's terms: one slot set.
pub(crate) struct Database<C: Backend> {
    target: Arc<Target<C>>,
    pools: PoolSet<Connector<C>>,
    /// Made when the first context is opened: a tenant that is only known costs no pool.
    slots: OnceCell<Slots<Connector<C>>>,
}

/// Who a database is, shared with the connector that opens it.
struct Target<C: Backend> {
    common: Arc<Common<C>>,
    tenant: Option<TenantKey>,
    generation: AtomicU64,
    gate: AtomicU8,
    watched: Arc<observe::Counters>,
    /// The most bytes it may have; 0 without a limit.
    quota: AtomicU64,
    /// Whether connections are for looking at the database, and not for contexts.
    inspect: bool,
}

/// Whether contexts may be opened, as last read from the catalogue. The reason is looked up when it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    Closed,
}

impl<C: Backend> Database<C> {
    pub(crate) fn new(
        common: Arc<Common<C>>,
        pools: PoolSet<Connector<C>>,
        tenant: Option<TenantKey>,
        generation: u64,
    ) -> Self {
        Self::with(common, pools, tenant, generation, false)
    }

    /// A tenant's database whose connections are for looking at it, be it fenced or of an old schema. They count against
    /// the budget like all others.
    pub(crate) fn to_inspect(
        common: Arc<Common<C>>,
        pools: PoolSet<Connector<C>>,
        tenant: TenantKey,
        generation: u64,
    ) -> Self {
        Self::with(common, pools, Some(tenant), generation, true)
    }

    fn with(
        common: Arc<Common<C>>,
        pools: PoolSet<Connector<C>>,
        tenant: Option<TenantKey>,
        generation: u64,
        inspect: bool,
    ) -> Self {
        Self {
            target: Arc::new(Target {
                common,
                tenant,
                generation: AtomicU64::new(generation),
                gate: AtomicU8::new(Gate::Open as u8),
                watched: Arc::default(),
                quota: AtomicU64::new(0),
                inspect,
            }),
            pools,
            slots: OnceCell::new(),
        }
    }

    pub(crate) fn slots(&self) -> &Slots<Connector<C>> {
        self.slots.get_or_init(|| {
            let connector = Connector(Arc::clone(&self.target));
            let config = self.pools.config();
            let connections = match self.target.tenant {
                Some(_) => config.max_per_database(),
                None => config.max_per_database().max(SHARED_CONNECTIONS),
            };
            let connections = connections.min(config.max_connections());
            let slots = self.pools.slots_with(connector, connections);
            slots.expect("a number from the configuration's own range is in range")
        })
    }

    /// The slots, if a context was ever opened.
    pub(crate) fn opened_slots(&self) -> Option<&Slots<Connector<C>>> {
        self.slots.get()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.target.generation.load(Ordering::Acquire)
    }

    pub(crate) fn set_generation(&self, generation: u64) {
        self.target.generation.store(generation, Ordering::Release);
    }

    pub(crate) fn gate(&self) -> Gate {
        match self.target.gate.load(Ordering::Acquire) {
            0 => Gate::Open,
            _ => Gate::Closed,
        }
    }

    pub(crate) fn set_gate(&self, gate: Gate) {
        self.target.gate.store(gate as u8, Ordering::Release);
    }

    /// Bounds the connections that are opened from now on. True if that is another bound than before.
    pub(crate) fn set_quota(&self, bytes: Option<u64>) -> bool {
        let quota = bytes.unwrap_or(0);
        self.target.quota.swap(quota, Ordering::AcqRel) != quota
    }

    pub(crate) fn tenant_id(&self) -> Option<TenantId> {
        self.target.tenant.map(|key| key.id)
    }

    pub(crate) fn tenant_uuid(&self) -> Option<uuid::Uuid> {
        self.target.tenant.map(|key| key.uuid)
    }

    /// Whether a connection leads to this database and generation. Asks the database itself.
    pub(crate) fn is_led_to_by(
        &self,
        conn: &mut C,
        generation: u64,
    ) -> diesel::result::QueryResult<bool> {
        let tenant = self.target.tenant.as_ref();
        let tenant = tenant.map(|key| (key, generation));
        self.target.common.storage.leads_to(conn, tenant)
    }

    #[cfg(feature = "query-stats")]
    pub(crate) fn query_stats(&self) -> observe::QueryStats {
        self.target.watched.read()
    }

    /// What an error of this database means: a table of the other scope, a missing one, a fence.
    pub(crate) fn explain(&self, error: diesel::result::Error) -> diesel::result::Error {
        let error = withhold(error);
        let tenant = self.tenant_id();
        let scope = match tenant {
            Some(_) => ScopeKind::Tenant,
            None => ScopeKind::Shared,
        };
        match C::symptom(&error) {
            Some(Symptom::NoSuchTable(table)) => {
                let route = self.target.common.routes.table(&table);
                missing_table(table, route, scope, tenant).unwrap_or(error)
            }
            Some(Symptom::Fenced) => match tenant {
                Some(tenant) => TenantFenced { tenant }.into(),
                None => error,
            },
            Some(Symptom::DiskFull) => {
                let quota = self.target.quota.load(Ordering::Acquire);
                match tenant {
                    Some(tenant) if quota > 0 && self.target.common.storage.disk_has_room() => {
                        QuotaExceeded { tenant, quota }.into()
                    }
                    _ => error,
                }
            }
            // The database's own words say it well enough.
            Some(Symptom::Io | Symptom::ReadOnly | Symptom::Damaged) => error,
            None => error,
        }
    }
}

/// Opens connections to one database, for the pool.
pub struct Connector<C: Backend>(Arc<Target<C>>);

impl<C: Backend> r2d2::ManageConnection for Connector<C> {
    type Connection = C;
    type Error = ConnectError;

    fn connect(&self) -> Result<C, ConnectError> {
        let tenant = self.0.tenant.map(|key| key.id);
        let started = Instant::now();
        let mut connected = self.open();
        observe::connected(tenant, started, connected.as_ref().err());
        if let Ok(conn) = &mut connected {
            observe::watch(conn, tenant, &self.0.watched);
        }
        connected
    }

    fn is_valid(&self, conn: &mut C) -> Result<(), ConnectError> {
        let _ = conn;
        Ok(())
    }

    /// Diesel's own view: a transaction it began is still open, or failed to end.
    fn has_broken(&self, conn: &mut C) -> bool {
        use diesel::connection::{AnsiTransactionManager, TransactionManager};
        AnsiTransactionManager::is_broken_transaction_manager(conn)
            || AnsiTransactionManager::transaction_manager_status_mut(conn)
                .transaction_depth()
                .is_ok_and(|depth| depth.is_some())
    }
}

impl<C: Backend> Connector<C> {
    fn open(&self) -> Result<C, ConnectError> {
        let common = &self.0.common;
        let Some(key) = &self.0.tenant else {
            return common.storage.connect_shared();
        };
        let generation = self.0.generation.load(Ordering::Acquire);
        if self.0.inspect {
            return common.storage.connect_to_inspect(key, generation);
        }
        let mut opened = common.storage.connect_tenant(key, generation)?;
        let quota = self.0.quota.load(Ordering::Acquire);
        if quota > 0 {
            let limited = common.storage.limit(&mut opened.conn, quota);
            limited.map_err(|source| ConnectError::Setup {
                whose: Whose::Tenant(key.id),
                source,
            })?;
        }
        // The catalogue's word on the schema was checked before the pool was asked. The database has the last one:
        // it may have been put there by hand.
        let found = opened.schema_version.as_deref();
        match common.tenant_migrations.gate(found) {
            Ok(()) => Ok(opened.conn),
            Err(mismatch) => Err(ConnectError::Schema {
                whose: Whose::Tenant(key.id),
                mismatch,
            }),
        }
    }
}
