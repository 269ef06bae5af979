//! All tenants, and the directories that are nobody's.
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::{Health, Verification, VerifyError, VerifyOptions, verify_tenant};
use crate::audit::AuditNote;
use crate::backend::{Backend, Storage, TenantKey};
use crate::catalog::Status;
use crate::catalog::health::NewHealth;
use crate::error::CatalogError;
use crate::registry::Registry;
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;

/// A directory among those of the tenants that belongs to none of them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Orphan {
    /// Its name below `tenants/`.
    pub name: String,
    /// The deleted tenant whose it was, if one is known.
    pub deleted_tenant: Option<TenantId>,
    /// The tenant whose it is, where an older catalogue was restored that does not know it. It may be in use otherwise, and
    /// [`reclaim_orphan`](Tenancy::reclaim_orphan) takes it back.
    pub reclaimable: Option<TenantKey>,
}

impl fmt::Display for Orphan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.deleted_tenant, self.reclaimable) {
            (_, Some(tenant)) => write!(
                f,
                "{:?} is the database of tenant `{}`, which this catalogue does not know; take it back",
                self.name, tenant.id
            ),
            (Some(id), None) => write!(
                f,
                "{:?} belongs to tenant `{id}`, which was deleted: its data is still there",
                self.name
            ),
            (None, None) => write!(
                f,
                "{:?} belongs to no tenant of this catalogue; adopt it or move it away",
                self.name
            ),
        }
    }
}

/// How far a run over the fleet is: one tenant more.
#[derive(Debug)]
#[non_exhaustive]
pub struct FleetProgress<'a> {
    /// Tenants that were looked at, this one included.
    pub done: usize,
    /// How many there are.
    pub total: usize,
    /// The tenant.
    pub id: TenantId,
    /// What was found out about it.
    pub result: &'a Result<Verification, VerifyError>,
}

/// What was found out about a whole fleet.
#[derive(Debug)]
#[non_exhaustive]
pub struct FleetVerification {
    /// The shared database.
    pub shared: Verification,
    /// Each tenant that could be looked at, ordered by id.
    pub tenants: Vec<Verification>,
    /// Those that could not, and why.
    pub failed: Vec<(TenantId, VerifyError)>,
    /// Directories that are no tenant's.
    pub orphans: Vec<Orphan>,
    /// Those whose results could not be [remembered](VerifyOptions::remember), and why the first of them could not.
    pub not_remembered: Option<(Vec<TenantId>, VerifyError)>,
    /// How long it took.
    pub took: Duration,
}

impl FleetVerification {
    /// How many tenants have each health; those that could not be looked at are not counted.
    pub fn counts(&self) -> BTreeMap<Health, usize> {
        let mut counts = BTreeMap::new();
        for tenant in &self.tenants {
            *counts.entry(tenant.status).or_default() += 1;
        }
        counts
    }

    /// Whether everything is as it should be: every database ready, nothing left over.
    pub fn is_ready(&self) -> bool {
        self.shared.is_ready()
            && self.tenants.iter().all(Verification::is_ready)
            && self.failed.is_empty()
            && self.orphans.is_empty()
    }
}

/// Results are kept in the catalogue in groups of this many, each one transaction.
const GROUP: usize = 64;

/// How long keeping a group is tried again while others keep the catalogue locked. Each try waits for the busy timeout by
/// itself.
const CATALOGUE_PATIENCE: Duration = Duration::from_secs(60);

/// Results that are to be kept in the catalogue. That they cannot be is told, and takes nothing away from them.
#[derive(Default)]
struct Memory {
    group: Vec<(TenantId, NewHealth)>,
    lost: Option<(Vec<TenantId>, VerifyError)>,
}

impl Memory {
    fn keep<C: Backend>(&mut self, registry: &Registry<C>) {
        let (ids, group): (Vec<_>, Vec<_>) = self.group.drain(..).unzip();
        if group.is_empty() {
            return;
        }
        let until = Instant::now() + CATALOGUE_PATIENCE;
        let kept = loop {
            match registry.note(|c| c.health_put(&group)) {
                Err(error) if C::is_lock_timeout(&error) && Instant::now() < until => {}
                kept => break kept,
            }
        };
        if let Err(error) = kept {
            let error = CatalogError::of::<C>(error).into();
            let (lost, _) = self.lost.get_or_insert_with(|| (Vec::new(), error));
            lost.extend(ids);
        }
    }
}

impl<C: Backend> Tenancy<C> {
    /// Verifies the shared database and every tenant that has a database, several at once, and looks for directories
    /// that are nobody's.
    ///
    /// What is found is told also where it cannot be kept in the catalogue: see [`FleetVerification::not_remembered`].
    ///
    /// `progress` is called on this thread after each tenant. A tenant that cannot be looked at does not stop the
    /// others. As many connections of the budget are taken as there are [workers](VerifyOptions::workers); where the
    /// service uses them all, the tenants are waited for like any other caller's.
    ///
    /// # Errors
    /// See [`VerifyError`]; those of single tenants are in the result.
    pub fn verify_fleet(
        &self,
        options: &VerifyOptions,
        mut progress: impl FnMut(FleetProgress<'_>),
    ) -> Result<FleetVerification, VerifyError> {
        let started = Instant::now();
        let registry = &self.registry;
        let records = registry.tenants()?;
        let total = records.len();
        let budget = registry.pools.config().max_connections();
        let workers = options.workers.min(budget).min(total).max(1);
        let next = AtomicUsize::new(0);
        let mut tenants = Vec::new();
        let mut failed = Vec::new();
        let mut memory = Memory::default();
        // Before the tenants: what fails here has thrown nothing away.
        let (shared, orphans) = (self.verify_shared(options)?, self.orphans()?);
        std::thread::scope(|threads| {
            let (send, results) = mpsc::sync_channel(workers);
            for _ in 0..workers {
                let (send, records, next) = (send.clone(), &records, &next);
                threads.spawn(move || {
                    while let Some(record) = records.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let result = verify_tenant(registry, record, options);
                        if send.send((record.id, result)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(send);
            for (done, (id, result)) in results.into_iter().enumerate() {
                let result = match result {
                    Ok((found, _)) if found.tenant_status == Some(Status::Reserved) => Ok(found),
                    Ok((found, uuid)) => {
                        memory.group.push((id, NewHealth::of(uuid, &found)));
                        Ok(found)
                    }
                    Err(error) => Err(error),
                };
                progress(FleetProgress {
                    done: done + 1,
                    total,
                    id,
                    result: &result,
                });
                match result {
                    Ok(found) => tenants.push(found),
                    Err(error) => failed.push((id, error)),
                }
                if options.remember && memory.group.len() == GROUP {
                    memory.keep(registry);
                }
            }
            if options.remember {
                memory.keep(registry);
            }
        });
        let ready = tenants.iter().filter(|found| found.is_ready()).count();
        let entry = AuditNote::of_library("verify.fleet")
            .with("tenants", total)
            .with("ready", ready);
        // What was found is told all the same.
        let _ = registry.audit(&entry);
        tenants.sort_by_key(|found| found.id.map(|id| id.folded()));
        failed.sort_by_key(|(id, _)| id.folded());
        Ok(FleetVerification {
            shared,
            tenants,
            failed,
            orphans,
            not_remembered: memory.lost,
            took: started.elapsed(),
        })
    }

    /// Directories among those of the tenants that belong to no tenant of this catalogue. Changes nothing.
    ///
    /// Where there is one that not even a deleted tenant explains, every tenant's database is opened: whose it is
    /// stands in it only.
    ///
    /// # Errors
    /// See [`VerifyError`].
    pub fn orphans(&self) -> Result<Vec<Orphan>, VerifyError> {
        // In this order: a tenant stands in the catalogue before it has a directory.
        let names = self.registry.common.storage.tenant_directories()?;
        let records = self.registry.ask(|c| c.catalog_changed_since(-1))?;
        let storage = &self.registry.common.storage;
        let owners: HashMap<String, (TenantId, Status)> = records
            .iter()
            .map(|record| {
                (
                    storage.directory_name(&record.key()),
                    (record.id, record.status),
                )
            })
            .collect();
        let orphan = |name: String| match owners.get(&name) {
            None => Some(Orphan {
                name,
                deleted_tenant: None,
                reclaimable: None,
            }),
            Some((id, Status::Deleted)) => Some(Orphan {
                name,
                deleted_tenant: Some(*id),
                reclaimable: None,
            }),
            Some(_) => None,
        };
        let mut orphans: Vec<Orphan> = names.into_iter().filter_map(orphan).collect();
        if orphans.iter().any(|orphan| orphan.deleted_tenant.is_none()) {
            for key in self.reclaimable()? {
                let name = storage.directory_name(&key);
                if let Some(orphan) = orphans.iter_mut().find(|orphan| orphan.name == name) {
                    orphan.reclaimable = Some(key);
                }
            }
        }
        Ok(orphans)
    }
}
