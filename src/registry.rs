//! The registry: the catalogue as this process knows it, and the door to every tenant.
//!
//! What is cached here may be up to the *freshness* bound old (default 1 s): after that the next caller asks the
//! catalogue one small question on the registry's own connection, and loads what has changed.
use std::collections::{HashMap, HashSet};
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard, RwLock};
use uuid::Uuid;

use crate::access::Principal;
use crate::audit::{Buffer, Keeper};
use crate::backend::{Backend, Storage};
use crate::catalog::{Status, TenantRecord};
use crate::clock::Coarse;
use crate::database::{Common, Connector, Database, Gate};
use crate::error::{CatalogError, OpenError};
use crate::hooks::Hooks;
use crate::pool::{Closed, Leaving, PoolSet};
use crate::subdomain::Subdomain;
use crate::tenancy::SchemaPolicy;
use crate::tenant_id::{FoldedTenantId, TenantId};

mod committed;
mod enter;
mod handle;
#[cfg(all(test, feature = "sqlite"))]
mod tests;
mod time;
mod writer;

use enter::FailedMigration;
pub(crate) use enter::refused;
pub use handle::TenantHandle;
pub use time::ClockJump;
pub(crate) use time::Time;
pub(crate) use writer::Writer;

/// The registry, and in whose name this handle on it acts. Everything else is the [`Core`]'s, which it derefs to.
pub(crate) struct Registry<C: Backend> {
    core: Arc<Core<C>>,
    acting: Arc<Principal>,
}

impl<C: Backend> Deref for Registry<C> {
    type Target = Core<C>;

    fn deref(&self) -> &Core<C> {
        &self.core
    }
}

/// What all handles on one open library have in common.
pub(crate) struct Core<C: Backend> {
    pub(crate) common: Arc<Common<C>>,
    pub(crate) pools: PoolSet<Connector<C>>,
    pub(crate) shared: Arc<Database<C>>,
    pub(crate) settings: Settings,
    /// Reads the catalogue for the cache. Apart from `writer`, so that nobody who only enters waits for an operation.
    reader: Mutex<Reader<C>>,
    /// Shared with the keeper of `openings`, which must not keep everything else.
    pub(crate) writer: Arc<Mutex<C>>,
    /// When the cache was last known to be right: nanoseconds after `started`, on the coarse clock.
    checked_at: AtomicU64,
    started: Coarse,
    known: RwLock<Known<C>>,
    /// Up to when this process has seen time pass. `None` until it has looked.
    lived: Mutex<Option<time::Lived>>,
    /// Held by the one who closes connections that have been idle for too long.
    reaping: Mutex<()>,
    /// Operations a thread of this process works on right now.
    pub(crate) running: Mutex<HashSet<Uuid>>,
    /// Tenants the catalogue thought alive although they were purged, as they were found when it was opened.
    pub(crate) buried: OnceLock<Vec<TenantRecord>>,
    pub(crate) hooks: Hooks<C>,
    /// Openings that are not in the audit log yet.
    pub(crate) openings: Arc<Buffer>,
    /// Sees to it that they get there.
    pub(crate) keeper: Keeper,
}

/// The library is closed: what waits in memory is written. Nobody is left to tell if that fails.
impl<C: Backend> Drop for Core<C> {
    fn drop(&mut self) {
        self.openings.close();
        self.keeper.end();
        let writer = &self.writer;
        let _ = self
            .openings
            .flush(|batch| writer.lock().audit_append(batch));
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) freshness: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) schema_policy: SchemaPolicy,
    pub(crate) plan_quotas: HashMap<String, u64>,
}

impl Settings {
    /// The most bytes a tenant's database may have: its own quota, or that of its plan.
    pub(crate) fn quota(&self, record: &TenantRecord) -> Option<u64> {
        let of_plan = |plan: &String| self.plan_quotas.get(plan).copied();
        record
            .quota
            .or_else(|| record.plan.as_ref().and_then(of_plan))
    }
}

/// How many connections that have been idle for too long one caller closes on its way. Closing the last one of a database
/// writes its log back, which takes milliseconds each.
const REAPED_AT_ONCE: usize = 4;

/// In [`Core::checked_at`]: the cache is known to be wrong.
const NEVER: u64 = u64::MAX;

struct Reader<C> {
    conn: C,
    seen: i64,
}

struct Known<C: Backend> {
    by_uuid: HashMap<Uuid, Arc<Tenant<C>>>,
    by_id: HashMap<FoldedTenantId, Arc<Tenant<C>>>,
    by_subdomain: HashMap<Subdomain, Arc<Tenant<C>>>,
    /// Those that may leave the catalogue without a trace. Kept apart, or each change would look at all tenants.
    unfinished: HashSet<Uuid>,
}

/// A tenant as this process knows it.
pub(crate) struct Tenant<C: Backend> {
    pub(crate) database: Arc<Database<C>>,
    record: RwLock<Arc<TenantRecord>>,
    /// Held while it is migrated on the way to a context; what came of that, if it failed.
    failed: Mutex<Option<FailedMigration>>,
}

impl<C: Backend> Tenant<C> {
    pub(crate) fn record(&self) -> Arc<TenantRecord> {
        Arc::clone(&self.record.read())
    }
}

impl<C: Backend> Registry<C> {
    pub(crate) fn open(
        common: Arc<Common<C>>,
        pools: PoolSet<Connector<C>>,
        settings: Settings,
        hooks: Hooks<C>,
        acting: Principal,
    ) -> Result<Self, OpenError> {
        let catalog = |source| OpenError::Catalog(CatalogError::Connect(source));
        let mut conn = common.storage.connect_shared().map_err(catalog)?;
        let writer = common.storage.connect_shared().map_err(catalog)?;
        let started = Coarse::now();
        let records = conn
            .catalog_changed_since(-1)
            .map_err(|e| OpenError::Catalog(CatalogError::of::<C>(e)))?;
        let shared = Arc::new(Database::new(Arc::clone(&common), pools.clone(), None, 1));
        let core = Core {
            common,
            pools,
            shared,
            settings,
            reader: Mutex::new(Reader { conn, seen: 0 }),
            writer: Arc::new(Mutex::new(writer)),
            checked_at: AtomicU64::new(0),
            started,
            known: RwLock::new(Known {
                by_uuid: HashMap::new(),
                by_id: HashMap::new(),
                by_subdomain: HashMap::new(),
                unfinished: HashSet::new(),
            }),
            lived: Mutex::new(None),
            reaping: Mutex::new(()),
            running: Mutex::new(HashSet::new()),
            buried: OnceLock::new(),
            hooks,
            openings: Arc::default(),
            keeper: Keeper::default(),
        };
        let registry = Self {
            core: Arc::new(core),
            acting: Arc::new(acting),
        };
        registry.reader.lock().seen = registry.apply(records, &mut Leaving::none());
        Ok(registry)
    }

    /// The same registry, with another one named in the audit log.
    pub(crate) fn acting_as(&self, principal: Principal) -> Self {
        Self {
            core: Arc::clone(&self.core),
            acting: Arc::new(principal),
        }
    }

    /// Who is named in the audit log for what is done through this handle.
    pub(crate) fn acting(&self) -> &Principal {
        &self.acting
    }

    /// Runs a change of the catalogue that concerns nothing the cache holds.
    pub(crate) fn note<T>(
        &self,
        f: impl FnOnce(&mut Writer<'_, C>) -> diesel::QueryResult<T>,
    ) -> diesel::QueryResult<T> {
        let by = &self.acting;
        let conn = &mut *self.writer.lock();
        f(&mut Writer { conn, by })
    }

    /// Writes something to the shared database that the cache does not hold.
    pub(crate) fn write<T>(
        &self,
        f: impl FnOnce(&mut C) -> diesel::QueryResult<T>,
    ) -> Result<T, CatalogError> {
        f(&mut self.writer.lock()).map_err(CatalogError::of::<C>)
    }

    /// Asks the catalogue something the cache does not hold.
    pub(crate) fn ask<T>(
        &self,
        f: impl FnOnce(&mut C) -> diesel::QueryResult<T>,
    ) -> Result<T, CatalogError> {
        f(&mut self.reader.lock().conn).map_err(CatalogError::of::<C>)
    }

    /// Makes sure the cache is no older than the freshness bound. One load and a coarse clock, mostly.
    #[inline]
    pub(crate) fn freshen(&self) -> Result<(), CatalogError> {
        let age = self.age();
        match age < self.settings.freshness / 2 {
            true => Ok(()),
            false => self.freshen_slowly(age),
        }
    }

    /// How long ago the cache was last known to be right.
    #[inline]
    fn age(&self) -> Duration {
        match self.checked_at.load(Ordering::Relaxed) {
            NEVER => Duration::MAX,
            checked => {
                let checked = Duration::from_nanos(checked);
                Coarse::now().since(self.started).saturating_sub(checked)
            }
        }
    }

    #[cold]
    fn freshen_slowly(&self, age: Duration) -> Result<(), CatalogError> {
        // Halfway to the bound one caller goes and looks, and the others go on. At the bound everyone waits.
        let reader = match age < self.settings.freshness {
            true => match self.reader.try_lock() {
                Some(reader) => reader,
                None => return Ok(()),
            },
            false => self.reader.lock(),
        };
        if self.age() < self.settings.freshness / 2 {
            return Ok(());
        }
        let read = self.read(reader);
        self.reap_some();
        #[cfg(feature = "metrics")]
        crate::observe::pool(&self.pools.stats());
        read
    }

    /// Closes a few connections that have been idle for too long, on the thread of somebody who came to open a context.
    /// Others do not wait for it: no lock is held that they need, and nobody begins while one is at it.
    fn reap_some(&self) {
        if let Some(_reaping) = self.reaping.try_lock() {
            self.pools.reap_some(REAPED_AT_ONCE);
        }
    }

    /// Reads what has changed, whatever the age of the cache.
    pub(crate) fn reload(&self) -> Result<(), CatalogError> {
        self.read(self.reader.lock())
    }

    /// Reads what has changed. Connections that are to be closed because of it are closed when all who wait for the reader
    /// can go on.
    fn read(&self, mut reader: MutexGuard<'_, Reader<C>>) -> Result<(), CatalogError> {
        let mut leaving = Leaving::none();
        let read = self.read_on(&mut reader, &mut leaving);
        drop(reader);
        drop(leaving);
        read
    }

    fn read_on(
        &self,
        reader: &mut Reader<C>,
        leaving: &mut Leaving<Connector<C>>,
    ) -> Result<(), CatalogError> {
        let asked_at = Coarse::now().since(self.started);
        if let Err(first) = self.read_with(reader, leaving) {
            // The connection may have been lost (a server restart, an I/O error): once more on a new one.
            reader.conn = self
                .common
                .storage
                .connect_shared()
                .map_err(CatalogError::Connect)?;
            if self.read_with(reader, leaving).is_err() {
                return Err(CatalogError::of::<C>(first));
            }
        }
        self.checked_at
            .store(asked_at.as_nanos() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn read_with(
        &self,
        reader: &mut Reader<C>,
        leaving: &mut Leaving<Connector<C>>,
    ) -> diesel::QueryResult<()> {
        let seq = reader.conn.catalog_seq()?;
        if seq == reader.seen {
            return Ok(());
        }
        let records = reader.conn.catalog_changed_since(reader.seen)?;
        let newest = self.apply(records, leaving);
        // A tenant that was never finished leaves the catalogue without a trace in the sequence.
        let unfinished: Vec<Uuid> = self.known.read().unfinished.iter().copied().collect();
        for uuid in unfinished {
            if reader.conn.catalog_tenant(uuid)?.is_none() {
                self.forget(uuid);
            }
        }
        reader.seen = seq.max(newest);
        Ok(())
    }

    fn forget(&self, uuid: Uuid) {
        // Dropped after the lock, since it may be the last one to know of connections.
        let _gone;
        let mut known = self.known.write();
        known.unfinished.remove(&uuid);
        _gone = known.by_uuid.remove(&uuid);
        known.by_id.retain(|_, t| t.record().uuid != uuid);
        known.by_subdomain.retain(|_, t| t.record().uuid != uuid);
    }

    /// Takes records into the cache, and opens or closes the tenants' gates. Returns the newest change seen. Connections that
    /// are not to be used any more are `leaving`: closing them takes time, and this holds what everybody asks.
    fn apply(&self, records: Vec<TenantRecord>, leaving: &mut Leaving<Connector<C>>) -> i64 {
        let mut newest = 0;
        let mut known = self.known.write();
        for record in records {
            newest = newest.max(record.change_seq);
            let record = Arc::new(record);
            let tenant = known.by_uuid.entry(record.uuid).or_insert_with(|| {
                Arc::new(Tenant {
                    database: Arc::new(Database::new(
                        Arc::clone(&self.common),
                        self.pools.clone(),
                        Some(record.key()),
                        record.generation,
                    )),
                    record: RwLock::new(Arc::clone(&record)),
                    failed: Mutex::new(None),
                })
            });
            let tenant = Arc::clone(tenant);
            match record.status {
                Status::Reserved | Status::Provisioning | Status::Failed => {
                    known.unfinished.insert(record.uuid)
                }
                _ => known.unfinished.remove(&record.uuid),
            };
            let before = std::mem::replace(&mut *tenant.record.write(), Arc::clone(&record));
            self.set_gate(&tenant.database, &record, leaving);

            let folded = record.id.folded();
            if let Some(subdomain) = &before.subdomain
                && known
                    .by_subdomain
                    .get(subdomain)
                    .is_some_and(|t| Arc::ptr_eq(t, &tenant))
            {
                known.by_subdomain.remove(subdomain);
            }
            if record.status != Status::Deleted {
                known.by_id.insert(folded, Arc::clone(&tenant));
                if let Some(subdomain) = &record.subdomain {
                    known.by_subdomain.insert(subdomain.clone(), tenant);
                }
            } else if known
                .by_id
                .get(&folded)
                .is_some_and(|t| Arc::ptr_eq(t, &tenant))
            {
                known.by_id.remove(&folded);
            }
        }
        newest
    }

    /// Whether contexts may be opened on a tenant. Connections of an older generation are taken out on the way.
    fn set_gate(
        &self,
        database: &Database<C>,
        record: &TenantRecord,
        leaving: &mut Leaving<Connector<C>>,
    ) {
        let open = record.status == Status::Active
            && self
                .common
                .tenant_migrations
                .gate(record.schema_version.as_deref())
                .is_ok();
        let moved = database.generation() != record.generation;
        let was_open = database.gate() == Gate::Open;
        if (moved || (was_open && !open))
            && let Some(slots) = database.opened_slots()
        {
            leaving.and(slots.close_later(match record.status {
                Status::Deleting | Status::Deleted => Closed::Retired,
                _ => Closed::Maintenance,
            }));
        }
        database.set_generation(record.generation);
        // Connections keep the limit they were opened with.
        let limited_anew = database.set_quota(self.settings.quota(record));
        if open {
            if (moved || !was_open || limited_anew)
                && let Some(slots) = database.opened_slots()
            {
                leaving.and(slots.reopen_later());
            }
            database.set_gate(Gate::Open);
        } else {
            database.set_gate(Gate::Closed);
        }
    }

    pub(crate) fn tenant(&self, id: &TenantId) -> Result<Arc<Tenant<C>>, OpenError> {
        self.find(|known| known.by_id.get(&id.folded()).cloned())?
            .ok_or(OpenError::UnknownTenant { id: *id })
    }

    /// A tenant by its uuid, be it deleted.
    pub(crate) fn by_uuid(&self, uuid: Uuid) -> Result<Option<Arc<Tenant<C>>>, OpenError> {
        self.find(|known| known.by_uuid.get(&uuid).cloned())
    }

    /// Whether the cache holds this tenant, and not as one that is gone or going.
    pub(crate) fn thinks_alive(&self, uuid: Uuid) -> bool {
        let known = self.known.read();
        let gone = |tenant: &Arc<Tenant<C>>| {
            matches!(tenant.record().status, Status::Deleting | Status::Deleted)
        };
        known.by_uuid.get(&uuid).is_some_and(|tenant| !gone(tenant))
    }

    /// The tenant of this uuid, whatever its status, as the cache has it.
    pub(crate) fn tenant_of(&self, uuid: Uuid) -> Option<Arc<Tenant<C>>> {
        self.known.read().by_uuid.get(&uuid).cloned()
    }

    pub(crate) fn tenant_at(&self, subdomain: &Subdomain) -> Result<Arc<Tenant<C>>, OpenError> {
        self.find(|known| known.by_subdomain.get(subdomain).cloned())?
            .ok_or_else(|| OpenError::UnknownSubdomain {
                subdomain: subdomain.clone(),
            })
    }

    /// The same two, without asking the catalogue: `None` also where the cache is too old to be believed.
    pub(crate) fn try_tenant(&self, id: &TenantId) -> Option<Arc<Tenant<C>>> {
        self.try_find(|known| known.by_id.get(&id.folded()).cloned())
    }

    /// As [`by_uuid`](Self::by_uuid), from memory alone.
    pub(crate) fn try_by_uuid(&self, uuid: Uuid) -> Option<Arc<Tenant<C>>> {
        self.try_find(|known| known.by_uuid.get(&uuid).cloned())
    }

    pub(crate) fn try_tenant_at(&self, subdomain: &Subdomain) -> Option<Arc<Tenant<C>>> {
        self.try_find(|known| known.by_subdomain.get(subdomain).cloned())
    }

    fn try_find(
        &self,
        look: impl Fn(&Known<C>) -> Option<Arc<Tenant<C>>>,
    ) -> Option<Arc<Tenant<C>>> {
        match self.is_fresh() {
            true => look(&*self.known.try_read()?),
            false => None,
        }
    }

    /// Whether the cache may be believed without a look at the catalogue.
    pub(crate) fn is_fresh(&self) -> bool {
        self.age() < self.settings.freshness
    }

    fn find(
        &self,
        look: impl Fn(&Known<C>) -> Option<Arc<Tenant<C>>>,
    ) -> Result<Option<Arc<Tenant<C>>>, OpenError> {
        self.freshen().map_err(OpenError::Catalog)?;
        let found = look(&self.known.read());
        if found.is_some() {
            return Ok(found);
        }
        // Another process may have created it a moment ago: who is turned away gets the newest word.
        self.reload().map_err(OpenError::Catalog)?;
        Ok(look(&self.known.read()))
    }

    pub(crate) fn tenants(&self) -> Result<Vec<Arc<TenantRecord>>, CatalogError> {
        self.reload()?;
        let known = self.known.read();
        let mut records: Vec<_> = known.by_id.values().map(|t| t.record()).collect();
        records.sort_by_key(|record| record.id.folded());
        Ok(records)
    }
}
