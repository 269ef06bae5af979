//! The registry: the catalogue as this process knows it, and the door to every tenant.
//!
//! What is cached here may be up to the *freshness* bound old (default 1 s): after that the next caller asks the
//! catalogue one small question on the registry's own connection, and loads what has changed.
use std::collections::{HashMap, HashSet};
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use uuid::Uuid;

use crate::access::Principal;
use crate::audit::{AuditPolicy, Buffer, Keeper};
use crate::backend::{Backend, ConnectError, Storage, Whose};
use crate::catalog::{Status, TenantRecord};
use crate::clock::Coarse;
use crate::context::{SharedContext, TenantContext};
use crate::database::{Common, Connector, Database, Gate};
use crate::error::{CatalogError, LifecycleError, OpenError};
use crate::hooks::Hooks;
use crate::migrate::{MigrateOptions, SchemaMismatch};
use crate::pool::{CheckoutError, Closed, PoolSet};
use crate::subdomain::Subdomain;
use crate::tenancy::SchemaPolicy;
use crate::tenant_id::{FoldedTenantId, TenantId};

mod handle;
mod time;
mod writer;

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
        registry.reader.lock().seen = registry.apply(records);
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

    /// Runs a catalogue change and brings the cache up to it.
    ///
    /// What is committed has succeeded, although the cache may not be brought up to it (no descriptor is left, the
    /// database is busy): until it is, nobody is let in.
    pub(crate) fn change<T>(
        &self,
        f: impl FnOnce(&mut Writer<'_, C>) -> diesel::QueryResult<T>,
    ) -> Result<T, CatalogError> {
        let by = &self.acting;
        let value = self.write(|conn| f(&mut Writer { conn, by }))?;
        let mut reader = self.reader.lock();
        if self.read(&mut reader).is_err() {
            self.checked_at.store(NEVER, Ordering::Relaxed);
        }
        Ok(value)
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
        let mut reader = match age < self.settings.freshness {
            true => match self.reader.try_lock() {
                Some(reader) => reader,
                None => return Ok(()),
            },
            false => self.reader.lock(),
        };
        if self.age() < self.settings.freshness / 2 {
            return Ok(());
        }
        self.pools.reap_idle();
        #[cfg(feature = "metrics")]
        crate::observe::pool(&self.pools.stats());
        self.read(&mut reader)
    }

    /// Reads what has changed, whatever the age of the cache.
    pub(crate) fn reload(&self) -> Result<(), CatalogError> {
        self.read(&mut self.reader.lock())
    }

    fn read(&self, reader: &mut Reader<C>) -> Result<(), CatalogError> {
        let asked_at = Coarse::now().since(self.started);
        if let Err(first) = self.read_with(reader) {
            // The connection may have been lost (a server restart, an I/O error): once more on a new one.
            reader.conn = self
                .common
                .storage
                .connect_shared()
                .map_err(CatalogError::Connect)?;
            if self.read_with(reader).is_err() {
                return Err(CatalogError::of::<C>(first));
            }
        }
        self.checked_at
            .store(asked_at.as_nanos() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn read_with(&self, reader: &mut Reader<C>) -> diesel::QueryResult<()> {
        let seq = reader.conn.catalog_seq()?;
        if seq == reader.seen {
            return Ok(());
        }
        let records = reader.conn.catalog_changed_since(reader.seen)?;
        let newest = self.apply(records);
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
        let mut known = self.known.write();
        known.unfinished.remove(&uuid);
        known.by_uuid.remove(&uuid);
        known.by_id.retain(|_, t| t.record().uuid != uuid);
        known.by_subdomain.retain(|_, t| t.record().uuid != uuid);
    }

    /// Takes records into the cache, and opens or closes the tenants' gates. Returns the newest change seen.
    fn apply(&self, records: Vec<TenantRecord>) -> i64 {
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
            self.set_gate(&tenant.database, &record);

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

    /// Whether contexts may be opened on a tenant. Connections of an older generation are closed on the way.
    fn set_gate(&self, database: &Database<C>, record: &TenantRecord) {
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
            slots.close(match record.status {
                Status::Deleting | Status::Deleted => Closed::Retired,
                _ => Closed::Maintenance,
            });
        }
        database.set_generation(record.generation);
        // Connections keep the limit they were opened with.
        let limited_anew = database.set_quota(self.settings.quota(record));
        if open {
            if (moved || !was_open || limited_anew)
                && let Some(slots) = database.opened_slots()
            {
                slots.reopen();
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

    pub(crate) fn shared(&self) -> Result<SharedContext<C>, OpenError> {
        let checkout = self.shared.slots().checkout();
        crate::observe::context(None, checkout.is_ok());
        let checkout = checkout.map_err(|e| refused(e, None))?;
        Ok(SharedContext::new(
            Arc::clone(&self.shared),
            checkout,
            Arc::clone(&self.acting),
        ))
    }

    pub(crate) fn enter(&self, tenant: &Tenant<C>) -> Result<TenantContext<C>, OpenError> {
        let context = self.enter_unnoted(tenant)?;
        if self.hooks.audit.policy == AuditPolicy::All {
            let note = crate::audit::opening(context.generation());
            let noted = self.note_opening(tenant, self.acting(), note);
            noted.map_err(OpenError::Catalog)?;
        }
        Ok(context)
    }

    /// Opens a context; whether and how it is entered into the audit log is up to the caller.
    #[inline]
    pub(crate) fn enter_unnoted(&self, tenant: &Tenant<C>) -> Result<TenantContext<C>, OpenError> {
        let entered = self.try_enter(tenant);
        crate::observe::context(tenant.database.tenant_id(), entered.is_ok());
        entered
    }

    #[inline]
    fn try_enter(&self, tenant: &Tenant<C>) -> Result<TenantContext<C>, OpenError> {
        self.freshen().map_err(OpenError::Catalog)?;
        if tenant.database.gate() == Gate::Closed {
            self.closed(tenant)?;
        }
        match self.check_out(tenant) {
            Ok(context) => Ok(context),
            Err(error) => self.enter_again(tenant, error),
        }
    }

    #[inline]
    fn check_out(
        &self,
        tenant: &Tenant<C>,
    ) -> Result<TenantContext<C>, CheckoutError<ConnectError>> {
        let database = &tenant.database;
        // Read before the connection is taken: should the tenant move in between, the context is stale and says
        // so, and never the other way round.
        let generation = database.generation();
        let checkout = database.slots().checkout()?;
        Ok(TenantContext::new(
            Arc::clone(database),
            checkout,
            generation,
        ))
    }

    /// After a refusal that may come from old news: within the freshness bound the tenant may have moved, and the
    /// database this process believes in is closed, fenced or gone. With the newest word, one more try.
    #[cold]
    fn enter_again(
        &self,
        tenant: &Tenant<C>,
        error: CheckoutError<ConnectError>,
    ) -> Result<TenantContext<C>, OpenError> {
        let id = tenant.record().id;
        let error = match error {
            CheckoutError::Closed { .. }
            | CheckoutError::Connect {
                source:
                    ConnectError::Missing { .. }
                    | ConnectError::Fenced { .. }
                    | ConnectError::Open { .. },
            } => {
                self.closed(tenant)?;
                match self.check_out(tenant) {
                    Ok(context) => return Ok(context),
                    Err(error) => error,
                }
            }
            other => other,
        };
        Err(match error {
            // Closed again already: the caller's next try will find out why.
            CheckoutError::Closed { .. } => OpenError::Unavailable {
                id,
                status: Status::Restoring,
            },
            other => refused(other, Some(id)),
        })
    }

    /// Why the gate is closed, or `Ok` if it no longer is.
    #[cold]
    fn closed(&self, tenant: &Tenant<C>) -> Result<(), OpenError> {
        let until = crate::deadline::after(self.settings.drain_timeout);
        let mut pause = Duration::from_millis(1);
        let mut settled = false;
        loop {
            // Another process may have opened it since: who is turned away gets the newest word.
            self.reload().map_err(OpenError::Catalog)?;
            let record = tenant.record();
            let id = record.id;
            let status = record.status;
            // Its process may have died over it, or failed to undo it while the disk was full.
            if status == Status::Restoring && !settled {
                settled = true;
                if let Ok(true) = crate::lifecycle::clear_unfinished(self, record.uuid) {
                    continue;
                }
            }
            if status != Status::Active {
                return Err(OpenError::Unavailable { id, status });
            }
            let found = record.schema_version.as_deref();
            let Err(mismatch) = self.common.tenant_migrations.gate(found) else {
                return Ok(());
            };
            let behind = matches!(mismatch, SchemaMismatch::Behind { .. });
            if !behind || !self.settings.schema_policy.migrates() {
                let whose = Whose::Tenant(id);
                return Err(OpenError::Connect(ConnectError::Schema { whose, mismatch }));
            }
            let options = MigrateOptions::default();
            match crate::lifecycle::migrate_one(self, tenant, options, &mut Duration::default()) {
                Ok(_) => {}
                Err(LifecycleError::InProgress { .. }) if Instant::now() + pause < until => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(50));
                }
                Err(source) => {
                    let source = Box::new(source);
                    return Err(OpenError::MigrateOnOpen { id, source });
                }
            }
        }
    }
}

pub(crate) fn refused(error: CheckoutError<ConnectError>, tenant: Option<TenantId>) -> OpenError {
    match error {
        CheckoutError::Connect { source } => OpenError::Connect(source),
        CheckoutError::Busy {
            waited,
            in_use,
            max,
        } => OpenError::Busy {
            tenant,
            waited,
            in_use,
            max,
        },
        CheckoutError::BudgetExhausted {
            open,
            in_use,
            max,
            waited,
        } => OpenError::BudgetExhausted {
            tenant,
            open,
            in_use,
            max,
            waited,
        },
        CheckoutError::Closed { .. } => OpenError::ShuttingDown,
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use crate::audit::AuditFilter;
    use crate::prelude::*;

    routes! {
        static NOWHERE;
        shared { }
        tenant { }
    }

    /// Who looks something up in the log keeps nobody waiting at a door, and waits for nobody there.
    #[test]
    fn the_log_is_not_read_by_the_connection_every_door_waits_for() {
        let dir = tempfile::tempdir().unwrap();
        let builder =
            Tenancy::<SqliteConnection>::builder(&NOWHERE).sqlite(dir.path().join("data"));
        let tenancy = builder.init().open().unwrap();
        tenancy
            .create(&"TH001".parse().unwrap(), NewTenant::named("x"))
            .unwrap();
        let (send, read) = mpsc::channel();
        let door = tenancy.registry.reader.lock();
        let reader = tenancy.clone();
        let thread = std::thread::spawn(move || {
            let entries = reader.audit_entries(&AuditFilter::all(), 10).unwrap();
            send.send((entries.len(), reader.audit_head().unwrap().seq))
                .unwrap();
        });
        let found = read.recv_timeout(Duration::from_secs(20));
        drop(door);
        thread.join().unwrap();
        assert_eq!(found, Ok((2, 2)));
    }

    /// A change that is committed has succeeded, although nothing can be read afterwards. It was called a failure, and an
    /// undo that is done again is one that is taken back. What is not known meanwhile is not believed in either.
    #[test]
    fn what_is_committed_has_succeeded_although_it_cannot_be_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        let builder = Tenancy::<SqliteConnection>::builder(&NOWHERE).sqlite(&root);
        let long = Duration::from_secs(3600);
        let tenancy = builder.init().freshness(long).open().unwrap();
        let id = "TH001".parse().unwrap();
        tenancy.create(&id, NewTenant::named("x")).unwrap();
        let permit = |mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(root.join("shared.sqlite3"), mode).unwrap();
        };
        // The connection is lost, and none can be made.
        tenancy.registry.reader.lock().conn = SqliteConnection::establish(":memory:").unwrap();
        permit(0o666);
        tenancy.suspend(&id).unwrap();
        assert!(matches!(
            tenancy.tenant(&id),
            Err(crate::OpenError::Catalog(_))
        ));
        permit(0o600);
        let status = tenancy.handle(&id).unwrap().record().unwrap().status;
        assert_eq!(status, crate::Status::Suspended);
    }
}
