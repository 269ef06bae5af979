//! The statements on runs. Mounted once per backend, whose module above names `Conn` and `write`.
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use diesel::prelude::*;
use uuid::Uuid;

use super::audit_queries::note;
use super::queries::{now, number, unreadable, uuid};
use super::{Conn, write};
use crate::access::Principal;
use crate::audit::AuditNote;
use crate::catalog::runs::{
    Claimed, Counts, LastFailure, REMEMBERED, Run, RunOutcome, RunResult, RunStore, RunTenant,
    RunWorker, TenantState, run_tenants, run_workers, runs,
};
use crate::catalog::{from_millis, to_millis};
use crate::error::in_own_words;

/// What a run does. There is one kind so far.
const MIGRATE: &str = "migrate";

/// Rows of one `INSERT`: a statement may bind 32,766 values.
const ROWS_AT_ONCE: usize = 1_000;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = runs)]
struct RunRow {
    id: Vec<u8>,
    kind: String,
    target_version: Option<String>,
    target_digest: String,
    selection: String,
    waves: i64,
    failures_allowed: Option<i64>,
    canaries_may_fail: bool,
    instance: Vec<u8>,
    started_at: i64,
    finished_at: Option<i64>,
    outcome: Option<String>,
    up_to_date: i64,
    total: i64,
    done: i64,
    failed: i64,
    skipped: i64,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = run_tenants)]
struct RunTenantRow {
    run_id: Vec<u8>,
    position: i64,
    tenant_uuid: Vec<u8>,
    tenant_id: String,
    wave: i64,
    state: String,
    attempts: i64,
    from_version: Option<String>,
    to_version: Option<String>,
    applied: String,
    duration: Option<i64>,
    overran: bool,
    error_kind: Option<String>,
    error: Option<String>,
    backup: Option<Vec<u8>>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = run_workers)]
struct RunWorkerRow {
    id: Vec<u8>,
    run_id: Vec<u8>,
    instance: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
#[error("a run is in a state this build does not know; run the build that began it")]
struct UnknownState;

impl RunRow {
    fn read(self) -> QueryResult<Run> {
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

    fn write(run: &Run) -> Self {
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
    fn read(self) -> QueryResult<RunTenant> {
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

    fn write(run: Uuid, tenant: &RunTenant) -> Self {
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
    fn read(self) -> QueryResult<RunWorker> {
        Ok(RunWorker {
            id: uuid(&self.id)?,
            instance: uuid(&self.instance)?,
        })
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The run, unless it is finished.
fn open(conn: &mut Conn, run: Uuid) -> QueryResult<Option<Run>> {
    let row = runs::table
        .find(run.as_bytes().as_slice())
        .filter(runs::finished_at.is_null())
        .get_result::<RunRow>(conn)
        .optional()?;
    row.map(RunRow::read).transpose()
}

fn workers(conn: &mut Conn, run: Uuid) -> QueryResult<Vec<RunWorker>> {
    run_workers::table
        .filter(run_workers::run_id.eq(run.as_bytes().as_slice()))
        .order(run_workers::id)
        .load::<RunWorkerRow>(conn)?
        .into_iter()
        .map(RunWorkerRow::read)
        .collect()
}

fn enlist(conn: &mut Conn, run: Uuid, worker: RunWorker) -> QueryResult<()> {
    diesel::insert_into(run_workers::table)
        .values(RunWorkerRow {
            id: worker.id.as_bytes().to_vec(),
            run_id: run.as_bytes().to_vec(),
            instance: worker.instance.as_bytes().to_vec(),
        })
        .execute(conn)
        .map(drop)
}

fn insert_tenants(conn: &mut Conn, run: Uuid, tenants: &[RunTenant]) -> QueryResult<()> {
    for some in tenants.chunks(ROWS_AT_ONCE) {
        let rows: Vec<_> = some.iter().map(|it| RunTenantRow::write(run, it)).collect();
        diesel::insert_into(run_tenants::table)
            .values(rows)
            .execute(conn)?;
    }
    Ok(())
}

/// The first wave in which a tenant is in this state.
fn first_wave(conn: &mut Conn, run: Uuid, state: TenantState) -> QueryResult<Option<i64>> {
    run_tenants::table
        .filter(run_tenants::run_id.eq(run.as_bytes().as_slice()))
        .filter(run_tenants::state.eq(state.as_str()))
        .order((run_tenants::wave, run_tenants::position))
        .select(run_tenants::wave)
        .first(conn)
        .optional()
}

/// Gives back what a worker has claimed, and takes the worker out.
fn release(conn: &mut Conn, run: Uuid, worker: Uuid) -> QueryResult<()> {
    let worker = worker.as_bytes().as_slice();
    diesel::update(run_tenants::table)
        .filter(run_tenants::run_id.eq(run.as_bytes().as_slice()))
        .filter(run_tenants::state.eq(TenantState::Running.as_str()))
        .filter(run_tenants::worker.eq(worker))
        .set((
            run_tenants::state.eq(TenantState::Pending.as_str()),
            run_tenants::worker.eq(None::<Vec<u8>>),
        ))
        .execute(conn)?;
    diesel::delete(run_workers::table.find(worker))
        .execute(conn)
        .map(drop)
}

fn finish(conn: &mut Conn, run: Uuid, outcome: RunOutcome, by: &Principal) -> QueryResult<()> {
    let finished = AuditNote::of_library("migrate-fleet.finish").subject(run);
    note(conn, by, &finished.with("outcome", outcome.as_str()))?;
    diesel::delete(run_workers::table.filter(run_workers::run_id.eq(run.as_bytes().as_slice())))
        .execute(conn)?;
    diesel::update(runs::table.find(run.as_bytes().as_slice()))
        .set((
            runs::finished_at.eq(now()),
            runs::outcome.eq(outcome.as_str()),
        ))
        .execute(conn)
        .map(drop)
}

fn newest_run(conn: &mut Conn) -> QueryResult<Option<Uuid>> {
    let newest = runs::table
        .filter(runs::kind.eq(MIGRATE))
        .order((runs::started_at.desc(), runs::id.desc()))
        .select(runs::id)
        .first::<Vec<u8>>(conn)
        .optional()?;
    newest.as_deref().map(uuid).transpose()
}

impl RunStore for Conn {
    fn runs_open(&mut self) -> QueryResult<Option<(Run, Vec<RunWorker>)>> {
        // One snapshot, or a run could be seen without the workers it has.
        self.transaction(|conn| {
            let row = runs::table
                .filter(runs::kind.eq(MIGRATE))
                .filter(runs::finished_at.is_null())
                .get_result::<RunRow>(conn)
                .optional()?;
            let Some(row) = row else { return Ok(None) };
            let run = row.read()?;
            let workers = workers(conn, run.id)?;
            Ok(Some((run, workers)))
        })
    }

    fn runs_newest(&mut self) -> QueryResult<Option<Uuid>> {
        newest_run(self)
    }

    fn runs_start(
        &mut self,
        run: &Run,
        after: Option<Uuid>,
        tenants: &[RunTenant],
        worker: RunWorker,
        by: &Principal,
    ) -> QueryResult<bool> {
        write(self, |conn| {
            let open = runs::table
                .filter(runs::kind.eq(MIGRATE))
                .filter(runs::finished_at.is_null());
            let is_open: bool = diesel::select(diesel::dsl::exists(open)).get_result(conn)?;
            if is_open || newest_run(conn)? != after {
                return Ok(false);
            }
            // The keys are uuids of version 7: they sort by age.
            let forgotten = runs::table
                .filter(runs::kind.eq(MIGRATE))
                .order(runs::id.desc())
                .offset(REMEMBERED - 1)
                .limit(-1)
                .select(runs::id)
                .load::<Vec<u8>>(conn)?;
            for old in forgotten {
                diesel::delete(run_tenants::table.filter(run_tenants::run_id.eq(&old)))
                    .execute(conn)?;
                diesel::delete(runs::table.find(&old)).execute(conn)?;
            }
            diesel::insert_into(runs::table)
                .values(RunRow::write(run))
                .execute(conn)?;
            insert_tenants(conn, run.id, tenants)?;
            enlist(conn, run.id, worker)?;
            let begun = AuditNote::of_library("migrate-fleet.begin")
                .subject(run.id)
                .with("tenants", run.counts.total);
            let begun = match &run.target_version {
                Some(version) => begun.with("schema", version.as_str()),
                None => begun,
            };
            note(conn, by, &begun)?;
            Ok(true)
        })
    }

    fn runs_join(
        &mut self,
        run: Uuid,
        tenants: &[RunTenant],
        worker: RunWorker,
    ) -> QueryResult<Option<Run>> {
        let id = run.as_bytes().as_slice();
        write(self, |conn| {
            let Some(mut found) = open(conn, run)? else {
                return Ok(None);
            };
            enlist(conn, run, worker)?;
            let known: HashSet<Vec<u8>> = run_tenants::table
                .filter(run_tenants::run_id.eq(id))
                .select(run_tenants::tenant_uuid)
                .load(conn)?
                .into_iter()
                .collect();
            let missing = tenants.iter().filter(|it| {
                it.state == TenantState::Pending
                    && !known.contains(it.tenant_uuid.as_bytes().as_slice())
            });
            // They come last, after every canary.
            let mut missing: Vec<_> = missing.cloned().collect();
            for (tenant, position) in missing.iter_mut().zip(known.len() as u64..) {
                tenant.position = position;
                tenant.wave = found.waves.saturating_sub(1);
            }
            insert_tenants(conn, run, &missing)?;
            found.counts.total += missing.len() as u64;
            diesel::update(runs::table.find(id))
                .set(runs::total.eq(found.counts.total as i64))
                .execute(conn)?;
            Ok(Some(found))
        })
    }

    fn runs_supersede(
        &mut self,
        run: Uuid,
        dead: &[RunWorker],
        by: &Principal,
    ) -> QueryResult<bool> {
        write(self, |conn| {
            if open(conn, run)?.is_none() || workers(conn, run)? != dead {
                return Ok(false);
            }
            for worker in dead {
                release(conn, run, worker.id)?;
            }
            finish(conn, run, RunOutcome::Superseded, by)?;
            Ok(true)
        })
    }

    fn runs_claim(&mut self, run: Uuid, worker: Uuid, most: usize) -> QueryResult<Claimed> {
        let id = run.as_bytes().as_slice();
        write(self, |conn| {
            let stopped = open(conn, run)?.is_none_or(|run| run.outcome.is_some());
            let running = first_wave(conn, run, TenantState::Running)?;
            let pending = match stopped {
                true => None,
                false => first_wave(conn, run, TenantState::Pending)?,
            };
            let wave = match (pending, running) {
                (None, None) => return Ok(Claimed::Nothing),
                // A wave begins when the one before it is over.
                (Some(next), running) if running.is_none_or(|first| first >= next) => next,
                _ => return Ok(Claimed::Wait(workers(conn, run)?)),
            };
            let rows = run_tenants::table
                .filter(run_tenants::run_id.eq(id))
                .filter(run_tenants::state.eq(TenantState::Pending.as_str()))
                .filter(run_tenants::wave.eq(wave))
                .order(run_tenants::position)
                .limit(i64::try_from(most).unwrap_or(i64::MAX))
                .select(RunTenantRow::as_select())
                .load(conn)?;
            let mut claimed = Vec::new();
            for row in rows {
                diesel::update(run_tenants::table.find((id, row.position)))
                    .set((
                        run_tenants::state.eq(TenantState::Running.as_str()),
                        run_tenants::worker.eq(worker.as_bytes().as_slice()),
                        run_tenants::attempts.eq(run_tenants::attempts + 1),
                    ))
                    .execute(conn)?;
                let mut tenant = row.read()?;
                tenant.state = TenantState::Running;
                tenant.attempts += 1;
                claimed.push(tenant);
            }
            Ok(Claimed::Tenants(claimed))
        })
    }

    fn runs_release(&mut self, run: Uuid, worker: Uuid) -> QueryResult<()> {
        write(self, |conn| release(conn, run, worker))
    }

    fn runs_give_back(&mut self, run: Uuid, worker: Uuid, positions: &[u64]) -> QueryResult<()> {
        let id = run.as_bytes().as_slice();
        write(self, |conn| {
            for position in positions {
                diesel::update(run_tenants::table.find((id, *position as i64)))
                    .filter(run_tenants::state.eq(TenantState::Running.as_str()))
                    .filter(run_tenants::worker.eq(worker.as_bytes().as_slice()))
                    .set((
                        run_tenants::state.eq(TenantState::Pending.as_str()),
                        run_tenants::worker.eq(None::<Vec<u8>>),
                        run_tenants::attempts.eq(run_tenants::attempts - 1),
                    ))
                    .execute(conn)?;
            }
            Ok(())
        })
    }

    fn runs_record(&mut self, run: Uuid, worker: Uuid, tenant: &RunTenant) -> QueryResult<Run> {
        let id = run.as_bytes().as_slice();
        let row = RunTenantRow::write(run, tenant);
        write(self, |conn| {
            let recorded = diesel::update(run_tenants::table.find((id, row.position)))
                .filter(run_tenants::state.eq(TenantState::Running.as_str()))
                .filter(run_tenants::worker.eq(worker.as_bytes().as_slice()))
                .set((
                    run_tenants::state.eq(&row.state),
                    run_tenants::worker.eq(None::<Vec<u8>>),
                    run_tenants::to_version.eq(&row.to_version),
                    run_tenants::applied.eq(&row.applied),
                    run_tenants::duration.eq(row.duration),
                    run_tenants::overran.eq(row.overran),
                    run_tenants::error_kind.eq(&row.error_kind),
                    run_tenants::error.eq(&row.error),
                    run_tenants::backup.eq(&row.backup),
                ))
                .execute(conn)? as i64;
            let is = |state| if tenant.state == state { recorded } else { 0 };
            let run = diesel::update(runs::table.find(id))
                .set((
                    runs::done.eq(runs::done + is(TenantState::Done)),
                    runs::failed.eq(runs::failed + is(TenantState::Failed)),
                    runs::skipped.eq(runs::skipped + is(TenantState::Skipped)),
                ))
                .returning(RunRow::as_returning())
                .get_result(conn)?;
            let mut run = run.read()?;
            if is(TenantState::Failed) > 0
                && run.outcome.is_none()
                && run.stops_at_failure_in(tenant.wave)
            {
                run.outcome = Some(RunOutcome::Stopped);
                diesel::update(runs::table.find(id))
                    .set(runs::outcome.eq(RunOutcome::Stopped.as_str()))
                    .execute(conn)?;
            }
            Ok(run)
        })
    }

    fn runs_leave(&mut self, run: Uuid, worker: Uuid, by: &Principal) -> QueryResult<()> {
        write(self, |conn| {
            release(conn, run, worker)?;
            let Some(found) = open(conn, run)? else {
                return Ok(());
            };
            let pending = first_wave(conn, run, TenantState::Pending)?.is_some();
            let running = first_wave(conn, run, TenantState::Running)?.is_some();
            let outcome = match found.outcome {
                Some(outcome) => outcome,
                None if pending => return Ok(()),
                None if found.counts.failed > 0 => RunOutcome::Failed,
                None => RunOutcome::Done,
            };
            match running {
                true => Ok(()),
                false => finish(conn, run, outcome, by),
            }
        })
    }

    fn runs_stop(&mut self, run: Uuid, by: &Principal) -> QueryResult<bool> {
        write(self, |conn| {
            let Some(found) = open(conn, run)? else {
                return Ok(false);
            };
            if found.outcome.is_none() {
                note(
                    conn,
                    by,
                    &AuditNote::of_library("migrate-fleet.stop").subject(run),
                )?;
                diesel::update(runs::table.find(run.as_bytes().as_slice()))
                    .set(runs::outcome.eq(RunOutcome::Stopped.as_str()))
                    .execute(conn)?;
            }
            if workers(conn, run)?.is_empty() {
                finish(conn, run, RunOutcome::Stopped, by)?;
            }
            Ok(true)
        })
    }

    fn runs_all(&mut self) -> QueryResult<Vec<Run>> {
        runs::table
            .filter(runs::kind.eq(MIGRATE))
            .order(runs::id.desc())
            .load::<RunRow>(self)?
            .into_iter()
            .map(RunRow::read)
            .collect()
    }

    fn runs_find(&mut self, run: Uuid) -> QueryResult<Option<Run>> {
        let row = runs::table
            .find(run.as_bytes().as_slice())
            .get_result::<RunRow>(self)
            .optional()?;
        row.map(RunRow::read).transpose()
    }

    fn runs_tenants(&mut self, run: Uuid) -> QueryResult<Vec<RunTenant>> {
        run_tenants::table
            .filter(run_tenants::run_id.eq(run.as_bytes().as_slice()))
            .order(run_tenants::position)
            .select(RunTenantRow::as_select())
            .load(self)?
            .into_iter()
            .map(RunTenantRow::read)
            .collect()
    }

    fn runs_last_failures(&mut self) -> QueryResult<HashMap<Uuid, LastFailure>> {
        // Newer ones take the place of older ones: the keys are uuids of version 7.
        let rows = runs::table
            .inner_join(run_tenants::table.on(run_tenants::run_id.eq(runs::id)))
            .filter(runs::kind.eq(MIGRATE))
            .filter(run_tenants::state.eq(TenantState::Failed.as_str()))
            .order(runs::id)
            .select((
                run_tenants::tenant_uuid,
                runs::target_digest,
                run_tenants::to_version,
            ))
            .load::<(Vec<u8>, String, Option<String>)>(self)?;
        let read = |(tenant, target_digest, at_version): (Vec<u8>, _, _)| {
            let failure = LastFailure {
                target_digest,
                at_version,
            };
            Ok((uuid(&tenant)?, failure))
        };
        rows.into_iter().map(read).collect()
    }
}
