//! Contexts: guards that own one checked-out connection of one scope, and the methods that run queries on them.
//!
//! A context never derefs to its connection and is no `diesel::Connection`: one such door, and the routing table
//! would be decoration. Query methods are those of [`RunQueryDsl`], bounded by [`Admits`].
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use diesel::associations::HasTable;
use diesel::connection::{AnsiTransactionManager, LoadConnection, TransactionManager};
use diesel::query_dsl::UpdateAndFetchResults;
use diesel::query_dsl::methods::{ExecuteDsl, LimitDsl, LoadQuery};
use diesel::result::{Error, QueryResult};
use uuid::Uuid;

use crate::access::Principal;
use crate::audit::AuditNote;
use crate::backend::{Backend, DefaultConnection};
use crate::catalog::audit::Draft;
use crate::database::{Connector, Database};
use crate::error::{ContextPoisoned, ReadOnlyTransaction, StaleGeneration, TenantFenced};
use crate::pool::Checkout;
use crate::scope::{Admits, Shared, Tenant};
use crate::tenant_id::TenantId;

/// A guard on one tenant's database.
///
/// Got from [`Tenancy::tenant`](crate::Tenancy::tenant) or [`TenantHandle::enter`](crate::TenantHandle::enter).
/// Owned and `Send`; two or more may be open at once, of the same tenant or of several. Runs statements on
/// [`Tenant`] tables with Diesel's own methods ([`RunQueryDsl`]); a statement on a shared table does not compile.
///
/// Dropping it gives the connection back. It is closed instead when the thread is panicking, when a transaction is
/// still open on it, or when [`unrouted`](Self::unrouted) was used.
pub struct TenantContext<C: Backend = DefaultConnection>(Session<C>);

/// A guard on the shared database.
///
/// Got from [`Tenancy::shared`](crate::Tenancy::shared). Otherwise as [`TenantContext`], for [`Shared`] tables.
pub struct SharedContext<C: Backend = DefaultConnection>(Session<C>);

mod read;

pub use read::ReadContext;

/// A context without the routing table: everything is admitted. See [`TenantContext::unrouted`].
pub struct Unrouted<'a, C: Backend = DefaultConnection> {
    session: &'a mut Session<C>,
    reason: &'a str,
}

/// A [`TenantContext`], a [`ReadContext`], a [`SharedContext`] or an [`Unrouted`]: what queries can run on. Sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a context",
    label = "statements run on a `TenantContext` or a `SharedContext`",
    note = "get one by `tenancy.tenant(&id)?` or `tenancy.shared()?` and pass `&mut` of it",
    note = "a bare connection is given by `unrouted(reason, |raw| …)` only, where statements run on `raw`"
)]
pub trait Context: private::Sealed {
    /// The Diesel connection behind it, which it does not give away.
    type Conn: Backend;

    #[doc(hidden)]
    fn session(&mut self, _: private::Token) -> &mut Session<Self::Conn>;
}

/// A [`Context`] that may write: every one but a [`ReadContext`]. Asked for where a method writes and takes no statement
/// that would show it.
#[diagnostic::on_unimplemented(
    message = "this writes, and a `ReadContext` only reads",
    label = "not a context that may write",
    note = "to write to a tenant, open a context on it: `tenancy.tenant(&id)?`"
)]
pub trait WriteContext: Context {}

pub(crate) mod private {
    /// Only this module's parent can make one, so nothing outside can call what asks for it.
    #[derive(Debug)]
    pub struct Token(());
    pub(super) const TOKEN: Token = Token(());

    pub trait Sealed {}
}
use private::TOKEN;

/// One checked-out connection and what is known of it. Not re-exported: it stands in [`Context`] only.
#[doc(hidden)]
pub struct Session<C: Backend> {
    checkout: Checkout<Connector<C>>,
    database: Arc<Database<C>>,
    /// The generation the connection was opened on.
    generation: u64,
    /// A transaction was cut short: its rows are gone, so nothing may be acknowledged after it.
    poisoned: bool,
    /// Inside [`TenantContext::read_transaction`].
    read_only: bool,
    /// Inside a transaction of this context.
    in_transaction: bool,
    /// A statement failed since the last look at the transaction, or may have: a full disk, for one, ends the whole
    /// transaction, and what follows would be committed statement by statement.
    in_doubt: bool,
    /// The database was found fenced: another process makes the next one.
    fenced: bool,
    /// Who is named in the audit log for what is entered through it.
    acting: Option<Arc<Principal>>,
}

impl<C: Backend> Session<C> {
    /// The connection, if it may still be used, and the database it belongs to, which explains its errors.
    fn parts(&mut self) -> QueryResult<(&mut C, Explain<'_, C>)> {
        if std::mem::take(&mut self.in_doubt) && self.in_transaction {
            self.poisoned |= !self.checkout.conn_mut().is_in_transaction();
        }
        if self.poisoned {
            return Err(ContextPoisoned.into());
        }
        let now = self.database.generation();
        if now != self.generation {
            return Err(StaleGeneration {
                tenant: self.database.tenant_id(),
                opened_on: self.generation,
                now,
            }
            .into());
        }
        let explain = Explain {
            database: &self.database,
            fenced: &mut self.fenced,
            in_doubt: &mut self.in_doubt,
        };
        Ok((self.checkout.conn_mut(), explain))
    }

    fn debug(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        let mut out = f.debug_struct(name);
        if let Some(id) = self.database.tenant_id() {
            out.field("tenant", &format_args!("{id}"));
            out.field("generation", &self.generation);
        }
        out.finish_non_exhaustive()
    }
}

/// Says what the errors of a statement mean, and remembers that there was one.
struct Explain<'a, C: Backend> {
    database: &'a Database<C>,
    fenced: &'a mut bool,
    in_doubt: &'a mut bool,
}

impl<C: Backend> Explain<'_, C> {
    fn explain(self, error: Error) -> Error {
        *self.in_doubt |= !matches!(error, Error::NotFound);
        let error = self.database.explain(error);
        *self.fenced |= TenantFenced::of(&error).is_some();
        error
    }
}

impl<C: Backend> Drop for Session<C> {
    fn drop(&mut self) {
        // Pooled, it would be handed to whoever follows the error's advice and opens a new context.
        if self.fenced {
            self.checkout.taint();
        }
    }
}

impl<C: Backend> TenantContext<C> {
    pub(crate) fn new(
        database: Arc<Database<C>>,
        checkout: Checkout<Connector<C>>,
        generation: u64,
    ) -> Self {
        Self(Session {
            checkout,
            database,
            generation,
            poisoned: false,
            read_only: false,
            in_transaction: false,
            in_doubt: false,
            fenced: false,
            acting: None,
        })
    }

    /// The tenant's id, as it was created.
    pub fn tenant_id(&self) -> TenantId {
        let id = self.0.database.tenant_id();
        id.expect("a TenantContext is made for a tenant's database only")
    }

    /// The uuid that names the tenant in paths and in the catalogue. Never used again, even if the id is.
    pub fn tenant_uuid(&self) -> Uuid {
        let uuid = self.0.database.tenant_uuid();
        uuid.expect("a TenantContext is made for a tenant's database only")
    }

    /// Which physical database of the tenant this is: restoring makes the next one.
    pub fn generation(&self) -> u64 {
        self.0.generation
    }

    /// Closes the connection when this is dropped, instead of keeping it for the next one.
    pub(crate) fn close_on_drop(&mut self) {
        self.0.checkout.taint();
    }

    /// A statement of this library on its own tables, within the transaction that is open.
    pub(crate) fn on_own_tables<T>(
        &mut self,
        f: impl FnOnce(&mut C) -> QueryResult<T>,
    ) -> QueryResult<T> {
        let (conn, database) = self.0.parts()?;
        f(conn).map_err(|e| database.explain(e))
    }
}

#[cfg(feature = "tracing")]
impl<C: Backend> TenantContext<C> {
    /// A span that says which tenant is worked on, for the application to enter (feature `tracing`).
    pub fn span(&self) -> tracing::Span {
        let (tenant, generation) = (self.tenant_id(), self.generation());
        tracing::info_span!(target: "diesel_tenants", "tenant", %tenant, scope = "tenant", generation)
    }
}

#[cfg(feature = "tracing")]
impl<C: Backend> SharedContext<C> {
    /// A span that says that the shared database is worked on (feature `tracing`).
    pub fn span(&self) -> tracing::Span {
        tracing::info_span!(target: "diesel_tenants", "shared", scope = "shared")
    }
}

impl<C: Backend> SharedContext<C> {
    pub(crate) fn new(
        database: Arc<Database<C>>,
        checkout: Checkout<Connector<C>>,
        acting: Arc<Principal>,
    ) -> Self {
        Self(Session {
            generation: database.generation(),
            checkout,
            database,
            poisoned: false,
            read_only: false,
            in_transaction: false,
            in_doubt: false,
            fenced: false,
            acting: Some(acting),
        })
    }

    /// Enters something the application does here into the audit log, in the transaction that is open: the entry stays if
    /// what was done stays, and goes with it. Outside of one it is a transaction of its own.
    ///
    /// Who did it is whom the [`Tenancy`](crate::Tenancy) the context is from [acts for](crate::Tenancy::acting_as).
    ///
    /// # Errors
    /// Diesel's. The transaction should not be committed then.
    pub fn audit(&mut self, note: &AuditNote) -> QueryResult<()> {
        let by = self.acting();
        self.audit_as(&by, note)
    }

    /// Whom the [`Tenancy`](crate::Tenancy) the context is from acts for.
    pub(crate) fn acting(&self) -> Arc<Principal> {
        let by = self.0.acting.clone();
        by.expect("a SharedContext is made in somebody's name")
    }

    /// The same, in the name of somebody else.
    pub(crate) fn audit_as(&mut self, by: &Principal, note: &AuditNote) -> QueryResult<()> {
        let draft = Draft::new(by, note);
        self.transaction(|shared| shared.on_connection(|conn| conn.audit_append_here(&draft)))
    }
}

macro_rules! context {
    ($Context:ident, $Marker:ident) => {
        impl<C: Backend> $Context<C> {
            /// The library's own statements on this context's connection, in the transaction that is open.
            pub(crate) fn on_connection<T>(
                &mut self,
                f: impl FnOnce(&mut C) -> QueryResult<T>,
            ) -> QueryResult<T> {
                let (conn, database) = self.0.parts()?;
                f(conn).map_err(|e| database.explain(e))
            }

            /// Runs `f` in a transaction that may write, and commits if it returns `Ok`.
            ///
            /// On SQLite this is `BEGIN IMMEDIATE`: it waits for the write lock up to the busy timeout (default
            /// 5 s), and once begun cannot fail for a lock. Called inside another transaction it makes a
            /// savepoint: an `Err` undoes the inner part only.
            ///
            /// A panic in `f` rolls back and leaves the context unusable, even if it is caught: what came before
            /// it in the transaction is gone, so nothing after it may be acknowledged.
            ///
            /// # Errors
            /// What `f` returns, or Diesel's error of `BEGIN` or `COMMIT`. Nothing is kept of a failed
            /// transaction.
            pub fn transaction<T, E>(
                &mut self,
                f: impl FnOnce(&mut Self) -> Result<T, E>,
            ) -> Result<T, E>
            where
                E: From<Error>,
            {
                transact(self, Mode::Write, f)
            }

            /// Runs `f` on one unchanging snapshot of the database, without the right to write.
            ///
            /// The snapshot is taken by the first query in `f`.
            /// Takes no write lock, so it never waits for writers. A write inside fails (in [`TenantContext::read`] it
            /// does not compile), and so does [`transaction`](Self::transaction), with
            /// [`ReadOnlyTransaction`](crate::error::ReadOnlyTransaction). Called inside another transaction it
            /// takes part in that one.
            ///
            /// # Errors
            /// What `f` returns, or Diesel's error of `BEGIN` or `COMMIT`.
            pub fn read_transaction<T, E>(
                &mut self,
                f: impl FnOnce(&mut Self) -> Result<T, E>,
            ) -> Result<T, E>
            where
                E: From<Error>,
            {
                transact(self, Mode::Read, f)
            }

            /// The one escape hatch: runs `f` with the routing table out of the way.
            ///
            /// Everything is admitted, raw SQL included, and [`Unrouted::connection`] gives the bare connection.
            /// What `f` may leave behind (an open transaction, an attached database, a changed setting) cannot be
            /// known, so the connection is closed with this context instead of being used again. A panic in `f`
            /// leaves the context unusable, as in [`transaction`](Self::transaction). `reason` says why, for whoever
            /// reads the code or the log.
            ///
            /// # Errors
            /// What `f` returns; [`ContextPoisoned`](crate::error::ContextPoisoned) or
            /// [`StaleGeneration`](crate::error::StaleGeneration) before it is called.
            ///
            /// # Example
            /// ```
            /// # use diesel_tenants::prelude::*;
            #[doc = concat!("fn analyze(ctx: &mut ", stringify!($Context), ") -> QueryResult<()> {")]
            ///     ctx.unrouted("ANALYZE has no Diesel form", |raw| {
            ///         diesel::sql_query("ANALYZE").execute(raw).map(drop)
            ///     })
            /// }
            /// ```
            pub fn unrouted<T, E>(
                &mut self,
                reason: &str,
                f: impl FnOnce(&mut Unrouted<'_, C>) -> Result<T, E>,
            ) -> Result<T, E>
            where
                E: From<Error>,
            {
                self.0.parts()?;
                self.0.checkout.taint();
                let outcome = catch_unwind(AssertUnwindSafe(|| {
                    f(&mut Unrouted {
                        session: &mut self.0,
                        reason,
                    })
                }));
                // Said afterwards: a statement in `f` looks at the transaction before it runs, and may be its end.
                self.0.in_doubt = true;
                // Diesel does not roll back when a panic goes through a transaction of its own.
                outcome.unwrap_or_else(|panic| {
                    self.0.poisoned = true;
                    resume_unwind(panic)
                })
            }
        }

        impl<C: Backend, Q: $Marker> Admits<Q> for $Context<C> {
            fn admits(_: private::Token) {}
        }
        impl<C: Backend> private::Sealed for $Context<C> {}
        impl<C: Backend> WriteContext for $Context<C> {}
        impl<C: Backend> Context for $Context<C> {
            type Conn = C;
            fn session(&mut self, _: private::Token) -> &mut Session<C> {
                &mut self.0
            }
        }
        /// Says which database it is on; holds no data.
        impl<C: Backend> fmt::Debug for $Context<C> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.debug(f, stringify!($Context))
            }
        }
    };
}
context!(TenantContext, Tenant);
context!(SharedContext, Shared);

impl<C: Backend> Unrouted<'_, C> {
    /// The bare Diesel connection.
    pub fn connection(&mut self) -> &mut C {
        self.session.checkout.conn_mut()
    }

    /// The reason it was asked for with.
    pub fn reason(&self) -> &str {
        self.reason
    }
}
impl<C: Backend, Q> Admits<Q> for Unrouted<'_, C> {
    fn admits(_: private::Token) {}
}
impl<C: Backend> private::Sealed for Unrouted<'_, C> {}
impl<C: Backend> WriteContext for Unrouted<'_, C> {}
impl<C: Backend> Context for Unrouted<'_, C> {
    type Conn = C;
    fn session(&mut self, _: private::Token) -> &mut Session<C> {
        self.session
    }
}
impl<C: Backend> fmt::Debug for Unrouted<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.session.debug(f, "Unrouted")
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Read,
    Write,
}

fn transact<X: Context, T, E: From<Error>>(
    ctx: &mut X,
    mode: Mode,
    f: impl FnOnce(&mut X) -> Result<T, E>,
) -> Result<T, E> {
    let session = ctx.session(TOKEN);
    let (was_read_only, was_in_transaction) = (session.read_only, session.in_transaction);
    if mode == Mode::Write && was_read_only {
        return Err(Error::from(ReadOnlyTransaction).into());
    }
    let (conn, database) = session.parts()?;
    begin(conn, mode).map_err(|e| database.explain(e))?;
    let forbids_writes = mode == Mode::Read && !was_read_only;
    let ready = match forbids_writes {
        true => conn.set_read_only(true),
        false => Ok(()),
    };
    session.read_only = mode == Mode::Read;
    session.in_transaction = true;

    let outcome = catch_unwind(AssertUnwindSafe(|| match ready {
        Ok(()) => f(ctx),
        Err(error) => Err(error.into()),
    }));

    let session = ctx.session(TOKEN);
    session.read_only = was_read_only;
    session.in_transaction = was_in_transaction;
    if outcome.is_err() {
        session.poisoned = true;
        session.checkout.taint();
    }
    // A panic that was caught further in leaves `f` able to return `Ok` for rows that are gone.
    let lost = session.poisoned;
    let conn = session.checkout.conn_mut();
    if forbids_writes && conn.set_read_only(false).is_err() {
        session.checkout.taint();
    }
    let conn = session.checkout.conn_mut();
    match outcome {
        Ok(Ok(value)) if !lost => {
            let committed = AnsiTransactionManager::commit_transaction(conn);
            committed.map_err(|e| session.database.explain(e))?;
            Ok(value)
        }
        outcome => {
            // Diesel reports a failed rollback in place of the error; the error is what the caller can act on,
            // and a connection that could not roll back is closed.
            if AnsiTransactionManager::rollback_transaction(conn).is_err() {
                session.checkout.taint();
            }
            match outcome {
                Ok(Ok(_)) => Err(Error::from(ContextPoisoned).into()),
                Ok(Err(error)) => Err(error),
                Err(panic) => resume_unwind(panic),
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

/// Diesel's query methods, on a context instead of a connection.
///
/// Same names, same turbofish, same [`QueryResult`]: `?`, `.optional()`, `NotFound` and `UniqueViolation` work as
/// in Diesel. A statement whose tables are not in the context's scope does not compile. Where only the database can
/// see the mistake (a raw fragment, a boxed subquery), the error is a [`WrongScope`](crate::WrongScope).
///
/// Import it through [`prelude`](crate::prelude). Beside `use diesel::prelude::*`, name it:
/// `use diesel_tenants::RunQueryDsl;` decides which one wins; two globs do not.
pub trait RunQueryDsl<Ctx>: Sized {
    /// Runs the statement and returns the number of rows it touched.
    ///
    /// # Errors
    /// Diesel's error of the statement.
    fn execute(self, ctx: &mut Ctx) -> QueryResult<usize>
    where
        Ctx: Context + Admits<Self>,
        Self: ExecuteDsl<Ctx::Conn>,
    {
        let (conn, database) = ctx.session(TOKEN).parts()?;
        ExecuteDsl::execute(self, conn).map_err(|e| database.explain(e))
    }

    /// Loads all rows.
    ///
    /// # Errors
    /// Diesel's error of the query.
    fn load<'query, U>(self, ctx: &mut Ctx) -> QueryResult<Vec<U>>
    where
        Ctx: Context + Admits<Self>,
        Self: LoadQuery<'query, Ctx::Conn, U>,
    {
        let (conn, database) = ctx.session(TOKEN).parts()?;
        let rows = self.internal_load(conn).and_then(Iterator::collect);
        rows.map_err(|e| database.explain(e))
    }

    /// Loads rows one by one: `load_iter::<User, _>(&mut ctx)`.
    ///
    /// # Errors
    /// Diesel's error of the query; each row has its own.
    fn load_iter<'conn, 'query: 'conn, U, B>(
        self,
        ctx: &'conn mut Ctx,
    ) -> QueryResult<Self::RowIter<'conn>>
    where
        U: 'conn,
        B: 'conn,
        Ctx: Context + Admits<Self>,
        Ctx::Conn: LoadConnection<B>,
        Self: LoadQuery<'query, Ctx::Conn, U, B> + 'conn,
    {
        let (conn, database) = ctx.session(TOKEN).parts()?;
        // Its rows may fail where it cannot be seen here.
        *database.in_doubt = true;
        self.internal_load(conn).map_err(|e| database.explain(e))
    }

    /// Loads the first row the query gives.
    ///
    /// # Errors
    /// [`NotFound`](diesel::NotFound) where there is none (see `.optional()`), or Diesel's error of the query.
    fn get_result<'query, U>(self, ctx: &mut Ctx) -> QueryResult<U>
    where
        Ctx: Context + Admits<Self>,
        Self: LoadQuery<'query, Ctx::Conn, U>,
    {
        let (conn, database) = ctx.session(TOKEN).parts()?;
        let first = self
            .internal_load(conn)
            .and_then(|mut rows| rows.next().unwrap_or(Err(Error::NotFound)));
        first.map_err(|e| database.explain(e))
    }

    /// [`load`](RunQueryDsl::load) by the name that reads better after `RETURNING`.
    ///
    /// # Errors
    /// Diesel's error of the query.
    fn get_results<'query, U>(self, ctx: &mut Ctx) -> QueryResult<Vec<U>>
    where
        Ctx: Context + Admits<Self>,
        Self: LoadQuery<'query, Ctx::Conn, U>,
    {
        RunQueryDsl::load(self, ctx)
    }

    /// Loads one row, with `LIMIT 1`.
    ///
    /// # Errors
    /// As [`get_result`](RunQueryDsl::get_result).
    fn first<'query, U>(self, ctx: &mut Ctx) -> QueryResult<U>
    where
        Ctx: Context + Admits<diesel::dsl::Limit<Self>>,
        Self: LimitDsl,
        diesel::dsl::Limit<Self>: LoadQuery<'query, Ctx::Conn, U>,
    {
        RunQueryDsl::get_result(LimitDsl::limit(self, 1), ctx)
    }
}
// Not for every type: a method taken by value goes before one taken by reference, and `vec.first()` or
// `atomic.load(…)` would mean these wherever the prelude is imported.
impl<Q, Ctx: Context> RunQueryDsl<Ctx> for Q where Q: Statement<Ctx::Conn> {}

/// A statement Diesel can run on the connection `C`. Implemented for all of them.
///
/// A join of tables of two scopes is none, because Diesel was not told that they may stand in one query: this trait is
/// here to say so in words.
#[diagnostic::on_unimplemented(
    message = "this is not a statement that one database can run",
    label = "not a statement, or one over tables of two databases",
    note = "no statement reaches two databases: make it two, one on a `TenantContext` and one on a `SharedContext`",
    note = "if both tables are in one scope, name them together in `allow_tables_to_appear_in_same_query!`"
)]
pub trait Statement<C> {}
impl<Q, C> Statement<C> for Q where Q: diesel::query_dsl::RunQueryDsl<C> {}

/// `changes.save_changes::<User>(&mut ctx)`: updates the row a changeset identifies and loads it back.
pub trait SaveChangesDsl<Ctx>: Sized + Copy {
    /// Updates the row with the changeset's id and returns it as it is now.
    ///
    /// # Errors
    /// [`NotFound`](diesel::NotFound) where no row has the id, or Diesel's error of the statements.
    fn save_changes<U>(self, ctx: &mut Ctx) -> QueryResult<U>
    where
        Self: HasTable,
        Ctx: WriteContext + Admits<<Self as HasTable>::Table>,
        Ctx::Conn: UpdateAndFetchResults<Self, U>,
    {
        let (conn, database) = ctx.session(TOKEN).parts()?;
        conn.update_and_fetch(self).map_err(|e| database.explain(e))
    }
}
impl<T: Copy, Ctx> SaveChangesDsl<Ctx> for T {}

/// A query that gives rows of `U` on the context `Ctx`: the bound for your own generic helpers.
///
/// Diesel's `LoadQuery` brings Diesel's `RunQueryDsl` into scope with it, whose methods then stand in the way.
///
/// # Example
/// ```
/// use diesel::query_dsl::methods::LimitDsl;
/// use diesel_tenants::{LoadRouted, prelude::*};
///
/// fn at_most<'q, Q, U, Ctx>(query: Q, rows: i64, ctx: &mut Ctx) -> QueryResult<Vec<U>>
/// where
///     Q: LimitDsl,
///     diesel::dsl::Limit<Q>: LoadRouted<'q, Ctx, U>,
/// {
///     query.limit(rows).load_routed(ctx)
/// }
/// ```
pub trait LoadRouted<'query, Ctx, U>: Sized {
    /// As [`RunQueryDsl::load`].
    ///
    /// # Errors
    /// Diesel's error of the query.
    fn load_routed(self, ctx: &mut Ctx) -> QueryResult<Vec<U>>;
}
impl<'query, Ctx, U, Q> LoadRouted<'query, Ctx, U> for Q
where
    Ctx: Context + Admits<Q>,
    Q: LoadQuery<'query, Ctx::Conn, U>,
{
    fn load_routed(self, ctx: &mut Ctx) -> QueryResult<Vec<U>> {
        RunQueryDsl::load(self, ctx)
    }
}
