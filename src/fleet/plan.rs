//! What a run would do, from the catalogue alone or by a look into every database.
//!
//! The catalogue knows of each tenant the newest migration and the digest of its ledger. Where the digest is the one that
//! this program's set leaves behind at that version, the tenant has exactly this program's migrations up to there, and
//! what it lacks is known without opening it. Where it is another one, or none is known, a run has to look.
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::error::{FailureKind, FleetError, on_one_line};
use super::options::MigrateFleet;
use crate::backend::{Backend, Storage};
use crate::catalog::runs::{RunResult, RunTenant, TenantState};
use crate::catalog::{Status, TenantRecord};
use crate::lifecycle::MIGRATABLE;
use crate::migrate::{
    self, MigrateError, MigrationScript, MigrationSet, PendingMigration, SchemaMismatch,
    ledger_digest,
};
use crate::registry::Registry;
use crate::tenant_id::TenantId;

/// What [`Tenancy::migrate_fleet`](crate::Tenancy::migrate_fleet) would do. As JSON it is one object per tenant.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct FleetPlan {
    /// The newest migration of the target.
    pub target_version: Option<String>,
    /// What names the whole target set.
    pub target_digest: String,
    /// How many tenants each wave would have. The last one is that of the tenants that are known to fail, if there are any.
    pub waves: Vec<u64>,
    /// The tenants that would be worked on, in the order they would be taken; then the others, by id.
    pub tenants: Vec<TenantPlan>,
}

impl FleetPlan {
    /// Whether a run would find nothing to do.
    pub fn is_empty(&self) -> bool {
        self.waves.is_empty()
    }

    /// The plan for one tenant.
    pub fn tenant(&self, id: &TenantId) -> Option<&TenantPlan> {
        self.tenants.iter().find(|tenant| tenant.id == *id)
    }
}

/// What a run would do with one tenant.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct TenantPlan {
    /// Its id.
    pub id: TenantId,
    /// Its status.
    pub status: Status,
    /// The newest migration in its database: as the catalogue has it, or as it was read if the plan is deep.
    pub version: Option<String>,
    /// What would be done.
    #[serde(flatten)]
    pub action: PlannedAction,
}

/// What a run would do with a tenant.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
#[non_exhaustive]
pub enum PlannedAction {
    /// Nothing, and it would not be opened.
    UpToDate,
    /// Apply these, oldest first.
    Migrate {
        /// The migrations.
        pending: Vec<PendingMigration>,
    },
    /// Open it and look: the catalogue does not know its ledger yet, or the whole run is deep. Only in a plan that is
    /// not deep.
    Look {
        /// What would be applied if its ledger is as the catalogue's version makes believe.
        pending: Vec<PendingMigration>,
    },
    /// It would fail: it has not this program's migrations.
    Refuse {
        /// Of what kind the failure would be.
        kind: FailureKind,
        /// Why.
        message: String,
    },
    /// Nothing: its status does not allow it.
    Skip,
}

/// A tenant and what the catalogue says it needs.
pub(super) struct Planned {
    pub(super) record: Arc<TenantRecord>,
    pub(super) action: PlannedAction,
    prospect: Prospect,
}

/// How likely a tenant is to fail: the likelier, the later its turn, or it would be the canary of every run and end each
/// one with everybody else left.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Prospect {
    /// Nothing speaks against it, or it was asked to be among the first.
    Good,
    /// It failed in a run to another target, and was not migrated since.
    Doubtful,
    /// It would be refused, or it failed in a run to this target and was not migrated since. That it fails says nothing
    /// new about the migrations, so it ends no run.
    KnownBad,
}

impl Planned {
    fn is_work(&self) -> bool {
        !matches!(self.action, PlannedAction::UpToDate | PlannedAction::Skip)
    }
}

/// The tenants that were asked for, those to be worked on first.
pub(super) fn from_catalogue<C: Backend>(
    registry: &Registry<C>,
    options: &MigrateFleet,
) -> Result<Vec<Planned>, FleetError> {
    let set = &registry.common.tenant_migrations;
    set.check_for(C::DIALECT).map_err(FleetError::Migrations)?;
    let mut foreseer = Foreseer {
        set,
        expected: HashMap::new(),
    };
    let planned = chosen(registry, options)?.into_iter().map(|record| {
        let action = match MIGRATABLE.contains(&record.status) {
            true => foreseer.foresee(&record, options.deep),
            false => PlannedAction::Skip,
        };
        Planned {
            record,
            action,
            prospect: Prospect::Good,
        }
    });
    let (mut work, mut rest): (Vec<_>, Vec<_>) = planned.partition(Planned::is_work);
    put_the_doubtful_last(registry, options, &mut work)?;
    work.append(&mut rest);
    Ok(work)
}

/// Those that were asked to be among the first stay there: who names one wants to see what becomes of it.
fn put_the_doubtful_last<C: Backend>(
    registry: &Registry<C>,
    options: &MigrateFleet,
    work: &mut [Planned],
) -> Result<(), FleetError> {
    if work.is_empty() {
        return Ok(());
    }
    let failures = registry.ask(|c| c.runs_last_failures())?;
    let target = registry.common.tenant_migrations.digest().to_string();
    let first: HashSet<_> = options.first.iter().map(TenantId::folded).collect();
    for it in work.iter_mut() {
        let failure = failures.get(&it.record.uuid);
        // One that has another version by now has been mended, whoever did it.
        let failure = failure.filter(|failure| failure.at_version == it.record.schema_version);
        it.prospect = match (&it.action, failure) {
            _ if first.contains(&it.record.id.folded()) => Prospect::Good,
            (PlannedAction::Refuse { .. }, _) => Prospect::KnownBad,
            (_, Some(failure)) if failure.target_digest == target => Prospect::KnownBad,
            (_, Some(_)) => Prospect::Doubtful,
            (_, None) => Prospect::Good,
        };
    }
    work.sort_by_key(|it| it.prospect);
    Ok(())
}

/// The tenants that were asked for, in the order they are taken.
fn chosen<C: Backend>(
    registry: &Registry<C>,
    options: &MigrateFleet,
) -> Result<Vec<Arc<TenantRecord>>, FleetError> {
    let records = registry.tenants()?;
    let known: HashMap<_, _> = records
        .iter()
        .enumerate()
        .map(|(number, record)| (record.id.folded(), number))
        .collect();
    let number = |id: &TenantId| match known.get(&id.folded()) {
        Some(number) => Ok(*number),
        None => Err(FleetError::UnknownTenant { id: *id }),
    };
    let mut is_chosen = vec![options.only.is_none(); records.len()];
    for id in options.only.iter().flatten() {
        is_chosen[number(id)?] = true;
    }
    for id in &options.except {
        is_chosen[number(id)?] = false;
    }
    let mut rank: Vec<_> = (0..records.len()).map(|by_id| (1, by_id)).collect();
    for (place, id) in options.first.iter().enumerate().rev() {
        rank[number(id)?] = (0, place);
    }
    let mut order: Vec<_> = (0..records.len()).filter(|it| is_chosen[*it]).collect();
    order.sort_by_key(|it| rank[*it]);
    Ok(order
        .into_iter()
        .map(|it| Arc::clone(&records[it]))
        .collect())
}

struct Foreseer<'set> {
    set: &'set MigrationSet,
    /// The digest of the ledger at each version that was met.
    expected: HashMap<Option<String>, String>,
}

impl Foreseer<'_> {
    fn foresee(&mut self, record: &TenantRecord, deep: bool) -> PlannedAction {
        let set = self.set;
        let version = record.schema_version.as_deref();
        if let Err(SchemaMismatch::Ahead {
            found,
            newest_known,
        }) = set.gate(version)
        {
            let error = MigrateError::SchemaAhead {
                found,
                newest_known,
            };
            return PlannedAction::Refuse {
                kind: FailureKind::SchemaAhead,
                message: on_one_line(&error),
            };
        }
        let expected = self.expected.entry(record.schema_version.clone());
        let expected = expected.or_insert_with(|| ledger_digest::of_set(set, version));
        let agrees = record
            .ledger_digest
            .as_ref()
            .map(|digest| digest == expected);
        if agrees == Some(true) && version == set.latest() && !deep {
            return PlannedAction::UpToDate;
        }
        let missing = set.iter().filter(|script| Some(script.version()) > version);
        let pending = missing.map(pending_migration).collect();
        match agrees {
            _ if deep => PlannedAction::Look { pending },
            Some(false) => PlannedAction::Refuse {
                kind: FailureKind::MigrationChanged,
                message: "its ledger is not this program's: a migration was edited, added late or taken out; a deep \
                          plan names it"
                    .to_owned(),
            },
            None => PlannedAction::Look { pending },
            Some(true) => PlannedAction::Migrate { pending },
        }
    }
}

fn pending_migration(script: &MigrationScript) -> PendingMigration {
    PendingMigration {
        version: script.version().to_owned(),
        name: script.name().to_owned(),
    }
}

/// How many tenants the waves of a run have.
pub(super) struct Waves {
    /// Those whose failures count.
    pub(super) counting: Vec<u64>,
    /// The last one.
    pub(super) known_bad: u64,
}

impl Waves {
    /// `work` are the tenants to be worked on.
    fn of<'a>(work: impl Iterator<Item = &'a Planned>, options: &MigrateFleet) -> Self {
        let (bad, others): (Vec<_>, Vec<_>) =
            work.partition(|it| it.prospect == Prospect::KnownBad);
        Self {
            counting: options.wave_sizes(others.len() as u64),
            known_bad: bad.len() as u64,
        }
    }

    pub(super) fn all(&self) -> Vec<u64> {
        let bad = (self.known_bad > 0).then_some(self.known_bad);
        self.counting.iter().copied().chain(bad).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.counting.is_empty() && self.known_bad == 0
    }
}

/// The tenants of a new run, and how many each wave has.
pub(super) fn into_run(planned: &[Planned], options: &MigrateFleet) -> (Vec<RunTenant>, Waves) {
    let found = Waves::of(planned.iter().filter(|it| it.is_work()), options);
    let sizes = found.all();
    let waves = sizes
        .iter()
        .zip(0..)
        .flat_map(|(size, wave)| (0..*size).map(move |_| wave));
    let last = sizes.len().saturating_sub(1) as u64;
    let not_up_to_date = planned
        .iter()
        .filter(|it| it.action != PlannedAction::UpToDate);
    let tenants = not_up_to_date
        .zip(waves.chain(std::iter::repeat(last)))
        .zip(0..);
    let tenants = tenants.map(|((it, wave), position)| {
        let mut tenant = RunTenant {
            position,
            tenant_uuid: it.record.uuid,
            tenant_id: it.record.id,
            wave,
            state: TenantState::Pending,
            attempts: 0,
            from_version: it.record.schema_version.clone(),
            result: RunResult::default(),
        };
        if it.action == PlannedAction::Skip {
            skip(&mut tenant, it.record.status);
            tenant.result.to_version = it.record.schema_version.clone();
        }
        tenant
    });
    (tenants.collect(), found)
}

/// Skips a tenant for its status.
pub(super) fn skip(tenant: &mut RunTenant, status: Status) {
    tenant.state = TenantState::Skipped;
    tenant.result.error = Some(("status".to_owned(), format!("the tenant is {status}")));
}

pub(super) fn plan<C: Backend>(
    registry: &Registry<C>,
    options: &MigrateFleet,
) -> Result<FleetPlan, FleetError> {
    let mut planned = from_catalogue(registry, options)?;
    let waves = match options.deep {
        true => {
            look_into_all(registry, options, &mut planned);
            Waves::of(planned.iter().filter(|it| it.is_work()), options)
        }
        false => into_run(&planned, options).1,
    };
    let (mut work, mut rest): (Vec<_>, Vec<_>) = planned.into_iter().partition(Planned::is_work);
    work.append(&mut rest);
    let set = &registry.common.tenant_migrations;
    Ok(FleetPlan {
        target_version: set.latest().map(str::to_owned),
        target_digest: set.digest().to_string(),
        waves: waves.all(),
        tenants: work
            .into_iter()
            .map(|it| TenantPlan {
                id: it.record.id,
                status: it.record.status,
                version: it.record.schema_version.clone(),
                action: it.action,
            })
            .collect(),
    })
}

/// Replaces what the catalogue says by what the databases say.
fn look_into_all<C: Backend>(
    registry: &Registry<C>,
    options: &MigrateFleet,
    planned: &mut [Planned],
) {
    let next = AtomicUsize::new(0);
    let seen = Mutex::new(Vec::new());
    std::thread::scope(|threads| {
        for _ in 0..options.workers.min(planned.len()) {
            threads.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(it) = planned.get(number) else {
                        return;
                    };
                    if it.action != PlannedAction::Skip {
                        let found = look_into(registry, options, &it.record);
                        seen.lock().push((number, found));
                    }
                }
            });
        }
    });
    for (number, (version, action)) in seen.into_inner() {
        let it = &mut planned[number];
        it.action = action;
        if let Some(version) = version {
            let mut record = TenantRecord::clone(&it.record);
            record.schema_version = version;
            it.record = Arc::new(record);
        }
    }
}

/// What one database says. The version is `None` where it could not be read.
fn look_into<C: Backend>(
    registry: &Registry<C>,
    options: &MigrateFleet,
    record: &TenantRecord,
) -> (Option<Option<String>>, PlannedAction) {
    let storage = &registry.common.storage;
    let wait = options.tenant_timeout;
    let opened = storage.connect_tenant_within(&record.key(), record.generation, wait);
    let mut opened = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let refused = PlannedAction::Refuse {
                kind: FailureKind::of_connect::<C>(&error),
                message: on_one_line(&error),
            };
            return (None, refused);
        }
    };
    let pending = migrate::pending(&mut opened.conn, &registry.common.tenant_migrations);
    let action = match pending {
        Ok(pending) if pending.is_empty() => PlannedAction::UpToDate,
        Ok(pending) => PlannedAction::Migrate {
            pending: pending.into_iter().map(pending_migration).collect(),
        },
        Err(error) => PlannedAction::Refuse {
            kind: FailureKind::of_migrate::<C>(&error),
            message: on_one_line(&error),
        },
    };
    (Some(opened.schema_version), action)
}
