//! Provisioning: a tenant comes into being wholly or not at all.
//!
//! | step | failpoint after it | killed here, the next open |
//! |---|---|---|
//! | the template is there | `create.template` | has nothing to do |
//! | catalogue row `provisioning` and journal | `create.journaled` | takes both out again |
//! | staging file: cloned, stamped, synced | `create.staged` | removes it, and the rows |
//! | staging file signed by the operation | `publish.signed` | removes it, and the rows |
//! | staging file gets its name | `create.published` | removes it, and the rows |
//! | **catalogue row `active`** | `create.committed` | closes the journal |
//! | journal closed | `create.closed` | has nothing to do |
//!
//! A tenant may be [reserved](Tenancy::reserve) first: a catalogue row `reserved` and nothing else, in one transaction.
//! Completing it goes through the same steps, with the row it has; undone, it is the reservation it was
//! (`settle.removed` · `settle.reserved`).
use std::sync::Arc;
use std::time::SystemTime;

use uuid::Uuid;

use crate::backend::{Backend, OnDisk, Storage, TenantKey};
use crate::catalog::{
    Changed, Completing, Completion, Inserted, Operation, OperationKind, Outcome, Status,
    TenantRecord, Terms,
};
use crate::deadline::Patience;
use crate::display_name::DisplayName;
use crate::error::{CatalogError, CreateError, LifecycleError, OpenError, QuotaOutOfRange};
use crate::failpoint::hit;
use crate::lifecycle::{self, Running, Staged};
use crate::migrate;
use crate::observe;
use crate::registry::{Registry, Tenant, TenantHandle};
use crate::subdomain::Subdomain;
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;

/// What a new tenant is to be. Checked by [`Tenancy::create`](crate::Tenancy::create).
#[derive(Clone, Debug)]
#[must_use]
pub struct NewTenant {
    display_name: String,
    subdomain: Option<String>,
    plan: Option<String>,
    quota: Option<u64>,
    reuse_retired_id: bool,
    uuid: Option<Uuid>,
}

impl NewTenant {
    /// A tenant of this display name; see [`DisplayName`] for what is allowed.
    pub fn named(display_name: impl Into<String>) -> Self {
        Self {
            display_name: display_name.into(),
            subdomain: None,
            plan: None,
            quota: None,
            reuse_retired_id: false,
            uuid: None,
        }
    }

    /// The subdomain it answers at, unique among tenants; see [`Subdomain`]. Default: none.
    pub fn subdomain(mut self, subdomain: impl Into<String>) -> Self {
        self.subdomain = Some(subdomain.into());
        self
    }

    /// The plan it is on, in the application's words. Default: none.
    pub fn plan(mut self, plan: impl Into<String>) -> Self {
        self.plan = Some(plan.into());
        self
    }

    /// The most bytes its database may have; see [`Tenancy::set_quota`](crate::Tenancy::set_quota). Default: what
    /// [`Builder::plan_quota`](crate::Builder::plan_quota) gives its plan, or no limit.
    pub fn quota(mut self, bytes: u64) -> Self {
        self.quota = Some(bytes);
        self
    }

    /// Takes the id of a deleted tenant. The new tenant has a uuid and an empty database of its own.
    pub fn reuse_retired_id(mut self) -> Self {
        self.reuse_retired_id = true;
        self
    }

    /// The uuid it is to have, which nobody has or had: so that who asked for it knows it again after a crash.
    pub(crate) fn with_uuid(mut self, uuid: Uuid) -> Self {
        self.uuid = Some(uuid);
        self
    }
}

impl NewTenant {
    fn terms(&self) -> Result<Terms, CreateError> {
        if let Some(bytes) = self.quota {
            QuotaOutOfRange::check(bytes)?;
        }
        Ok(Terms {
            display_name: self.display_name.parse::<DisplayName>()?,
            subdomain: match &self.subdomain {
                Some(name) => Some(name.parse::<Subdomain>()?),
                None => None,
            },
            plan: self.plan.clone(),
            quota: self.quota,
        })
    }
}

impl<C: Backend> Tenancy<C> {
    /// The tenant, created if it is not there yet. An existing one is left as it is, `new` is not compared.
    ///
    /// Of several that call this at once, in one process or in many, one creates it and the others wait for it, up to the
    /// drain timeout (default 10 s).
    ///
    /// # Errors
    /// See [`CreateError`]. [`CreateError::InProgress`] where it was still being created at the end of the wait.
    pub fn ensure(&self, id: &TenantId, new: NewTenant) -> Result<TenantHandle<C>, CreateError> {
        let mut patience = Patience::of(self.registry.settings.drain_timeout);
        loop {
            if let Ok(handle) = self.handle(id)
                && !matches!(
                    handle.record()?.status,
                    Status::Reserved | Status::Provisioning | Status::Failed
                )
            {
                return Ok(handle);
            }
            match self.create(id, new.clone()) {
                Err(CreateError::AlreadyExists { .. }) => return Ok(self.handle(id)?),
                Err(CreateError::InProgress { .. }) if patience.pause() => {}
                other => return other,
            }
        }
    }

    /// Registers a tenant without making its database: its id and its subdomain are taken from now on, and nobody can
    /// open it.
    ///
    /// [`create`](Self::create) makes the database later, with the terms it is given; [`complete`](Self::complete) with
    /// those of the reservation. [`unreserve`](Self::unreserve) gives the names free again.
    ///
    /// # Errors
    /// See [`CreateError`].
    ///
    /// # Example
    /// ```
    /// use diesel_tenants::prelude::*;
    /// use diesel_tenants::Status;
    /// # mod schema { diesel::table! { users { id -> Integer, } } diesel::table! { patients { id -> Integer, } } }
    /// # routes! { static ROUTES; shared { accounts { schema::users } } tenant { wards { schema::patients } } }
    /// # let dir = tempfile::tempdir()?;
    /// # let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES).sqlite(dir.path().join("data")).init().open()?;
    /// let id: TenantId = "TH001".parse()?;
    /// let th001 = tenancy.reserve(&id, NewTenant::named("Teaching Hospital").subdomain("teaching"))?;
    /// assert_eq!(th001.record()?.status, Status::Reserved);
    /// assert!(tenancy.tenant(&id).is_err());
    /// tenancy.complete(&id)?;
    /// assert!(tenancy.tenant(&id).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reserve(&self, id: &TenantId, new: NewTenant) -> Result<TenantHandle<C>, CreateError> {
        let tenant = reserve(&self.registry, *id, &new)?;
        Ok(TenantHandle::new(Arc::clone(&self.registry), tenant))
    }

    /// Makes the database of a [reserved](Self::reserve) tenant, which is active then. All or nothing: undone, it is the
    /// reservation it was.
    ///
    /// # Errors
    /// See [`CreateError`]; [`AlreadyExists`](CreateError::AlreadyExists) where it is not reserved (any more).
    pub fn complete(&self, id: &TenantId) -> Result<TenantHandle<C>, CreateError> {
        let tenant = self.registry.tenant(id)?;
        let tenant = observe::operation(tenant.record().id, OperationKind::Create, || {
            complete(&self.registry, &tenant, None)
        })?;
        Ok(TenantHandle::new(Arc::clone(&self.registry), tenant))
    }

    /// Takes a [reservation](Self::reserve) back: the tenant is not known any more, its id and its subdomain are free.
    ///
    /// # Errors
    /// See [`LifecycleError`]; [`WrongStatus`](LifecycleError::WrongStatus) where the tenant has a database.
    pub fn unreserve(&self, id: &TenantId) -> Result<(), LifecycleError> {
        let tenant = self.registry.tenant(id)?;
        let (id, uuid) = (tenant.record().id, tenant.record().uuid);
        lifecycle::settling(&self.registry, id, None, |c| c.catalog_unreserve(uuid))
    }
}

fn reserve<C: Backend>(
    registry: &Arc<Registry<C>>,
    id: TenantId,
    new: &NewTenant,
) -> Result<Arc<Tenant<C>>, CreateError> {
    let record = registered(Uuid::now_v7(), id, new.terms()?);
    insert(registry, &record, || {
        registry.change(|c| c.catalog_reserve(&record, new.reuse_retired_id))
    })?;
    hit("reserve.recorded");
    Ok(registry.made(&record)?)
}

/// Makes the database of a reservation, on the terms it has or on these.
fn complete<C: Backend>(
    registry: &Arc<Registry<C>>,
    tenant: &Tenant<C>,
    terms: Option<Terms>,
) -> Result<Arc<Tenant<C>>, CreateError> {
    let reserved = tenant.record();
    let id = reserved.id;
    let (storage, set) = (&registry.common.storage, &registry.common.tenant_migrations);
    let fingerprint = registry.common.prepare_template()?.to_owned();
    hit("create.template");
    let running = Running::new(registry);
    let asked = Completion {
        operation: running.id(),
        tenant_uuid: reserved.uuid,
        instance: storage.instance(),
        terms,
        schema_version: set.latest().map(str::to_owned),
        schema_fingerprint: fingerprint,
        ledger_digest: migrate::ledger_digest::of_set(set, set.latest()),
    };
    let mut settled = false;
    let (operation, record) = loop {
        match registry.change(|c| c.catalog_complete(&asked))? {
            Completing::Done(operation, record) => break (operation, record),
            Completing::Not(Changed::InProgress(_)) if !settled => {
                settled = true;
                if !lifecycle::clear_unfinished(registry, reserved.uuid)? {
                    return Err(CreateError::InProgress { id });
                }
            }
            Completing::Not(Changed::InProgress(_)) => return Err(CreateError::InProgress { id }),
            Completing::Not(Changed::WrongStatus(status)) => {
                let found = id;
                return Err(CreateError::AlreadyExists { id, found, status });
            }
            Completing::Not(Changed::Unknown | Changed::Done | Changed::OlderThanDisk(_)) => {
                return Err(OpenError::UnknownTenant { id }.into());
            }
            Completing::SubdomainTaken(by) => {
                let subdomain = asked.terms.and_then(|terms| terms.subdomain);
                let subdomain = subdomain.expect("only a subdomain that was asked for is taken");
                return Err(CreateError::SubdomainTaken { subdomain, by });
            }
        }
    };
    hit("create.journaled");
    build(registry, &record, &operation, running, |key| {
        storage.stage_from_template(key, operation.to_generation, set)?;
        Ok::<_, CreateError>(Staged::default())
    })
}

pub(crate) fn create<C: Backend>(
    registry: &Arc<Registry<C>>,
    id: TenantId,
    new: NewTenant,
) -> Result<Arc<Tenant<C>>, CreateError> {
    let common = Arc::clone(&registry.common);
    observe::operation(id, OperationKind::Create, || {
        // Who has chosen the uuid wants that tenant, and no other of its id.
        if new.uuid.is_none()
            && let Ok(there) = registry.tenant(&id)
            && there.record().status == Status::Reserved
        {
            return complete(registry, &there, Some(new.terms()?));
        }
        let asked = new.clone();
        let created = create_from(registry, id, new, |key| {
            let set = &common.tenant_migrations;
            common.storage.stage_from_template(key, 1, set)?;
            Ok(Staged::default())
        });
        match created {
            // It is again: a dead process was completing it, which has been undone on the way.
            Err(CreateError::AlreadyExists { status, .. })
                if status == Status::Reserved && asked.uuid.is_none() =>
            {
                complete(registry, &*registry.tenant(&id)?, Some(asked.terms()?))
            }
            created => created,
        }
    })
}

/// Creates a tenant whose first generation `stage` makes: the staging database, stamped, synced, closed.
///
/// What it is when `stage` says nothing else is what the template is.
pub(crate) fn create_from<C: Backend, E>(
    registry: &Arc<Registry<C>>,
    id: TenantId,
    new: NewTenant,
    stage: impl FnOnce(&TenantKey) -> Result<Staged, E>,
) -> Result<Arc<Tenant<C>>, E>
where
    E: From<CreateError> + std::error::Error + Send + Sync + 'static,
{
    let terms = new.terms()?;
    let (storage, set) = (&registry.common.storage, &registry.common.tenant_migrations);
    let fingerprint = registry.common.prepare_template();
    let fingerprint = fingerprint.map_err(CreateError::from)?.to_owned();
    hit("create.template");

    let record = TenantRecord {
        status: Status::Provisioning,
        schema_version: set.latest().map(str::to_owned),
        schema_fingerprint: Some(fingerprint),
        ledger_digest: Some(migrate::ledger_digest::of_set(set, set.latest())),
        ..registered(new.uuid.unwrap_or_else(Uuid::now_v7), id, terms)
    };
    let running = Running::new(registry);
    let operation = Operation {
        id: running.id(),
        tenant_uuid: record.uuid,
        kind: OperationKind::Create,
        instance: storage.instance(),
        prior_status: Status::Provisioning,
        from_generation: 1,
        to_generation: 1,
    };
    insert(registry, &record, || {
        registry.change(|c| c.catalog_insert(&record, &operation, new.reuse_retired_id))
    })?;
    hit("create.journaled");
    build(registry, &record, &operation, running, stage)
}

/// Everything after the tenant stands in the catalogue, and in the journal, as one that is being made.
fn build<C: Backend, E>(
    registry: &Arc<Registry<C>>,
    record: &TenantRecord,
    operation: &Operation,
    running: Running<'_, C>,
    stage: impl FnOnce(&TenantKey) -> Result<Staged, E>,
) -> Result<Arc<Tenant<C>>, E>
where
    E: From<CreateError> + std::error::Error + Send + Sync + 'static,
{
    let storage = &registry.common.storage;
    let (id, generation) = (record.id, operation.to_generation);
    // Under a catalogue that is older than the databases it may have been made long ago, and be in use.
    let is_new = storage.check_new(&record.key());
    let staged = is_new
        .map_err(|error| CreateError::from(error).into())
        .and_then(|()| stage(&record.key()));
    let built = staged.and_then(|staged| {
        hit("create.staged");
        storage
            .publish(&record.key(), generation, operation.id)
            .map_err(CreateError::from)?;
        hit("create.published");
        let active = Outcome {
            status: Status::Active,
            generation,
            schema: staged.schema,
            keep_old: false,
        };
        let committed = registry.change(|c| c.catalog_commit(operation, &active));
        Ok(committed.map_err(CreateError::from)?)
    });
    if let Err(error) = built {
        // The commit may have happened although its answer was lost; recovery looks before it undoes. What somebody else has
        // taken over is theirs: by now the tenant may be made, or gone.
        let undone = match lifecycle::is_ours(registry, operation) {
            Ok(true) => lifecycle::settle(registry, operation),
            other => other.map(drop),
        };
        if let Err(undo) = undone {
            let error = Box::new(error);
            let undo = Box::new(undo);
            return Err(CreateError::NotUndone { id, error, undo }.into());
        }
        let now = registry.ask(|c| c.catalog_tenant(record.uuid));
        let created = now.ok().flatten();
        let created = created.filter(|now| {
            let unfinished = [Status::Reserved, Status::Provisioning, Status::Failed];
            !unfinished.contains(&now.status)
        });
        let created = created.and_then(|now| registry.made(&now).ok());
        return created.ok_or(error);
    }
    hit("create.committed");
    lifecycle::close(registry, operation);
    hit("create.closed");
    drop(running);
    Ok(registry.made(record).map_err(CreateError::from)?)
}

/// Puts a tenant whose database was found on the disk back into the catalogue.
pub(crate) fn reclaim<C: Backend>(
    registry: &Arc<Registry<C>>,
    key: &TenantKey,
    found: &OnDisk,
    new: NewTenant,
) -> Result<Arc<Tenant<C>>, CreateError> {
    let terms = new.terms()?;
    let newest = found.usable();
    let newest = newest.expect("an orphan has a database that can be read");
    if newest.fenced {
        // An operation left it there that was never committed, and whose journal is gone.
        registry.common.storage.unfence(key, newest.generation)?;
        hit("reclaim.unfenced");
    }
    // A hold outlives the catalogue that it was laid in.
    let holds = registry.common.storage.holds()?;
    let hold = holds.into_iter().find(|(tenant, _)| *tenant == key.uuid);
    let hold = hold.map(|(_, reason)| reason);
    let record = TenantRecord {
        status: Status::Active,
        generation: newest.generation,
        schema_version: newest.version.clone(),
        schema_fingerprint: Some(newest.fingerprint.clone()),
        legal_hold: hold,
        ..registered(key.uuid, key.id, terms)
    };
    match registry.change(|c| c.reclaim(&record, found))? {
        Inserted::Done => {
            hit("reclaim.committed");
            Ok(registry.made(&record)?)
        }
        refused => Err(refusal(&record, refused)),
    }
}

/// A tenant that is known by its names, and has nothing yet.
fn registered(uuid: Uuid, id: TenantId, terms: Terms) -> TenantRecord {
    let now = SystemTime::now();
    TenantRecord {
        uuid,
        id,
        display_name: terms.display_name,
        subdomain: terms.subdomain,
        status: Status::Reserved,
        generation: 1,
        schema_version: None,
        schema_fingerprint: None,
        ledger_digest: None,
        plan: terms.plan,
        placement: "local".to_owned(),
        created_at: now,
        changed_at: now,
        delete_after: None,
        legal_hold: None,
        quota: terms.quota,
        change_seq: 0,
    }
}

/// Why a tenant is not in the catalogue as it was to be.
fn refusal(record: &TenantRecord, refused: Inserted) -> CreateError {
    let id = record.id;
    match refused {
        Inserted::Done => unreachable!("it is in the catalogue"),
        Inserted::Retired => CreateError::Retired { id },
        Inserted::Exists(found) => CreateError::AlreadyExists {
            id,
            found: found.id,
            status: found.status,
        },
        Inserted::SubdomainTaken(by) => {
            let subdomain = record.subdomain.clone();
            let subdomain = subdomain.expect("only a subdomain that was asked for is taken");
            CreateError::SubdomainTaken { subdomain, by }
        }
    }
}

/// Puts the tenant into the catalogue, after clearing away what a dead process may have left of the same id.
fn insert<C: Backend>(
    registry: &Registry<C>,
    record: &TenantRecord,
    mut attempt: impl FnMut() -> Result<Inserted, CatalogError>,
) -> Result<(), CreateError> {
    let mut cleared = false;
    loop {
        match attempt()? {
            Inserted::Done => return Ok(()),
            Inserted::Exists(found)
                if matches!(found.status, Status::Provisioning | Status::Failed) =>
            {
                if cleared || !lifecycle::clear_unfinished(registry, found.uuid)? {
                    return Err(CreateError::InProgress { id: found.id });
                }
                cleared = true;
            }
            refused => return Err(refusal(record, refused)),
        }
    }
}
