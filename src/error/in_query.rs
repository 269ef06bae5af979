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
/// What was acknowledged before is kept. Let the closure of the transaction end with the error, then open a new context and
/// try again: one that is assigned inside the closure is in no transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "tenant `{tenant}` is fenced for maintenance and this connection is on its old database; end what is done on this context, then open a new one and try again"
)]
#[non_exhaustive]
pub struct TenantFenced {
    /// The tenant.
    pub tenant: TenantId,
}

/// The tenant has a new physical database since this context was opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this context is on generation {opened_on} of {}, which is at {now}; end what is done on this context, then open a new one and try again",
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

/// This context cannot be used any more, and nothing is kept of the transaction that was open on it.
///
/// Let the closure it was got in end with this error, drop the context, and open a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{cause}, so this context cannot be used any more and nothing is kept of its open transaction; drop it and open a new one"
)]
#[non_exhaustive]
pub struct ContextPoisoned {
    /// What happened to it.
    pub cause: PoisonCause,
}

/// Why a context cannot be used any more: see [`ContextPoisoned`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoisonCause {
    /// A transaction was cut short, and what it had written is gone. A panic went through it, or the database ended it after
    /// an error (SQLite does when the disk is full).
    CutShort,
    /// Rows of an earlier query were leaked ([`std::mem::forget`] of a [`RowIter`](crate::RowIter)), and its statement is
    /// still open on the connection.
    RowsLeaked,
    /// The context was exchanged for another one inside the closure of its own transaction (`*ctx = …`,
    /// [`std::mem::swap`]).
    Exchanged,
    /// After [`Unrouted::connection`](crate::Unrouted::connection), the connection leads to another database, or cannot be
    /// asked to which.
    Replaced,
}

impl std::fmt::Display for PoisonCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::CutShort => "a transaction was cut short, by a panic or by the database",
            Self::RowsLeaked => "the rows of an earlier query were leaked and are still open",
            Self::Exchanged => {
                "a context was exchanged for another one inside the closure of its transaction"
            }
            Self::Replaced => {
                "the connection given out by `unrouted` is not on the database of this context any more"
            }
        })
    }
}

/// A write, or a transaction that may write, was asked for inside a read transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a read transaction takes no writes and holds no transaction that writes; use `transaction` for the outer one"
)]
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
