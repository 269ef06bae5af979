//! Contexts: guards that own one checked-out connection of one scope, and the methods that run queries on them.
//!
//! A context never derefs to its connection and is no `diesel::Connection`: one such door, and the routing table
//! would be decoration. Query methods are those of [`RunQueryDsl`], bounded by [`Admits`].
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use diesel::associations::HasTable;
use diesel::connection::LoadConnection;
use diesel::query_dsl::UpdateAndFetchResults;
use diesel::query_dsl::methods::{ExecuteDsl, LimitDsl, LoadQuery};
use diesel::result::{Error, QueryResult};
use uuid::Uuid;

use crate::access::Principal;
use crate::audit::AuditNote;
use crate::backend::{Backend, DefaultConnection};
use crate::catalog::audit::Draft;
use crate::database::{Connector, Database};
use crate::error::PoisonCause;
use crate::pool::Checkout;
use crate::scope::{Admits, Shared, Tenant};
use crate::tenant_id::TenantId;

/// A guard on one tenant's database.
///
/// Got from [`Tenancy::tenant`](crate::Tenancy::tenant) or [`TenantHandle::enter`](crate::TenantHandle::enter).
/// Owned and `Send`; two or more may be open at once, of the same tenant or of several. Runs statements on
/// [`Tenant`] tables with Diesel's own methods ([`RunQueryDsl`]); a statement on a shared table does not compile.
///
/// Dropping it gives the connection back. It is closed instead when the thread is panicking, when a transaction or a
/// [`RowIter`] is still open on it, when [`unrouted`](Self::unrouted) was used, or when it is
/// [poisoned](crate::error::ContextPoisoned).
///
/// Each has a connection of its own, so a thread that has several open waits for itself at the bound: see
/// [`Tenancy::shared`](crate::Tenancy::shared).
pub struct TenantContext<C: Backend = DefaultConnection>(Session<C>);

/// A guard on the shared database.
///
/// Got from [`Tenancy::shared`](crate::Tenancy::shared). Otherwise as [`TenantContext`], for [`Shared`] tables.
pub struct SharedContext<C: Backend = DefaultConnection>(Session<C>);

mod read;
mod rows;
mod session;
mod transaction;
mod unrouted;

pub use read::ReadContext;
pub use rows::RowIter;
#[doc(hidden)]
pub use session::Session;
use transaction::{Mode, transact};
pub use unrouted::Unrouted;

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

impl<C: Backend> TenantContext<C> {
    pub(crate) fn new(
        database: Arc<Database<C>>,
        checkout: Checkout<Connector<C>>,
        generation: u64,
    ) -> Self {
        Self(Session::new(database, checkout, generation, None))
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
        let (conn, mut database) = self.0.own_parts()?;
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
        let generation = database.generation();
        Self(Session::new(database, checkout, generation, Some(acting)))
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
                let (conn, mut database) = self.0.own_parts()?;
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
            /// `f` is to work on the context it is given, and to leave it there. It has a `&mut` of it, so the compiler lets
            /// it assign another one (`*ctx = …`) or swap two. That is found when `f` has returned: nothing is committed of
            /// this transaction, and both contexts are unusable. What was run on a context *opened* in `f` was in no
            /// transaction, though, and each of its statements stays as it was committed, by itself. To go on with another
            /// context, after an error that advises to, let `f` return that error first.
            ///
            /// # Errors
            /// What `f` returns, or Diesel's error of `BEGIN` or `COMMIT`. Nothing is kept of a failed
            /// transaction. [`ContextPoisoned`](crate::error::ContextPoisoned) where `f` returned `Ok` and there is nothing
            /// to commit.
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
            /// Takes no write lock, so it never waits for writers. A write inside fails with
            /// [`ReadOnlyTransaction`](crate::error::ReadOnlyTransaction) (in [`TenantContext::read`] it does not compile),
            /// and so does [`transaction`](Self::transaction). Called inside another transaction it takes part in that
            /// one. `f` leaves the context where it is, as in [`transaction`](Self::transaction).
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
            /// Everything is admitted, raw SQL included, and [`Unrouted::connection`] gives the bare connection, which
            /// has to stay where it is.
            /// What `f` may leave behind (an open transaction, an attached database, a changed setting) cannot be
            /// known, so the connection is closed with this context instead of being used again. A panic in `f`
            /// leaves the context unusable, as in [`transaction`](Self::transaction). `reason` says why, for whoever
            /// reads the code or the log.
            ///
            /// # Errors
            /// What `f` returns; [`ContextPoisoned`](crate::error::ContextPoisoned) or
            /// [`StaleGeneration`](crate::error::StaleGeneration) before it is called;
            /// [`ContextPoisoned`](crate::error::ContextPoisoned) afterwards, where the connection it was given leads to
            /// another database.
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
                if self.0.is_replaced() {
                    self.0.poison(PoisonCause::Replaced);
                    if let Ok(Ok(_)) = outcome {
                        self.0.check()?;
                    }
                }
                // Diesel does not roll back when a panic goes through a transaction of its own.
                outcome.unwrap_or_else(|panic| {
                    self.0.poison(PoisonCause::CutShort);
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
        let (conn, mut database) = ctx.session(TOKEN).parts()?;
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
        let (conn, mut database) = ctx.session(TOKEN).parts()?;
        let rows = self.internal_load(conn).and_then(Iterator::collect);
        rows.map_err(|e| database.explain(e))
    }

    /// Loads rows one by one: `load_iter::<User, _>(&mut ctx)`. The query is over when the [`RowIter`] is dropped.
    ///
    /// # Errors
    /// Diesel's error of the query; each row has its own.
    fn load_iter<'conn, 'query: 'conn, U, B>(
        self,
        ctx: &'conn mut Ctx,
    ) -> QueryResult<RowIter<'conn, Self::RowIter<'conn>, Ctx::Conn>>
    where
        U: 'conn,
        B: 'conn,
        Ctx: Context + Admits<Self>,
        Ctx::Conn: LoadConnection<B>,
        Self: LoadQuery<'query, Ctx::Conn, U, B> + 'conn,
    {
        let (conn, mut database) = ctx.session(TOKEN).parts()?;
        // Its rows may fail where it cannot be seen here.
        *database.in_doubt = true;
        match self.internal_load(conn) {
            Ok(rows) => Ok(RowIter::new(rows, database)),
            Err(error) => Err(database.explain(error)),
        }
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
        let (conn, mut database) = ctx.session(TOKEN).parts()?;
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
        let (conn, mut database) = ctx.session(TOKEN).parts()?;
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
