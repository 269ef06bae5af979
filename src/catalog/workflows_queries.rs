//! The statements of the journal of workflows. Mounted once per backend, whose module above names `Conn`, `write` and
//! `workflow_keys`.
use std::time::SystemTime;

use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::Text;
use uuid::Uuid;

use super::audit_queries::note;
use super::queries::{unreadable, uuid};
use super::{Conn, workflow_keys, write};
use crate::access::{Principal, Reason};
use crate::audit::AuditNote;
use crate::catalog::to_millis;
use crate::catalog::workflows::{
    Ending, Phase, RunRow, RunState, StepRow, WorkflowStore, journal, keys, workflows,
};
use crate::tenant_id::TenantId;

#[derive(Queryable, Insertable)]
#[diesel(table_name = workflows)]
struct Stored {
    id: Vec<u8>,
    name: String,
    key: Option<String>,
    tenant_id: String,
    tenant_uuid: Option<Vec<u8>>,
    instance: Vec<u8>,
    state: String,
    input: Option<String>,
    digest: Vec<u8>,
    output: Option<String>,
    started_at: i64,
    changed_at: i64,
    forget_at: Option<i64>,
    failed_step: Option<String>,
    failure: Option<String>,
}

impl Stored {
    fn read(self) -> QueryResult<RunRow> {
        Ok(RunRow {
            id: uuid(&self.id)?,
            name: self.name,
            key: self.key,
            tenant_id: self.tenant_id.parse().map_err(unreadable)?,
            tenant_uuid: match self.tenant_uuid {
                Some(bytes) => Some(uuid(&bytes)?),
                None => None,
            },
            instance: uuid(&self.instance)?,
            state: self.state.parse().map_err(unreadable)?,
            input: self.input,
            digest: self.digest,
            output: self.output,
            started_at: self.started_at,
            changed_at: self.changed_at,
            failed_step: self.failed_step,
            failure: self.failure,
            by: Principal::of_process(),
        })
    }

    fn write(run: &RunRow) -> Self {
        Self {
            id: bytes(run.id),
            name: run.name.clone(),
            key: run.key.clone(),
            tenant_id: run.tenant_id.as_str().to_owned(),
            tenant_uuid: run.tenant_uuid.map(bytes),
            instance: bytes(run.instance),
            state: run.state.as_str().to_owned(),
            input: run.input.clone(),
            digest: run.digest.clone(),
            output: run.output.clone(),
            started_at: run.started_at,
            changed_at: run.changed_at,
            forget_at: None,
            failed_step: run.failed_step.clone(),
            failure: run.failure.clone(),
        }
    }
}

/// What is done to a run, for the audit log: its workflow, by the name it has in the program, and nothing of its input.
fn about(run: &RunRow, action: &'static str) -> AuditNote {
    AuditNote::of_library(action)
        .about_id(run.tenant_id, run.tenant_uuid)
        .subject(run.id)
        .with("workflow", run.name.as_str())
}

type StepColumns = (i32, String, String, Option<String>);

fn read_step((number, step, phase, result): StepColumns) -> QueryResult<StepRow> {
    Ok(StepRow {
        number,
        step,
        phase: phase.parse().map_err(unreadable)?,
        result,
    })
}

fn bytes(uuid: Uuid) -> Vec<u8> {
    uuid.as_bytes().to_vec()
}

/// Frees the keys of runs that are over and about a tenant that is gone for good, and takes out what they gave: whoever
/// gets the tenant's id next is told nothing of it.
pub(super) fn forget_tenant(conn: &mut Conn, uuid: Uuid) -> QueryResult<()> {
    let over = [RunState::Finished, RunState::Done].map(RunState::as_str);
    diesel::update(workflows::table)
        .filter(workflows::tenant_uuid.eq(bytes(uuid)))
        .filter(workflows::state.eq_any(over))
        .set((
            workflows::key.eq(None::<String>),
            workflows::output.eq(None::<String>),
        ))
        .execute(conn)?;
    // Those that were given up were kept for as long as it was there.
    diesel::update(workflows::table)
        .filter(workflows::tenant_uuid.eq(bytes(uuid)))
        .filter(workflows::state.eq_any(over))
        .filter(workflows::forget_at.is_null())
        .set(workflows::forget_at.eq(now()))
        .execute(conn)
        .map(drop)
}

/// The tenant's id as [`TenantId::folded`] gives it.
fn folded_id() -> SqlLiteral<Text> {
    sql("replace(lower(tenant_id), '-', '_')")
}

/// What stands in the way of a run that was given up, for good.
const GIVEN_UP: &str = "it was given up";

fn now() -> i64 {
    to_millis(SystemTime::now())
}

impl WorkflowStore for Conn {
    fn run_get(&mut self, id: Uuid) -> QueryResult<Option<RunRow>> {
        let row = workflows::table
            .find(bytes(id))
            .get_result::<Stored>(self)
            .optional()?;
        row.map(Stored::read).transpose()
    }

    fn run_of_key(
        &mut self,
        name: &str,
        tenant: &TenantId,
        key: &str,
    ) -> QueryResult<Option<RunRow>> {
        let over = [RunState::Reverted, RunState::Undone].map(RunState::as_str);
        let row = workflows::table
            .filter(workflows::name.eq(name))
            .filter(folded_id().eq(tenant.folded().as_str().to_owned()))
            .filter(workflows::key.eq(key))
            .filter(workflows::state.ne_all(over))
            .get_result::<Stored>(self)
            .optional()?;
        row.map(Stored::read).transpose()
    }

    fn workflows_open(&mut self) -> QueryResult<Vec<RunRow>> {
        let over = [RunState::Done, RunState::Undone].map(RunState::as_str);
        workflows::table
            .filter(workflows::state.ne_all(over))
            .order(workflows::started_at)
            .load::<Stored>(self)?
            .into_iter()
            .map(Stored::read)
            .collect()
    }

    fn run_among(&mut self, tenant: &TenantId, names: &[&str]) -> QueryResult<Option<RunRow>> {
        let open = [RunState::Running, RunState::Stuck].map(RunState::as_str);
        let row = workflows::table
            .filter(folded_id().eq(tenant.folded().as_str().to_owned()))
            .filter(workflows::name.eq_any(names))
            .filter(workflows::state.eq_any(open))
            .order(workflows::started_at)
            .first::<Stored>(self)
            .optional()?;
        row.map(Stored::read).transpose()
    }

    fn run_insert(&mut self, run: &RunRow) -> QueryResult<bool> {
        let inserted = diesel::insert_into(workflows::table)
            .values(Stored::write(run))
            .on_conflict_do_nothing()
            .execute(self)?;
        if inserted == 1 {
            note(self, &run.by, &about(run, "workflow.begin"))?;
        }
        Ok(inserted == 1)
    }

    fn run_take_over(&mut self, run: &RunRow, by: Uuid) -> QueryResult<bool> {
        let taken = diesel::update(workflows::table.find(bytes(run.id)))
            .filter(workflows::state.eq(run.state.as_str()))
            .filter(workflows::instance.eq(bytes(run.instance)))
            .set((
                workflows::instance.eq(bytes(by)),
                workflows::state.eq(RunState::Running.as_str()),
                workflows::changed_at.eq(now()),
            ))
            .execute(self)?;
        Ok(taken == 1)
    }

    fn run_release(&mut self, run: &RunRow) -> QueryResult<()> {
        // Of no instance, which is as good as one that is dead.
        diesel::update(workflows::table.find(bytes(run.id)))
            .filter(workflows::state.eq(RunState::Running.as_str()))
            .filter(workflows::instance.eq(bytes(run.instance)))
            .set(workflows::instance.eq(bytes(Uuid::nil())))
            .execute(self)
            .map(drop)
    }

    fn run_set_tenant(&mut self, id: Uuid, tenant: Uuid) -> QueryResult<()> {
        diesel::update(workflows::table.find(bytes(id)))
            .set(workflows::tenant_uuid.eq(bytes(tenant)))
            .execute(self)
            .map(drop)
    }

    fn run_end(&mut self, run: &RunRow, ending: &Ending<'_>) -> QueryResult<()> {
        let (id, now) = (run.id, now());
        let ended = match ending.state {
            RunState::Reverted | RunState::Undone => about(run, "workflow.undo"),
            _ => about(run, "workflow.commit"),
        };
        let ended = match ending.failed_step {
            Some(step) => ended.with("step", step),
            None => ended,
        };
        note(self, &run.by, &ended)?;
        diesel::update(workflows::table.find(bytes(id)))
            .set((
                workflows::state.eq(ending.state.as_str()),
                workflows::input.eq(None::<String>),
                workflows::output.eq(ending.output),
                workflows::changed_at.eq(now),
                workflows::forget_at.eq(ending.forget_at),
                workflows::failed_step.eq(ending.failed_step),
                workflows::failure.eq(ending.failure),
            ))
            .execute(self)?;
        diesel::update(journal::table.filter(journal::run.eq(bytes(id))))
            .set(journal::result.eq(None::<String>))
            .execute(self)?;
        let over = [RunState::Done, RunState::Undone].map(RunState::as_str);
        diesel::delete(workflows::table)
            .filter(workflows::forget_at.lt(now))
            .filter(workflows::state.eq_any(over))
            .execute(self)
            .map(drop)
    }

    fn run_stuck(&mut self, run: &RunRow, step: &str, failure: &'static str) -> QueryResult<()> {
        let id = run.id;
        let stuck = about(run, "workflow.stuck").with("step", step);
        note(self, &run.by, &stuck.with("failure", failure))?;
        diesel::update(workflows::table.find(bytes(id)))
            .set((
                workflows::state.eq(RunState::Stuck.as_str()),
                workflows::changed_at.eq(now()),
                workflows::failed_step.eq(step),
                workflows::failure.eq(failure),
            ))
            .execute(self)
            .map(drop)
    }

    fn run_abandon(&mut self, run: &RunRow, reason: &Reason) -> QueryResult<bool> {
        write(self, |conn| {
            let ended = diesel::update(workflows::table.find(bytes(run.id)))
                .filter(workflows::state.eq(run.state.as_str()))
                .filter(workflows::instance.eq(bytes(run.instance)))
                .set((
                    workflows::state.eq(RunState::Finished.as_str()),
                    workflows::input.eq(None::<String>),
                    workflows::changed_at.eq(now()),
                    workflows::failure.eq(GIVEN_UP),
                ))
                .execute(conn)?;
            if ended == 0 {
                return Ok(false);
            }
            diesel::update(journal::table.filter(journal::run.eq(bytes(run.id))))
                .set(journal::result.eq(None::<String>))
                .execute(conn)?;
            let given_up = about(run, "workflow.abandon")
                .because(reason.clone())
                .with("state", run.state.as_str())
                .with("step", run.failed_step.as_deref())
                .with("failure", run.failure.as_deref());
            note(conn, &run.by, &given_up)?;
            Ok(true)
        })
    }

    fn run_tidied(&mut self, id: Uuid) -> QueryResult<()> {
        for (from, to) in [
            (RunState::Finished, RunState::Done),
            (RunState::Reverted, RunState::Undone),
        ] {
            diesel::update(workflows::table.find(bytes(id)))
                .filter(workflows::state.eq(from.as_str()))
                .set(workflows::state.eq(to.as_str()))
                .execute(self)?;
        }
        Ok(())
    }

    fn journal(&mut self, run: Uuid) -> QueryResult<Vec<StepRow>> {
        journal::table
            .filter(journal::run.eq(bytes(run)))
            .order(journal::number)
            .select((
                journal::number,
                journal::step,
                journal::phase,
                journal::result,
            ))
            .load::<StepColumns>(self)?
            .into_iter()
            .map(read_step)
            .collect()
    }

    fn journal_put(&mut self, run: Uuid, step: &StepRow) -> QueryResult<()> {
        diesel::insert_into(journal::table)
            .values((
                journal::run.eq(bytes(run)),
                journal::number.eq(step.number),
                journal::step.eq(&step.step),
                journal::phase.eq(step.phase.as_str()),
                journal::result.eq(&step.result),
            ))
            .on_conflict((journal::run, journal::number))
            .do_update()
            .set((
                journal::phase.eq(step.phase.as_str()),
                journal::result.eq(&step.result),
            ))
            .execute(self)
            .map(drop)
    }

    fn keys_prepare(&mut self) -> QueryResult<()> {
        workflow_keys::prepare(self)
    }

    fn keys(&mut self, run: Uuid) -> QueryResult<Vec<StepRow>> {
        if !workflow_keys::exist(self)? {
            return Ok(Vec::new());
        }
        keys::table
            .filter(keys::run.eq(bytes(run)))
            .order(keys::number)
            .select((keys::number, keys::step, keys::phase, keys::result))
            .load::<StepColumns>(self)?
            .into_iter()
            .map(read_step)
            .collect()
    }

    fn key_insert(&mut self, run: Uuid, step: &StepRow) -> QueryResult<()> {
        diesel::insert_into(keys::table)
            .values((
                keys::run.eq(bytes(run)),
                keys::number.eq(step.number),
                keys::step.eq(&step.step),
                keys::phase.eq(step.phase.as_str()),
                keys::result.eq(&step.result),
            ))
            .execute(self)
            .map(drop)
    }

    fn key_undone(&mut self, run: Uuid, number: i32) -> QueryResult<()> {
        diesel::update(keys::table.find((bytes(run), number)))
            .set(keys::phase.eq(Phase::Undone.as_str()))
            .execute(self)
            .map(drop)
    }

    fn key_void(&mut self, run: Uuid, number: i32, step: &str) -> QueryResult<StepRow> {
        write(self, |conn| {
            conn.keys_prepare()?;
            let found = conn.keys(run)?.into_iter().find(|key| key.number == number);
            if let Some(found) = found {
                return Ok(found);
            }
            let void = StepRow {
                number,
                step: step.to_owned(),
                phase: Phase::Void,
                result: None,
            };
            conn.key_insert(run, &void)?;
            Ok(void)
        })
    }

    fn keys_empty(&mut self, run: Uuid) -> QueryResult<()> {
        if !workflow_keys::exist(self)? {
            return Ok(());
        }
        diesel::update(keys::table.filter(keys::run.eq(bytes(run))))
            .set(keys::result.eq(None::<String>))
            .execute(self)
            .map(drop)
    }

    fn keys_before(&mut self, run: Uuid, most: i64) -> QueryResult<Vec<Uuid>> {
        if !workflow_keys::exist(self)? {
            return Ok(Vec::new());
        }
        let older = keys::table.filter(keys::run.lt(bytes(run)));
        let runs = older.select(keys::run).distinct().order(keys::run);
        let runs: Vec<Vec<u8>> = runs.limit(most).load(self)?;
        runs.iter().map(|run| uuid(run)).collect()
    }

    fn keys_forget(&mut self, runs: &[Uuid]) -> QueryResult<()> {
        let runs = runs.iter().copied().map(bytes);
        diesel::delete(keys::table.filter(keys::run.eq_any(runs)))
            .execute(self)
            .map(drop)
    }
}
