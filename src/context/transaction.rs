//! Transactions of a context, and how it is known that what comes out of one is what went in.
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::result::{Error, QueryResult};

use super::session::Session;
use super::{Context, TOKEN};
use crate::backend::Backend;
use crate::error::{ContextPoisoned, PoisonCause, ReadOnlyTransaction};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Read,
    Write,
}

/// One transaction, known to the call that began it and to the session it was begun on.
///
/// The closure has a `&mut` of the context, so it can put another one there (`*ctx = …`, `mem::swap`). Then the call gets
/// back a session without this, and the other one, wherever it is by then, learns of it here.
#[derive(Debug, Default)]
pub(super) struct Begun {
    lost: AtomicBool,
}

impl Begun {
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }
}

pub(super) fn transact<X: Context, T, E: From<Error>>(
    ctx: &mut X,
    mode: Mode,
    f: impl FnOnce(&mut X) -> Result<T, E>,
) -> Result<T, E> {
    let session = ctx.session(TOKEN);
    let was_read_only = session.read_only;
    if mode == Mode::Write && was_read_only {
        return Err(Error::from(ReadOnlyTransaction).into());
    }
    let (conn, mut database) = session.parts()?;
    begin(conn, mode).map_err(|e| database.explain(e))?;
    let forbids_writes = mode == Mode::Read && !was_read_only;
    let ready = match forbids_writes {
        true => conn.set_read_only(true),
        false => Ok(()),
    };
    session.read_only = mode == Mode::Read;
    let begun = Arc::new(Begun::default());
    let outer = session.transaction.replace(Arc::clone(&begun));

    let outcome = catch_unwind(AssertUnwindSafe(|| match ready {
        Ok(()) => f(ctx),
        Err(error) => Err(error.into()),
    }));

    let session = ctx.session(TOKEN);
    if !session.is_in(&begun) {
        begun.lost.store(true, Ordering::Release);
        session.poison(PoisonCause::Exchanged);
        session.roll_back_everything();
        return failed(outcome, PoisonCause::Exchanged);
    }
    session.read_only = was_read_only;
    session.transaction = outer;
    if outcome.is_err() {
        session.poison(PoisonCause::CutShort);
    }
    // A panic that was caught further in leaves `f` able to return `Ok` for rows that are gone.
    let sound = session.check();
    if forbids_writes && session.checkout.conn_mut().set_read_only(false).is_err() {
        session.checkout.taint();
    }
    let conn = session.checkout.conn_mut();
    match (outcome, sound) {
        (Ok(Ok(value)), Ok(())) => {
            let committed = AnsiTransactionManager::commit_transaction(conn);
            committed.map_err(|e| session.database.explain(e))?;
            Ok(value)
        }
        (outcome, sound) => {
            // Diesel reports a failed rollback in place of the error; the error is what the caller can act on,
            // and a connection that could not roll back is closed.
            if AnsiTransactionManager::rollback_transaction(conn).is_err() {
                session.checkout.taint();
            }
            let poisoned = sound.err().and_then(|e| ContextPoisoned::of(&e).copied());
            failed(outcome, poisoned.map_or(PoisonCause::CutShort, |p| p.cause))
        }
    }
}

/// What the caller is told of a transaction of which nothing is kept.
fn failed<T, E: From<Error>>(
    outcome: std::thread::Result<Result<T, E>>,
    cause: PoisonCause,
) -> Result<T, E> {
    match outcome {
        Ok(Ok(_)) => Err(Error::from(ContextPoisoned { cause }).into()),
        Ok(Err(error)) => Err(error),
        Err(panic) => resume_unwind(panic),
    }
}

impl<C: Backend> Session<C> {
    /// Whether this is the session the transaction was begun on, and it is the innermost one there.
    fn is_in(&self, begun: &Arc<Begun>) -> bool {
        let innermost = self.transaction.as_ref();
        innermost.is_some_and(|innermost| Arc::ptr_eq(innermost, begun))
    }

    /// Ends what is open on a connection that is not to be used any more, so that it keeps no lock until it is closed.
    fn roll_back_everything(&mut self) {
        let conn = self.checkout.conn_mut();
        while AnsiTransactionManager::transaction_manager_status_mut(conn)
            .transaction_depth()
            .is_ok_and(|depth| depth.is_some())
        {
            if AnsiTransactionManager::rollback_transaction(conn).is_err() {
                break;
            }
        }
    }
}

/// The outermost `BEGIN` is the backend's, the inner ones are Diesel's savepoints.
fn begin<C: Backend>(conn: &mut C, mode: Mode) -> QueryResult<()> {
    let state = AnsiTransactionManager::transaction_manager_status_mut(conn);
    let outermost = state.transaction_depth()?.is_none();
    match mode {
        Mode::Write if outermost => C::begin_write(conn),
        Mode::Read if outermost => C::begin_read(conn),
        _ => AnsiTransactionManager::begin_transaction(conn),
    }
}
