//! Where a table lives, and the proof that a statement stays there.
//!
//! A table has one [`Route`], written by [`routes!`](crate::routes), and so one [`Scope`]. A *statement* has the
//! scope of the tables it reads and writes: this file carries the markers [`Tenant`] and [`Shared`] through every
//! statement Diesel can build. A [`TenantContext`](crate::TenantContext) runs what is [`Tenant`], a
//! [`SharedContext`](crate::SharedContext) what is [`Shared`], and everything else does not compile.
//!
//! Three rules keep it sound, so keep them when you add a node:
//!
//! 1. **Fail closed.** A statement type that is not listed here has no scope and is refused.
//! 2. **A marker needs every source.** A node that holds two sources ([`Join`](joins::Join)) is marked only where
//!    both are.
//! 3. **No blanket impl over a parameter that can hold the source of a query.** Expressions (`WHERE`, `SELECT`,
//!    `ORDER BY` …) may stay unlisted because Diesel itself refuses a column or subquery of a table that may not
//!    appear in the statement, and `routes!` refuses the `allow_tables_to_appear_in_same_query!` that would let it.
//!
//! Some of the types come from Diesel's doc-hidden modules, which is why the crate depends on `diesel = "~2.3"`.
use diesel::QuerySource;
use diesel::internal::derives::multiconnection::Exists;
use diesel::internal::table_macro as joins;
use diesel::query_builder::{
    BoxedSelectStatement, DeleteStatement, FromClause, InsertStatement, NoFromClause, QueryId,
    SelectClauseExpression, SelectStatement, UpdateStatement, ValuesClause,
};
use diesel::query_source::{Alias, AliasSource};

/// The shared database: what belongs to no single tenant.
#[derive(Debug)]
pub enum SharedScope {}

/// A tenant's own database.
#[derive(Debug)]
pub enum TenantScope {}

/// [`SharedScope`] or [`TenantScope`]; sealed, there is no third.
pub trait Scope: sealed::Sealed + 'static {
    /// The same as a value.
    const KIND: ScopeKind;
}
impl Scope for SharedScope {
    const KIND: ScopeKind = ScopeKind::Shared;
}
impl Scope for TenantScope {
    const KIND: ScopeKind = ScopeKind::Tenant;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::SharedScope {}
    impl Sealed for super::TenantScope {}
}

/// A [`Scope`] as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ScopeKind {
    /// The shared database.
    Shared,
    /// A tenant's own database.
    Tenant,
}

impl std::fmt::Display for ScopeKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Shared => "shared",
            Self::Tenant => "tenant",
        })
    }
}

/// A table's entry in the routing table, or the scope of a statement made of routed tables.
///
/// Written by [`routes!`](crate::routes) for tables and by this crate for statements, never by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no route",
    label = "this table, or a table in this statement, is not listed in `routes!`",
    note = "list the table in `routes!`, under `shared` or under `tenant`"
)]
pub trait Route {
    /// The one scope.
    type Scope: Scope;
}

/// What may run on a tenant's database: a table listed under `tenant`, or a statement whose tables all are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not in a tenant database",
    label = "a `TenantContext` reaches tenant tables only",
    note = "if the table is shared, run this on a `SharedContext`: `tenancy.shared()?`",
    note = "if the statement needs tables of both scopes, make it two: no statement reaches two databases",
    note = "if the table belongs to each tenant, list it under `tenant` in `routes!`",
    note = "raw SQL goes through `unrouted(reason, |raw| …)`; UNION and INSERT … SELECT through `diesel_tenants::doors`"
)]
pub trait Tenant: Route<Scope = TenantScope> {}

/// What may run on the shared database: a table listed under `shared`, or a statement whose tables all are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not in the shared database",
    label = "a `SharedContext` reaches shared tables only",
    note = "if the table belongs to each tenant, run this on a `TenantContext`: `tenancy.tenant(&id)?`",
    note = "if the statement needs tables of both scopes, make it two: no statement reaches two databases",
    note = "if the table is shared, list it under `shared` in `routes!`",
    note = "raw SQL goes through `unrouted(reason, |raw| …)`; UNION and INSERT … SELECT through `diesel_tenants::doors`"
)]
pub trait Shared: Route<Scope = SharedScope> {}

/// What only reads: a table, or a query. Inserts, updates and deletes are not, and neither is a statement that is not
/// listed in this file.
///
/// Written by [`routes!`](crate::routes) for tables and by this crate for queries, never by hand. What the types cannot
/// see, such as a `dsl::sql` fragment, the database refuses: a [`ReadContext`](crate::ReadContext) has no right to write.
#[diagnostic::on_unimplemented(
    message = "this statement writes, and a `ReadContext` only reads",
    label = "a table or a query of tables can run here",
    note = "a `ReadContext` is what `for_each_tenant`, `aggregate` and `TenantContext::read` give: one snapshot, without the right to write",
    note = "to write to a tenant, open a context on it: `tenancy.tenant(&id)?`",
    note = "to bring the same rows to every tenant, push them: `tenancy.push_reference(&list, …)`"
)]
pub trait Reads {}

/// What an `INSERT` may take its rows from: values, not a query.
///
/// Diesel does not let us name the query inside `INSERT … SELECT`, so it cannot be checked there. What it does let us
/// name is each statement's `QueryId`: `()` for a `Vec` or an upsert, an array for an array, else the values' own.
#[diagnostic::on_unimplemented(
    message = "`INSERT … SELECT` has a door of its own",
    label = "the rows come from a query whose tables cannot be checked here",
    note = "use `diesel_tenants::doors::insert_select(target, columns, query)`"
)]
pub trait InsertSource {}
impl InsertSource for () {}
impl<V, T> InsertSource for ValuesClause<V, T> {}
impl<V: InsertSource, const N: usize> InsertSource for [V; N] {}
impl InsertSource for diesel::query_builder::DefaultValues {}

/// `SELECT …` without `FROM`: its selection is its only source.
///
/// No other clause may hold an expression. There is no table that Diesel could check a subquery in it against, so
/// `select(exists(patients)).filter(exists(users))` would compile.
type SelectWithoutFrom<S, L, LC> = SelectStatement<
    NoFromClause,
    S,
    <Bare as Clauses>::Distinct,
    <Bare as Clauses>::Where,
    <Bare as Clauses>::Order,
    L,
    <Bare as Clauses>::GroupBy,
    <Bare as Clauses>::Having,
    LC,
>;
type Bare = SelectStatement<NoFromClause, ()>;

/// The types of a statement's clauses. Diesel does not export the ones that mean "none", but a statement has them.
trait Clauses {
    type Distinct;
    type Where;
    type Order;
    type GroupBy;
    type Having;
}
impl<F, S, D, W, O, L, G, H, LC> Clauses for SelectStatement<F, S, D, W, O, L, G, H, LC> {
    type Distinct = D;
    type Where = W;
    type Order = O;
    type GroupBy = G;
    type Having = H;
}

// The scope of every statement node: the scope of (one of) its sources. That the *other* source agrees is the
// business of the markers below, which is why there are two traits.
impl<F: QuerySource + Route, S, D, W, O, L, G, H, LC> Route
    for SelectStatement<FromClause<F>, S, D, W, O, L, G, H, LC>
{
    type Scope = F::Scope;
}
impl<ST, F: QuerySource + Route, DB, GB> Route
    for BoxedSelectStatement<'_, ST, FromClause<F>, DB, GB>
{
    type Scope = F::Scope;
}
impl<S, L, LC> Route for SelectWithoutFrom<S, L, LC>
where
    S: SelectClauseExpression<NoFromClause>,
    S::Selection: Route,
{
    type Scope = <S::Selection as Route>::Scope;
}
impl<Q: Route> Route for Exists<Q> {
    type Scope = Q::Scope;
}
impl<L: QuerySource + Route, R: QuerySource + Route, K> Route for joins::Join<L, R, K> {
    type Scope = L::Scope;
}
impl<J: Route, On> Route for joins::JoinOn<J, On> {
    type Scope = J::Scope;
}
impl<S: AliasSource> Route for Alias<S>
where
    S::Target: Route,
{
    type Scope = <S::Target as Route>::Scope;
}
impl<T: Route + QuerySource, U, Op, Ret> Route for InsertStatement<T, U, Op, Ret> {
    type Scope = T::Scope;
}
impl<T: Route + QuerySource, U, V, Ret> Route for UpdateStatement<T, U, V, Ret> {
    type Scope = T::Scope;
}
impl<T: Route + QuerySource, U, Ret> Route for DeleteStatement<T, U, Ret> {
    type Scope = T::Scope;
}
impl<T: Route + ?Sized> Route for &T {
    type Scope = T::Scope;
}

macro_rules! carry {
    ($Marker:ident) => {
        impl<F: QuerySource + $Marker, S, D, W, O, L, G, H, LC> $Marker
            for SelectStatement<FromClause<F>, S, D, W, O, L, G, H, LC>
        {
        }
        impl<ST, F: QuerySource + $Marker, DB, GB> $Marker
            for BoxedSelectStatement<'_, ST, FromClause<F>, DB, GB>
        {
        }
        impl<S, L, LC> $Marker for SelectWithoutFrom<S, L, LC>
        where
            S: SelectClauseExpression<NoFromClause>,
            S::Selection: $Marker,
        {
        }
        impl<Q: $Marker> $Marker for Exists<Q> {}
        impl<L: QuerySource + $Marker, R: QuerySource + $Marker, K> $Marker
            for joins::Join<L, R, K>
        {
        }
        impl<J: $Marker, On> $Marker for joins::JoinOn<J, On> {}
        impl<S: AliasSource> $Marker for Alias<S> where S::Target: $Marker {}
        impl<T: $Marker + QuerySource, U: QueryId, Op, Ret> $Marker
            for InsertStatement<T, U, Op, Ret>
        where
            U::QueryId: InsertSource,
        {
        }
        impl<T: $Marker + QuerySource, U, V, Ret> $Marker for UpdateStatement<T, U, V, Ret> {}
        impl<T: $Marker + QuerySource, U, Ret> $Marker for DeleteStatement<T, U, Ret> {}
        impl<T: $Marker + ?Sized> $Marker for &T {}
    };
}
carry!(Tenant);
carry!(Shared);

// The sources of a query are its own scope's business, and a source is a table, an alias or a join of them. They are asked
// for all the same, so that nothing reads by not being looked at.
impl<F: QuerySource + Reads, S, D, W, O, L, G, H, LC> Reads
    for SelectStatement<FromClause<F>, S, D, W, O, L, G, H, LC>
{
}
impl<ST, F: QuerySource + Reads, DB, GB> Reads
    for BoxedSelectStatement<'_, ST, FromClause<F>, DB, GB>
{
}
impl<S, L, LC> Reads for SelectWithoutFrom<S, L, LC>
where
    S: SelectClauseExpression<NoFromClause>,
    S::Selection: Reads,
{
}
impl<Q: Reads> Reads for Exists<Q> {}
impl<L: QuerySource + Reads, R: QuerySource + Reads, K> Reads for joins::Join<L, R, K> {}
impl<J: Reads, On> Reads for joins::JoinOn<J, On> {}
impl<S: AliasSource> Reads for Alias<S> where S::Target: Reads {}
impl<T: Reads + ?Sized> Reads for &T {}

/// A context that may run `Q`: a [`TenantContext`](crate::TenantContext) admits what is [`Tenant`], a
/// [`ReadContext`](crate::ReadContext) what is [`Tenant`] and [`Reads`], a [`SharedContext`](crate::SharedContext) what
/// is [`Shared`], [`Unrouted`](crate::Unrouted) anything.
///
/// Sealed: the language would let you write it for a table of your own.
/// ```compile_fail,E0046
/// # use diesel_tenants::prelude::*;
/// # mod schema { diesel::table! { users { id -> Integer, } } }
/// # routes! { static ROUTES; shared { accounts { schema::users } } tenant {} }
/// # fn main() {}
/// impl diesel_tenants::Admits<schema::users::table> for TenantContext {}
/// ```
pub trait Admits<Q> {
    #[doc(hidden)]
    fn admits(_: crate::context::private::Token);
}
