//! Applies what a database lacks: one transaction for each migration, its row in the ledger included.
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use diesel::connection::{AnsiTransactionManager, TransactionManager};

use crate::error::withhold;
use crate::failpoint;
use crate::migrate::error::MigrateError;
use crate::migrate::ledger::{LedgerRow, MigrateConnection};
use crate::migrate::set::{MigrationScript, MigrationSet};
use crate::migrate::status::{own_statement, plan, read};

/// How far [`run_pending`] goes. The default applies everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrateOptions {
    /// Apply at most this many; `None` is all.
    pub limit: Option<usize>,
    /// Begin none after this moment, and wait for no lock beyond it: [`MigrateError::OutOfTime`] and
    /// [`MigrateError::Locked`]. One that has begun is run to its end. `None` is no such moment; the connection's own
    /// lock timeout holds then.
    pub deadline: Option<Instant>,
    /// Whether a tenant's database is looked through for damage before: see [`crate::lifecycle::migrate_one`].
    pub(crate) check_first: bool,
}

impl MigrateOptions {
    /// Apply at most this many.
    pub fn at_most(limit: usize) -> Self {
        Self {
            limit: Some(limit),
            ..Self::default()
        }
    }

    /// The same, bounded by `deadline`. Changes how long the connection waits for locks, then and afterwards.
    pub fn until(self, deadline: Instant) -> Self {
        Self {
            deadline: Some(deadline),
            ..self
        }
    }
}

/// A migration that was applied by this call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// The migration's version.
    pub version: String,
    /// The migration's name.
    pub name: String,
    /// From the moment it had the write lock until it was committed.
    pub took: Duration,
}

/// Applies the pending migrations, oldest first, and returns those that this call applied.
///
/// Each one is a transaction of its own that takes the write lock first, reads the ledger again under it, runs the
/// script, and writes its row: a process that is killed leaves whole migrations behind, and any number of callers in
/// any number of processes apply each migration once. Blocks for the write lock up to the connection's
/// `busy_timeout`, which on a fresh SQLite connection is zero.
///
/// On SQLite, a script marked [`with_foreign_keys_off`](MigrationScript::with_foreign_keys_off) runs between
/// `PRAGMA foreign_keys = OFF` and a check of all foreign keys before the commit. They are on when this returns.
///
/// # Errors
/// See [`MigrateError`]. Every migration that was committed before the error stays, the one it names left nothing.
/// The connection is out of the transaction, except after [`MigrateError::NotRolledBack`].
///
/// # Example
/// ```
/// use diesel::prelude::*;
/// use diesel_tenants::migrate::{MigrateOptions, MigrationScript, MigrationSet, newest_applied, run_pending};
///
/// let set = MigrationSet::new([
///     MigrationScript::new("0001", "wards", "CREATE TABLE wards (id INTEGER PRIMARY KEY)"),
/// ]);
/// let mut conn = SqliteConnection::establish(":memory:")?;
/// let applied = run_pending(&mut conn, &set, MigrateOptions::default())?;
/// assert_eq!(applied[0].version, "0001");
/// assert_eq!(newest_applied(&mut conn)?.as_deref(), set.latest());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn run_pending<C: MigrateConnection>(
    conn: &mut C,
    set: &MigrationSet,
    options: MigrateOptions,
) -> Result<Vec<Applied>, MigrateError> {
    set.check_for(C::DIALECT)?;
    if is_in_transaction(conn) {
        return Err(MigrateError::InTransaction);
    }
    let ledger = read(conn)?;
    let pending = plan(&ledger, set)?;
    let mut applied = Vec::new();
    for script in pending
        .into_iter()
        .take(options.limit.unwrap_or(usize::MAX))
    {
        if let Some(deadline) = options.deadline {
            wait_until(conn, deadline, script)?;
        }
        applied.extend(apply(conn, set, script)?);
    }
    Ok(applied)
}

/// Lets the connection wait for locks until `deadline`, which must not have passed.
fn wait_until<C: MigrateConnection>(
    conn: &mut C,
    deadline: Instant,
    next: &MigrationScript,
) -> Result<(), MigrateError> {
    let started = Instant::now();
    let left = deadline.saturating_duration_since(started);
    if left.is_zero() {
        let version = next.version().to_owned();
        return Err(MigrateError::OutOfTime { version });
    }
    conn.set_lock_timeout(left)
        .map_err(|e| own_statement::<C>("setting the lock timeout", started, e))
}

/// Applies one migration. `None` where another process has done it in the meantime.
fn apply<C: MigrateConnection>(
    conn: &mut C,
    set: &MigrationSet,
    script: &MigrationScript,
) -> Result<Option<Applied>, MigrateError> {
    if !script.foreign_keys_off() {
        return apply_in_transaction(conn, set, script);
    }
    let started = Instant::now();
    failpoint::hit("migrate.foreign_keys_off");
    let outcome = conn
        .set_foreign_keys(false)
        .map_err(|e| own_statement::<C>("turning foreign keys off", started, e))
        .and_then(|()| apply_in_transaction(conn, set, script));
    failpoint::hit("migrate.foreign_keys_on");
    // Whatever happened: the connection goes on being used, and off is not a state to be in.
    let restored = conn
        .set_foreign_keys(true)
        .map_err(|e| own_statement::<C>("turning foreign keys on again", started, e));
    let applied = outcome?;
    restored?;
    Ok(applied)
}

fn apply_in_transaction<C: MigrateConnection>(
    conn: &mut C,
    set: &MigrationSet,
    script: &MigrationScript,
) -> Result<Option<Applied>, MigrateError> {
    let started = Instant::now();
    failpoint::hit("migrate.begin");
    AnsiTransactionManager::begin_transaction_sql(conn, C::BEGIN)
        .map_err(|e| own_statement::<C>("taking the write lock", started, e))?;
    let locked = Instant::now();
    let outcome = match run_script(conn, set, script, started) {
        Ok(true) => commit(conn, script, started).map(|()| true),
        other => other,
    };
    if is_in_transaction(conn) {
        // The reason the transaction is given up is in `outcome`; whether that worked is asked next.
        let _ = AnsiTransactionManager::rollback_transaction(conn);
    }
    if is_in_transaction(conn) {
        let version = script.version().to_owned();
        let source = Box::new(outcome.err().unwrap_or(MigrateError::InTransaction));
        return Err(MigrateError::NotRolledBack { version, source });
    }
    Ok(outcome?.then(|| Applied {
        version: script.version().to_owned(),
        name: script.name().to_owned(),
        took: locked.elapsed(),
    }))
}

/// Everything between `BEGIN` and `COMMIT`. False where there is nothing to commit.
fn run_script<C: MigrateConnection>(
    conn: &mut C,
    set: &MigrationSet,
    script: &MigrationScript,
    started: Instant,
) -> Result<bool, MigrateError> {
    let own = |action| move |e| own_statement::<C>(action, started, e);

    // What was read before the lock was taken may be out of date.
    let ledger = read(conn)?;
    if !plan(&ledger, set)?.contains(&script) {
        return Ok(false);
    }
    failpoint::hit("migrate.script");
    conn.batch_execute(script.sql())
        .map_err(|e| script_failed::<C>(script, started, e))?;
    if script.foreign_keys_off() {
        failpoint::hit("migrate.foreign_key_check");
        let violations = conn
            .foreign_key_violations()
            .map_err(|e| script_failed::<C>(script, started, e))?;
        if let Some((table, violations)) = violations {
            return Err(MigrateError::ForeignKeys {
                version: script.version().to_owned(),
                table,
                violations,
            });
        }
    }
    failpoint::hit("migrate.ledger");
    conn.create_ledger()
        .map_err(own("creating the migration ledger"))?;
    conn.insert_into_ledger(&LedgerRow {
        version: script.version().to_owned(),
        name: script.name().to_owned(),
        checksum: script.checksum().to_vec(),
        applied_at: unix_milliseconds(),
    })
    .map_err(own("writing the migration ledger"))?;
    Ok(true)
}

fn commit<C: MigrateConnection>(
    conn: &mut C,
    script: &MigrationScript,
    started: Instant,
) -> Result<(), MigrateError> {
    failpoint::hit("migrate.commit");
    // Deferred constraints are checked now, so that a failure is the script's.
    AnsiTransactionManager::commit_transaction(conn)
        .map_err(|e| script_failed::<C>(script, started, e))?;
    failpoint::hit("migrate.committed");
    Ok(())
}

/// The error of a statement that is the script's own.
fn script_failed<C: MigrateConnection>(
    script: &MigrationScript,
    started: Instant,
    source: diesel::result::Error,
) -> MigrateError {
    let source = withhold(source);
    if C::is_lock_timeout(&source) {
        let waited = started.elapsed();
        return MigrateError::Locked { waited, source };
    }
    MigrateError::Failed {
        version: script.version().to_owned(),
        name: script.name().to_owned(),
        source,
    }
}

/// Diesel's view, which it corrects by the engine's after an error. A broken one counts as inside.
fn is_in_transaction<C: MigrateConnection>(conn: &mut C) -> bool {
    let status = AnsiTransactionManager::transaction_manager_status_mut(conn);
    !matches!(status.transaction_depth(), Ok(None))
}

fn unix_milliseconds() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
