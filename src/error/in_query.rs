//! Errors that reach a caller through Diesel: a query method returns `QueryResult`, so these travel inside
//! `diesel::result::Error::QueryBuilderError` and are read with their `of`.
use diesel::result::Error;

use crate::router::RouteEntry;
use crate::scope::ScopeKind;
use crate::tenant_id::TenantId;

/// Makes a type travel inside Diesel's error, and gives it `of` to get it out again.
macro_rules! travels_in_diesel_error {
    ($($Type:ident)*) => { $(
        impl $Type {
            /// This error, if `error` carries it.
            pub fn of(error: &Error) -> Option<&Self> {
                match error {
                    Error::QueryBuilderError(inner) => inner.downcast_ref(),
                    _ => None,
                }
            }
        }
        impl From<$Type> for Error {
            fn from(error: $Type) -> Self {
                Error::QueryBuilderError(Box::new(error))
            }
        }
    )* };
}
travels_in_diesel_error! { WrongScope MissingTable TenantFenced StaleGeneration ContextPoisoned ReadOnlyTransaction QuotaExceeded }

/// A statement touched a table of the other scope, where only the database could see it.
///
/// The types refuse this for every statement they can look into; a `dsl::sql` fragment or a boxed subquery they
/// cannot. The database has no such table, so nothing was read or written.
///
/// # Example
/// ```
/// # use diesel_tenants::WrongScope;
/// fn report(error: &diesel::result::Error) {
///     if let Some(wrong) = WrongScope::of(error) {
///         eprintln!("`{}` is {}", wrong.table, wrong.table_scope);
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{table}` is in the {table_scope} scope (module `{module}`), this ran on {}; {}",
    Place { scope: *context, tenant: tenant.as_ref() },
    match table_scope {
        ScopeKind::Shared => "run it on a `SharedContext` (`tenancy.shared()?`)",
        ScopeKind::Tenant => "run it on a `TenantContext` (`tenancy.tenant(&id)?`)",
    }
)]
#[non_exhaustive]
pub struct WrongScope {
    /// The table, by its name in SQL.
    pub table: String,
    /// Its module in the routing table.
    pub module: &'static str,
    /// Where the table lives.
    pub table_scope: ScopeKind,
    /// Where the statement ran.
    pub context: ScopeKind,
    /// The tenant, if it ran on a tenant's database.
    pub tenant: Option<TenantId>,
}

/// A table that belongs in this database is not there: the database has drifted from its migrations.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{table}` belongs in {} but is missing there: its schema has drifted or a migration is missing",
    Place { scope: *context, tenant: tenant.as_ref() }
)]
#[non_exhaustive]
pub struct MissingTable {
    /// The table, by its name in SQL.
    pub table: String,
    /// Which kind of database it is missing from.
    pub context: ScopeKind,
    /// The tenant, if it is a tenant's.
    pub tenant: Option<TenantId>,
}

/// The tenant's database is fenced: it is being restored, compacted, moved or deleted, and takes no more writes.
///
/// What was acknowledged before is kept. Open a new context and try again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "tenant `{tenant}` is fenced for maintenance and this connection is on its old database; open a new context and try again"
)]
#[non_exhaustive]
pub struct TenantFenced {
    /// The tenant.
    pub tenant: TenantId,
}

/// The tenant has a new physical database since this context was opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this context is on generation {opened_on} of {}, which is at {now}; open a new context and try again",
    Place { scope: ScopeKind::Tenant, tenant: tenant.as_ref() }
)]
#[non_exhaustive]
pub struct StaleGeneration {
    /// The tenant.
    pub tenant: Option<TenantId>,
    /// The generation of the context.
    pub opened_on: u64,
    /// The generation that is in use now.
    pub now: u64,
}

/// A transaction of this context was cut short, and what it had written is gone.
///
/// A panic went through it, or the database ended it after an error (SQLite does when the disk is full).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a transaction of this context was cut short, by a panic or by the database, so its work is lost; open a new context"
)]
#[non_exhaustive]
pub struct ContextPoisoned;

/// A transaction that may write was asked for inside a read transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a read transaction cannot hold one that writes; use `transaction` for the outer one")]
#[non_exhaustive]
pub struct ReadOnlyTransaction;

/// The tenant's database has reached its quota, and the statement would have made it grow.
///
/// Nothing is kept of the statement; where SQLite ended the transaction over it, nothing of that either, and the
/// context says so ([`ContextPoisoned`]). Reading, deleting and changing what is there goes on. Told from a full disk,
/// which is Diesel's own error, by the room the disk has left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "tenant `{tenant}` has reached its quota of {quota} bytes; delete rows, or raise it by `Tenancy::set_quota`"
)]
#[non_exhaustive]
pub struct QuotaExceeded {
    /// The tenant.
    pub tenant: TenantId,
    /// The most bytes its database may have.
    pub quota: u64,
}

/// "the database of tenant `TH001`" or "the shared database".
struct Place<'a> {
    scope: ScopeKind,
    tenant: Option<&'a TenantId>,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.scope, self.tenant) {
            (ScopeKind::Shared, _) => f.write_str("the shared database"),
            (ScopeKind::Tenant, Some(id)) => write!(f, "the database of tenant `{id}`"),
            (ScopeKind::Tenant, None) => f.write_str("a tenant's database"),
        }
    }
}

/// What the routing table makes of a table the database does not know.
pub(crate) fn missing_table(
    table: String,
    route: Option<&RouteEntry>,
    context: ScopeKind,
    tenant: Option<TenantId>,
) -> Option<Error> {
    let route = route?;
    Some(if route.scope() == context {
        MissingTable {
            table,
            context,
            tenant,
        }
        .into()
    } else {
        WrongScope {
            table,
            module: route.module(),
            table_scope: route.scope(),
            context,
            tenant,
        }
        .into()
    })
}
