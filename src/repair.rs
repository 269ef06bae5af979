//! Puts a drifted database right, with every row kept.
//!
//! [`Tenancy::plan_repair`] says in words and in SQL what would be done and what would not; [`Tenancy::repair`] does exactly
//! that, if the database is still the one the plan was made for. Repair adds: missing tables, columns, indexes, triggers,
//! views and ledger rows; it rebuilds a table where SQLite cannot alter it; what no migration makes it leaves alone, and
//! what would lose or change a value stops.
//!
//! | step | failpoint after it | killed here, the next open |
//! |---|---|---|
//! | journal | `repair.begun` | closes it |
//! | backup taken, unless the plan says otherwise | `repair.backed-up` | closes the journal; the backup stays |
//! | write lock taken, the database is the planned one | `repair.locked` | closes the journal |
//! | each step of the plan | `repair.step` | SQLite takes them back |
//! | schema, row counts and foreign keys checked | `repair.checked` | SQLite takes all back |
//! | **the transaction** | `repair.committed` | writes the schema into the catalogue |
//! | catalogue | `repair.recorded` | closes the journal |
//! | journal closed | `repair.closed` | has nothing to do |
use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::result::QueryResult;

use crate::backend::{Backend, ConnectError, Storage};
use crate::backup::{BackupOptions, BackupReason, BackupRecord};
use crate::catalog::health::NewHealth;
use crate::catalog::{Operation, OperationKind, TenantRecord};
use crate::error::withhold;
use crate::failpoint::hit;
use crate::lifecycle::{self, MIGRATABLE};
use crate::migrate::LedgerRow;
use crate::registry::Registry;
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;
use crate::verify::schema::Schema;
use crate::verify::{self, Finding, Verification, VerifyOptions};

mod error;
mod plan;

pub use error::RepairError;
#[doc(hidden)]
pub use plan::{Fills, Planned, RepairConnection};
pub use plan::{LeftAlone, NeededValue, RepairOptions, RepairPlan, RepairStep, SqlLiteral};
use plan::{fingerprint, plan};

/// What a repair did.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct RepairReport {
    /// The tenant.
    pub id: TenantId,
    /// The steps that were made.
    pub steps: Vec<String>,
    /// Rows of every table that was there before, the same as afterwards.
    pub rows: BTreeMap<String, u64>,
    /// The backup that was taken before.
    pub backup: Option<BackupRecord>,
    /// What the database is now.
    pub after: Verification,
    /// When it was committed.
    pub repaired_at: SystemTime,
}

impl fmt::Display for RepairReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: u64 = self.rows.values().sum();
        write!(
            f,
            "{} steps made on tenant `{}`, all {rows} rows of {} tables kept",
            self.steps.len(),
            self.id,
            self.rows.len()
        )?;
        write!(f, "\n{}", self.after)
    }
}

impl<C: Backend> Tenancy<C> {
    /// Says what a repair of a tenant's database would do. Changes nothing.
    ///
    /// # Errors
    /// See [`RepairError`]: a database that is missing, damaged or another's is not repaired but restored.
    pub fn plan_repair(
        &self,
        id: &TenantId,
        options: &RepairOptions,
    ) -> Result<RepairPlan, RepairError> {
        let record = self
            .registry
            .tenant(id)
            .map_err(verify::VerifyError::from)?
            .record();
        plan(&self.registry, &record, options)
    }

    /// Does what a plan says, in one transaction, and verifies the result before it is committed: the schema must be as
    /// planned, no table may have lost or gained a row, no foreign key may lead nowhere that did not before.
    ///
    /// Contexts may stay open; writers wait while it runs, up to their busy timeout.
    ///
    /// # Errors
    /// See [`RepairError`]. Nothing of the plan was done, except after an error of the catalogue, which the next open
    /// puts right.
    pub fn repair(&self, id: &TenantId, plan: &RepairPlan) -> Result<RepairReport, RepairError> {
        repair(self, id, plan)
    }
}

fn repair<C: Backend>(
    tenancy: &Tenancy<C>,
    id: &TenantId,
    plan: &RepairPlan,
) -> Result<RepairReport, RepairError> {
    let registry = &tenancy.registry;
    let tenant = registry.tenant(id).map_err(verify::VerifyError::from)?;
    let id = tenant.record().id;
    if plan.id != id {
        let planned = plan.id;
        return Err(RepairError::OtherTenant { id, planned });
    }
    let kind = OperationKind::Repair;
    let (operation, running) = lifecycle::begin(registry, &tenant, kind, &MIGRATABLE, None)?;
    hit("repair.begun");
    let record = tenant.record();
    let repaired = back_up(tenancy, id, plan).and_then(|backup| {
        hit("repair.backed-up");
        let rows = mend(registry, &record, &operation, plan)?;
        Ok((backup, rows))
    });
    let (backup, rows) = lifecycle::settled(registry, &operation, repaired)?;
    lifecycle::close(registry, &operation);
    hit("repair.closed");
    drop(running);
    let repaired_at = SystemTime::now();
    let now = tenant.record();
    let (findings, _) = verify::look(registry, &now, &VerifyOptions::default())?;
    let after = Verification::of(&now, findings);
    // A list of tenants must not go on showing what has been mended.
    registry.change(|c| c.health_put(&[NewHealth::of(now.uuid, &after)]))?;
    Ok(RepairReport {
        id,
        steps: plan.steps.iter().map(|step| step.text.clone()).collect(),
        rows,
        backup,
        after,
        repaired_at,
    })
}

/// What is about to be changed can be had back whole.
fn back_up<C: Backend>(
    tenancy: &Tenancy<C>,
    id: TenantId,
    plan: &RepairPlan,
) -> Result<Option<BackupRecord>, RepairError> {
    let changes_data = plan.steps.iter().any(|step| !step.sql.is_empty());
    if !plan.backup || !changes_data {
        return Ok(None);
    }
    let options = BackupOptions::new().reason(BackupReason::BeforeRepair);
    let taken = tenancy.backup(&id, &options);
    taken.map(Some).map_err(|source| {
        let source = Box::new(source);
        RepairError::Backup { id, source }
    })
}

fn mend<C: Backend>(
    registry: &Registry<C>,
    record: &TenantRecord,
    operation: &Operation,
    plan: &RepairPlan,
) -> Result<BTreeMap<String, u64>, RepairError> {
    if plan.generation != record.generation {
        return Err(RepairError::PlanOutdated { id: record.id });
    }
    let storage = &registry.common.storage;
    let connect = storage.connect_to_inspect(&record.key(), record.generation);
    let mut conn =
        connect.map_err(|error: ConnectError| crate::error::OpenError::Connect(error))?;
    let rows = in_transaction(registry, record.id, &mut conn, plan);
    if rows.is_err() {
        // What it was is in `rows`; closing the connection takes back what this may not.
        let _ = AnsiTransactionManager::rollback_transaction(&mut conn);
    }
    let rows = rows?;
    hit("repair.committed");
    let now = lifecycle::schema_now(registry, &mut conn, operation, record)?;
    registry.change(|c| c.catalog_commit(operation, &now))?;
    hit("repair.recorded");
    Ok(rows)
}

fn in_transaction<C: Backend>(
    registry: &Registry<C>,
    id: TenantId,
    conn: &mut C,
    plan: &RepairPlan,
) -> Result<BTreeMap<String, u64>, RepairError> {
    let at = |step: &str| {
        let step = step.to_owned();
        move |source| {
            let source = withhold(source);
            match C::is_lock_timeout(&source) {
                true => RepairError::Locked { id, source },
                false => RepairError::Step { id, step, source },
            }
        }
    };
    conn.begin_repair().map_err(at("taking the write lock"))?;
    let looking = "looking at the database under the write lock";
    let (schema, ledger) = read(conn).map_err(at(looking))?;
    let fenced = C::Storage::is_fenced(conn).map_err(at(looking))?;
    if fingerprint(&schema, &ledger, fenced) != plan.fingerprint {
        return Err(RepairError::PlanOutdated { id });
    }
    let rows = conn.row_counts(&schema).map_err(at(looking))?;
    let broken = conn.broken_references().map_err(at(looking))?;
    hit("repair.locked");
    for step in &plan.steps {
        for sql in &step.sql {
            conn.batch_execute(sql).map_err(at(&step.text))?;
        }
        if let Some(row) = &step.record {
            let recorded = conn
                .create_ledger()
                .and_then(|()| conn.insert_into_ledger(row));
            recorded.map_err(at(&step.text))?;
        }
        hit("repair.step");
    }
    let checking = "checking the result";
    let (_, judgement) = verify::judge_again(registry, conn).map_err(at(checking))?;
    let planned = |finding: &&Finding| plan.left.iter().any(|left| same(&left.finding, finding));
    if let Some(finding) = judgement.findings.iter().find(|finding| !planned(finding)) {
        let finding = Box::new(finding.clone());
        return Err(RepairError::Remains { id, finding });
    }
    let after = conn.row_counts(&schema).map_err(at(checking))?;
    for (table, before) in &rows {
        let after = after.get(table).copied().unwrap_or(0);
        if after != *before {
            let (table, before) = (table.clone(), *before);
            return Err(RepairError::Rows {
                id,
                table,
                before,
                after,
            });
        }
    }
    for (table, parent, rows) in conn.broken_references().map_err(at(checking))? {
        let same = |old: &&(String, String, u64)| (&old.0, &old.1) == (&table, &parent);
        let before = broken.iter().find(same).map_or(0, |old| old.2);
        if rows > before {
            return Err(RepairError::ForeignKeys {
                id,
                table,
                parent,
                rows,
            });
        }
    }
    hit("repair.checked");
    AnsiTransactionManager::commit_transaction(conn).map_err(at("committing"))?;
    Ok(rows)
}

/// Whether two findings are about the same thing: inside the transaction nobody asks for the scope.
fn same(planned: &Finding, found: &Finding) -> bool {
    match (planned, found) {
        (Finding::WrongScope { table: a }, Finding::UnexpectedTable { table: b }) => a == b,
        (a, b) => a == b,
    }
}

fn read<C: Backend>(conn: &mut C) -> QueryResult<(Schema, Vec<LedgerRow>)> {
    let schema = conn.read_schema()?;
    let ledger = match conn.has_ledger()? {
        true => conn.read_ledger()?,
        false => Vec::new(),
    };
    Ok((schema, ledger))
}
