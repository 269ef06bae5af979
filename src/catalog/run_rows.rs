//! The rows of runs, and what they stand for.
use std::time::Duration;

use diesel::prelude::*;
use uuid::Uuid;

use super::queries::{number, unreadable, uuid};
use crate::catalog::runs::{
    Counts, Run, RunOutcome, RunResult, RunTenant, RunWorker, TenantState, run_tenants,
    run_workers, runs,
};
use crate::catalog::{from_millis, to_millis};
use crate::error::in_own_words;

/// What a run does. There is one kind so far.
pub(super) const MIGRATE: &str = "migrate";

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = runs)]
pub(super) struct RunRow {
    pub(super) id: Vec<u8>,
    pub(super) kind: String,
    pub(super) target_version: Option<String>,
    pub(super) target_digest: String,
    pub(super) selection: String,
    pub(super) waves: i64,
    pub(super) failures_allowed: Option<i64>,
    pub(super) canaries_may_fail: bool,
    pub(super) instance: Vec<u8>,
    pub(super) started_at: i64,
    pub(super) finished_at: Option<i64>,
    pub(super) outcome: Option<String>,
    pub(super) up_to_date: i64,
    pub(super) total: i64,
    pub(super) done: i64,
    pub(super) failed: i64,
    pub(super) skipped: i64,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = run_tenants)]
pub(super) struct RunTenantRow {
    pub(super) run_id: Vec<u8>,
    pub(super) position: i64,
    pub(super) tenant_uuid: Vec<u8>,
    pub(super) tenant_id: String,
    pub(super) wave: i64,
    pub(super) state: String,
    pub(super) attempts: i64,
    pub(super) from_version: Option<String>,
    pub(super) to_version: Option<String>,
    pub(super) applied: String,
    pub(super) duration: Option<i64>,
    pub(super) overran: bool,
    pub(super) error_kind: Option<String>,
    pub(super) error: Option<String>,
    pub(super) backup: Option<Vec<u8>>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = run_workers)]
pub(super) struct RunWorkerRow {
    pub(super) id: Vec<u8>,
    pub(super) run_id: Vec<u8>,
    pub(super) instance: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
#[error("a run is in a state this build does not know; run the build that began it")]
struct UnknownState;

impl RunRow {
    pub(super) fn read(self) -> QueryResult<Run> {
        let outcome = self.outcome.as_deref().map(|word| {
            let known = RunOutcome::parse(word);
            known.ok_or_else(|| in_own_words(UnknownState))
        });
        Ok(Run {
            id: uuid(&self.id)?,
            target_version: self.target_version,
            target_digest: self.target_digest,
            selection: self.selection,
            waves: number(self.waves)?,
            failures_allowed: self.failures_allowed.map(number).transpose()?,
            canaries_may_fail: self.canaries_may_fail,
            instance: uuid(&self.instance)?,
            started_at: from_millis(self.started_at),
            finished_at: self.finished_at.map(from_millis),
            outcome: outcome.transpose()?,
            counts: Counts {
                up_to_date: number(self.up_to_date)?,
                total: number(self.total)?,
                done: number(self.done)?,
                failed: number(self.failed)?,
                skipped: number(self.skipped)?,
            },
        })
    }

    pub(super) fn write(run: &Run) -> Self {
        Self {
            id: run.id.as_bytes().to_vec(),
            kind: MIGRATE.to_owned(),
            target_version: run.target_version.clone(),
            target_digest: run.target_digest.clone(),
            selection: run.selection.clone(),
            waves: run.waves as i64,
            failures_allowed: run.failures_allowed.map(|allowed| allowed as i64),
            canaries_may_fail: run.canaries_may_fail,
            instance: run.instance.as_bytes().to_vec(),
            started_at: to_millis(run.started_at),
            finished_at: None,
            outcome: None,
            up_to_date: run.counts.up_to_date as i64,
            total: run.counts.total as i64,
            done: run.counts.done as i64,
            failed: run.counts.failed as i64,
            skipped: run.counts.skipped as i64,
        }
    }
}

impl RunTenantRow {
    pub(super) fn read(self) -> QueryResult<RunTenant> {
        let state = TenantState::parse(&self.state).ok_or_else(|| in_own_words(UnknownState))?;
        let applied = self
            .applied
            .split(',')
            .filter(|version| !version.is_empty());
        Ok(RunTenant {
            position: number(self.position)?,
            tenant_uuid: uuid(&self.tenant_uuid)?,
            tenant_id: self.tenant_id.parse().map_err(unreadable)?,
            wave: number(self.wave)?,
            state,
            attempts: number(self.attempts)?,
            from_version: self.from_version,
            result: RunResult {
                to_version: self.to_version,
                applied: applied.map(str::to_owned).collect(),
                duration: self
                    .duration
                    .map(number)
                    .transpose()?
                    .map(Duration::from_millis),
                overran: self.overran,
                error: self.error_kind.zip(self.error),
                backup: self.backup.as_deref().map(uuid).transpose()?,
            },
        })
    }

    pub(super) fn write(run: Uuid, tenant: &RunTenant) -> Self {
        let result = &tenant.result;
        let (error_kind, error) = result.error.clone().unzip();
        Self {
            run_id: run.as_bytes().to_vec(),
            position: tenant.position as i64,
            tenant_uuid: tenant.tenant_uuid.as_bytes().to_vec(),
            tenant_id: tenant.tenant_id.as_str().to_owned(),
            wave: tenant.wave as i64,
            state: tenant.state.as_str().to_owned(),
            attempts: tenant.attempts as i64,
            from_version: tenant.from_version.clone(),
            to_version: result.to_version.clone(),
            applied: result.applied.join(","),
            duration: result.duration.map(millis),
            overran: result.overran,
            error_kind,
            error,
            backup: result.backup.map(|backup| backup.as_bytes().to_vec()),
        }
    }
}

impl RunWorkerRow {
    pub(super) fn read(self) -> QueryResult<RunWorker> {
        Ok(RunWorker {
            id: uuid(&self.id)?,
            instance: uuid(&self.instance)?,
        })
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
