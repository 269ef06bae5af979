//! Checked doors for what Diesel does not let us look into: set operations and `INSERT … SELECT`.
//!
//! Diesel's own `a.union(b)` hides its two queries in a type that cannot be named, and `INSERT … SELECT` hides its
//! source, so neither has a scope and both are refused. The functions here take the parts apart, while their scopes
//! can still be seen, and give back a statement that carries the proof.
//!
//! # Example
//! ```
//! use diesel_tenants::{doors, prelude::*};
//! # mod schema {
//! #     diesel::table! { patients { id -> Integer, ward -> Text, } }
//! #     diesel::table! { discharged { id -> Integer, ward -> Text, } }
//! #     diesel::allow_tables_to_appear_in_same_query!(patients, discharged);
//! # }
//! # use schema::{discharged, patients};
//! # routes! { static ROUTES; shared {} tenant { patients { schema::patients, schema::discharged } } }
//!
//! fn wards(ctx: &mut TenantContext) -> QueryResult<Vec<String>> {
//!     doors::union(patients::table.select(patients::ward), discharged::table.select(discharged::ward)).load(ctx)
//! }
//!
//! fn discharge_all(ctx: &mut TenantContext) -> QueryResult<usize> {
//!     let everyone = patients::table.select((patients::id, patients::ward));
//!     doors::insert_select(discharged::table, (discharged::id, discharged::ward), everyone).execute(ctx)
//! }
//! ```
use std::marker::PhantomData;

use diesel::backend::{Backend, DieselReserveSpecialization};
use diesel::dsl;
use diesel::expression::{NonAggregate, SelectableExpression};
use diesel::query_builder::{AsQuery, AstPass, Query, QueryFragment, QueryId};
use diesel::query_dsl::CombineDsl;
use diesel::query_dsl::methods::{LimitDsl, OffsetDsl};
use diesel::query_dsl::positional_order_dsl::{IntoPositionalOrderExpr, PositionalOrderDsl};
use diesel::{Column, Expression, QueryResult, Table};

use crate::scope::{Reads, Route, Shared, SharedScope, Tenant, TenantScope};

/// That every table of a statement is in scope `S`: [`Tenant`] or [`Shared`], chosen by a type.
pub trait InScope<S> {}
impl<Q: Tenant> InScope<TenantScope> for Q {}
impl<Q: Shared> InScope<SharedScope> for Q {}

/// A set operation whose parts are proven to be in the scope of the first, `A`. Made by [`union`] and its siblings.
///
/// `A` and not its scope, so that a compile error names the table in it.
#[derive(Clone, Copy, Debug)]
#[must_use = "queries are only executed when calling `load`, `get_result` or similar"]
pub struct Combined<Q, A> {
    query: Q,
    first: PhantomData<fn() -> A>,
}

impl<Q, A> Combined<Q, A> {
    fn of(query: Q) -> Self {
        Self {
            query,
            first: PhantomData,
        }
    }

    /// Orders the combined rows by column number: `positional_order_by(1)`, `positional_order_by(2.desc())`.
    pub fn positional_order_by<E>(self, expr: E) -> Combined<Q::Output, A>
    where
        E: IntoPositionalOrderExpr,
        Q: PositionalOrderDsl<E>,
    {
        Combined::of(self.query.positional_order_by(expr))
    }

    /// At most `rows` of the combined rows.
    pub fn limit(self, rows: i64) -> Combined<Q::Output, A>
    where
        Q: LimitDsl,
    {
        LimitDsl::limit(self, rows)
    }

    /// Leaves out the first `rows` of the combined rows.
    pub fn offset(self, rows: i64) -> Combined<Q::Output, A>
    where
        Q: OffsetDsl,
    {
        OffsetDsl::offset(self, rows)
    }
}

// What `.first` and generic code ask for.
impl<Q: LimitDsl, A> LimitDsl for Combined<Q, A> {
    type Output = Combined<Q::Output, A>;

    fn limit(self, rows: i64) -> Self::Output {
        Combined::of(self.query.limit(rows))
    }
}
impl<Q: OffsetDsl, A> OffsetDsl for Combined<Q, A> {
    type Output = Combined<Q::Output, A>;

    fn offset(self, rows: i64) -> Self::Output {
        Combined::of(self.query.offset(rows))
    }
}

impl<Q, A: Route> Route for Combined<Q, A> {
    type Scope = A::Scope;
}
impl<Q, A: Tenant> Tenant for Combined<Q, A> {}
impl<Q, A: Shared> Shared for Combined<Q, A> {}
// No system has a set operation with a statement that writes as one of its parts.
impl<Q, A: Reads> Reads for Combined<Q, A> {}
impl<Q: Query, A> Query for Combined<Q, A> {
    type SqlType = Q::SqlType;
}
impl<Q: CombineDsl, A> CombineDsl for Combined<Q, A> {
    type Query = Q::Query;

    fn union<Rhs>(self, rhs: Rhs) -> dsl::Union<Self, Rhs>
    where
        Rhs: AsQuery<SqlType = <Self::Query as Query>::SqlType>,
    {
        self.query.union(rhs)
    }
    fn union_all<Rhs>(self, rhs: Rhs) -> dsl::UnionAll<Self, Rhs>
    where
        Rhs: AsQuery<SqlType = <Self::Query as Query>::SqlType>,
    {
        self.query.union_all(rhs)
    }
    fn intersect<Rhs>(self, rhs: Rhs) -> dsl::Intersect<Self, Rhs>
    where
        Rhs: AsQuery<SqlType = <Self::Query as Query>::SqlType>,
    {
        self.query.intersect(rhs)
    }
    fn intersect_all<Rhs>(self, rhs: Rhs) -> dsl::IntersectAll<Self, Rhs>
    where
        Rhs: AsQuery<SqlType = <Self::Query as Query>::SqlType>,
    {
        self.query.intersect_all(rhs)
    }
    fn except<Rhs>(self, rhs: Rhs) -> dsl::Except<Self, Rhs>
    where
        Rhs: AsQuery<SqlType = <Self::Query as Query>::SqlType>,
    {
        self.query.except(rhs)
    }
    fn except_all<Rhs>(self, rhs: Rhs) -> dsl::ExceptAll<Self, Rhs>
    where
        Rhs: AsQuery<SqlType = <Self::Query as Query>::SqlType>,
    {
        self.query.except_all(rhs)
    }
}
impl<Q: QueryId, A> QueryId for Combined<Q, A> {
    type QueryId = Combined<Q::QueryId, ()>;
    const HAS_STATIC_QUERY_ID: bool = Q::HAS_STATIC_QUERY_ID;
}
impl<DB, Q, A> QueryFragment<DB> for Combined<Q, A>
where
    DB: Backend + DieselReserveSpecialization,
    Q: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.query.walk_ast(out)
    }
}
// Diesel asks for its own marker before it loads anything; it opens no door, for nobody has a bare connection.
impl<Q, A, Conn> diesel::query_dsl::RunQueryDsl<Conn> for Combined<Q, A> {}

macro_rules! set_operation {
    ($(#[$doc:meta])* $name:ident => $Type:ident) => {
        $(#[$doc])*
        pub fn $name<A, B>(a: A, b: B) -> Combined<dsl::$Type<A, B>, A>
        where
            A: CombineDsl + Route + InScope<<A as Route>::Scope>,
            B: AsQuery<SqlType = <A::Query as Query>::SqlType> + InScope<<A as Route>::Scope>,
        {
            Combined::of(a.$name(b))
        }
    };
}
set_operation! {
    /// `a UNION b`: the rows of both, without duplicates.
    union => Union
}
set_operation! {
    /// `a UNION ALL b`: the rows of both.
    union_all => UnionAll
}
set_operation! {
    /// `a INTERSECT b`: the rows that are in both.
    intersect => Intersect
}
set_operation! {
    /// `a EXCEPT b`: the rows of `a` that are not in `b`.
    except => Except
}

/// The columns an [`insert_select`] fills: a tuple of the target's columns.
pub trait TargetColumns<T>: Expression {
    #[doc(hidden)]
    const NAMES: &'static [&'static str];
}
macro_rules! target_columns {
    ($($C:ident)+) => {
        impl<T, $($C),+> TargetColumns<T> for ($($C,)+)
        where
            ($($C,)+): Expression,
            $($C: Column<Table = T>),+
        {
            const NAMES: &'static [&'static str] = &[$($C::NAME),+];
        }
    };
}
macro_rules! every_length {
    ($head:ident $($tail:ident)*) => { target_columns!($head $($tail)*); every_length!($($tail)*); };
    () => {};
}
every_length!(A B C D E F G H I J K L M N O P Q R S U V W X Y Z A1 B1 C1 D1 E1 F1 G1);

/// An `INSERT INTO target (columns) SELECT …` whose source is proven to be in the target's scope.
/// Made by [`insert_select`].
#[derive(Clone, Copy, Debug)]
#[must_use = "statements are only executed when calling `execute`, `get_results` or similar"]
pub struct InsertSelect<T, C, Q, R = NoReturning> {
    target: T,
    columns: PhantomData<fn() -> C>,
    query: Q,
    returning: R,
}

/// The statement gives no rows back, only their number.
#[derive(Clone, Copy, Debug, QueryId)]
pub struct NoReturning;

/// The statement gives back `E` of each row it inserted.
#[derive(Clone, Copy, Debug, QueryId)]
pub struct Returning<E>(E);

/// `INSERT INTO target (columns) SELECT …`, with every table of the query in the target's scope.
///
/// `columns` is a tuple of the target's columns; their SQL types must be those of the query.
pub fn insert_select<T, C, Q>(
    target: T,
    columns: C,
    query: Q,
) -> InsertSelect<T, C, <Q as AsQuery>::Query>
where
    T: Table + Route,
    C: TargetColumns<T>,
    Q: AsQuery<SqlType = C::SqlType> + InScope<<T as Route>::Scope>,
{
    let _ = columns;
    InsertSelect {
        target,
        columns: PhantomData,
        query: query.as_query(),
        returning: NoReturning,
    }
}

impl<T: Table, C, Q> InsertSelect<T, C, Q> {
    /// Gives back `E` of each inserted row.
    pub fn returning<E>(self, returns: E) -> InsertSelect<T, C, Q, Returning<E>>
    where
        E: Expression + SelectableExpression<T> + NonAggregate,
    {
        InsertSelect {
            target: self.target,
            columns: PhantomData,
            query: self.query,
            returning: Returning(returns),
        }
    }
}

impl<T: Route, C, Q, R> Route for InsertSelect<T, C, Q, R> {
    type Scope = T::Scope;
}
impl<T: Tenant, C, Q, R> Tenant for InsertSelect<T, C, Q, R> {}
impl<T: Shared, C, Q, R> Shared for InsertSelect<T, C, Q, R> {}
impl<T, C, Q, E: Expression> Query for InsertSelect<T, C, Q, Returning<E>> {
    type SqlType = E::SqlType;
}
impl<T, C, Q, R, Conn> diesel::query_dsl::RunQueryDsl<Conn> for InsertSelect<T, C, Q, R> {}
impl<T: QueryId + 'static, C: 'static, Q: QueryId, R: QueryId> QueryId
    for InsertSelect<T, C, Q, R>
{
    type QueryId = InsertSelect<T, C, Q::QueryId, R::QueryId>;
    const HAS_STATIC_QUERY_ID: bool =
        T::HAS_STATIC_QUERY_ID && Q::HAS_STATIC_QUERY_ID && R::HAS_STATIC_QUERY_ID;
}
impl<DB, T, C, Q, R> QueryFragment<DB> for InsertSelect<T, C, Q, R>
where
    DB: Backend + DieselReserveSpecialization,
    T: Table + QueryFragment<DB>,
    C: TargetColumns<T>,
    Q: QueryFragment<DB>,
    R: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("INSERT INTO ");
        self.target.walk_ast(out.reborrow())?;
        let mut before = " (";
        for name in C::NAMES {
            out.push_sql(before);
            out.push_identifier(name)?;
            before = ", ";
        }
        out.push_sql(") ");
        self.query.walk_ast(out.reborrow())?;
        self.returning.walk_ast(out)
    }
}
impl<DB: Backend> QueryFragment<DB> for NoReturning {
    fn walk_ast<'b>(&'b self, _: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        Ok(())
    }
}
impl<DB, E> QueryFragment<DB> for Returning<E>
where
    DB: Backend + DieselReserveSpecialization,
    E: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(" RETURNING ");
        self.0.walk_ast(out)
    }
}
