//! Runs that are alone on their tenant: what was left is settled before the next one begins, and of two at once one does.
//!
//! A run past its commit goes on whenever somebody finds it. Were another one begun meanwhile, the older decision would be
//! carried out after the newer one.
use std::sync::Arc;

use diesel::result::QueryResult;

use super::Workflow;
use super::engine::{settle_if_dead, stuck_already, without_own};
use crate::backend::Backend;
use crate::catalog::workflows::{RunRow, RunState};
use crate::error::WorkflowError;
use crate::registry::Registry;
use crate::tenant_id::TenantId;

/// Settles the runs beside which none of `W` may be open on a tenant.
///
/// # Errors
/// One of them is under way, is stuck, or cannot be settled now.
pub(crate) fn settle_others<C: Backend, W: Workflow<C>>(
    registry: &Arc<Registry<C>>,
    tenant: &TenantId,
) -> Result<(), WorkflowError<W::Error>> {
    let names = names::<C, W>(registry);
    if names.is_empty() {
        return Ok(());
    }
    let uuid = match registry.tenant(tenant) {
        Ok(found) => Some(found.record().uuid),
        // Whatever there is with its id is in the way.
        Err(_) => None,
    };
    while let Some(found) = registry.ask(|conn| conn.run_among(tenant, uuid, &names))? {
        let (name, id) = (found.name.clone(), found.id);
        if found.state == RunState::Stuck {
            return Err(stuck_already(found));
        }
        match settle_if_dead(registry, found) {
            Ok(true) => {}
            // Unless whoever was at work on it has ended it since.
            Ok(false) => match registry.ask(|conn| conn.run_get(id))? {
                Some(run) if run.state == RunState::Running => {
                    return Err(WorkflowError::InProgress { name, id });
                }
                _ => {}
            },
            Err(error) => return Err(without_own(error)),
        }
    }
    Ok(())
}

/// The workflows of which none may be open on a tenant when a run of `W` begins.
pub(super) fn names<C: Backend, W: Workflow<C>>(registry: &Registry<C>) -> Vec<&'static str> {
    let known = registry.hooks.workflows.iter();
    let alone = known.filter(|known| W::ALONE && known.is_alone());
    alone.map(|known| known.name()).collect()
}

/// Enters a run, in the transaction that is open. False where its key is taken, or one of `names` was begun since the others
/// were settled.
pub(super) fn enter<C: Backend>(
    conn: &mut C,
    run: &RunRow,
    names: &[&'static str],
) -> QueryResult<bool> {
    if !names.is_empty()
        && conn
            .run_among(&run.tenant_id, run.tenant_uuid, names)?
            .is_some()
    {
        return Ok(false);
    }
    conn.run_insert(run)
}
