//! For how long the keys of steps stay in the tenants' databases.
//!
//! Nobody goes through a run again that is over: its keys are there for a *shared database that is restored* to when it was
//! not, which goes through it then, and must find what was done in the tenant. So they stay for [`KEPT`], and whoever ends a
//! later run takes out older ones, but for those of runs that are not over. A run that is older than that, and whose key is
//! not found, is stuck: it may have been done, and doing it again would do it twice.
//!
//! A key is some 50 bytes without its result, which is taken out when the run is over. At 200 runs a day of two steps each
//! that is below 2 MB for a tenant, and no more. The catalogue's side is bounded by [`Workflow::KEEP`](super::Workflow::KEEP):
//! whoever ends a run forgets those whose time is over, with their journals.
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::flow::Boxed;
use crate::backend::Backend;
use crate::catalog::to_millis;
use crate::catalog::workflows::RunRow;
use crate::registry::Registry;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Longer than anybody goes back with the shared database in earnest.
const KEPT: Duration = DAY.saturating_mul(90);

/// How many runs are taken out at a time: more than are added.
const AT_ONCE: i64 = 100;

/// The least id of a run that is begun now less [`KEPT`], by the clock as it is.
pub(super) fn horizon() -> Uuid {
    horizon_at(SystemTime::now())
}

/// Ids begin with the time.
fn horizon_at(now: SystemTime) -> Uuid {
    let kept_since = to_millis(now).saturating_sub(KEPT.as_millis() as i64);
    let since = u64::try_from(kept_since).unwrap_or(0);
    Uuid::from_u128(u128::from(since) << 80)
}

/// What the void key of a run is called that was undone.
pub(super) const UNDONE: &str = "undone";

/// Enters how a run ended that did not come through, as a void key after its last step: a shared database that is restored
/// to when it was under way would take it for one that did, by keys that are done and empty.
pub(super) fn mark<C: Backend>(
    registry: &Registry<C>,
    conn: &mut C,
    run: Uuid,
    ended: &str,
) -> Result<(), Boxed> {
    let keys = conn.keys(run)?;
    if keys.iter().any(|key| key.is_mark(ended)) {
        return Ok(());
    }
    let journal = registry.ask(|conn| conn.journal(run))?;
    let last = keys.iter().chain(&journal).map(|step| step.number).max();
    conn.key_void(run, last.unwrap_or(0).max(0) + 1, ended)?;
    Ok(())
}

/// Takes out keys of runs that are over, and were begun before the [`horizon`]. They get no older by a clock that is not
/// believed.
pub(super) fn forget_old<C: Backend>(registry: &Registry<C>, conn: &mut C) -> Result<(), Boxed> {
    if conn.keys_before(horizon(), 1)?.is_empty() {
        return Ok(());
    }
    let believed = registry.see_clock()?.believed;
    let mut old = conn.keys_before(horizon_at(believed), AT_ONCE)?;
    if old.is_empty() {
        return Ok(());
    }
    // A run is in the catalogue before its first key is here, and one that is over stays so: what is asked for after the
    // keys were seen is told for good.
    let open = registry.ask(|conn| conn.workflows_open())?;
    old.retain(|run| open.iter().all(|open| open.id != *run));
    Ok(conn.keys_forget(&old)?)
}

/// Whether a key of this run may have been taken out. A day early, should the clock have been turned back since.
///
/// By the clock as it is: what is believed goes back with a shared database that is restored, and the keys do not come back.
pub(super) fn may_be_forgotten(run: &RunRow) -> bool {
    let age = to_millis(SystemTime::now()).saturating_sub(run.started_at);
    age >= (KEPT - DAY).as_millis() as i64
}
