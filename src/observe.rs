//! Watching a service: traces, metrics, and statistics of queries.
//!
//! Three features, each off by default and without a cost while it is: `tracing`, `metrics` and `query-stats`. None of
//! them shows a bind value, a row, or a literal that stands in the text of a statement: of a statement names, keywords and
//! signs are shown, and `…` for texts in whatever quotes but those Diesel puts around names, for numbers, and for comments.
//!
//! # `tracing`
//!
//! All under the target `diesel_tenants`. `tenant` is the tenant's id, `scope` is `tenant` or `shared`.
//!
//! | name | level | fields |
//! |---|---|---|
//! | event `query` | trace | `tenant`, `scope`, `sql`, `elapsed_us`, `failed` |
//! | event `slow query` | warn | the same, from [`SLOW_QUERY`] on |
//! | event `connection opened` | debug | `tenant`, `scope`, `elapsed_us` |
//! | event `connection refused` | warn | `tenant`, `scope`, `error` |
//! | event `operation begun`, `operation done`, `operation failed` | info, info, warn | `tenant`, `kind`, `elapsed_ms`, `error` |
#![cfg_attr(
    feature = "tracing",
    doc = "| span `tenant`, `shared` | info | `tenant`, `scope`, `generation`: of a context, entered by whoever wants it ([`TenantContext::span`](crate::TenantContext::span)); `diesel-tenants-axum` does |"
)]
//!
//! # `metrics`
//!
//! Through the facade of that name, so whatever exporter the application has installed gets them.
//!
//! | name | kind | labels |
//! |---|---|---|
//! | `diesel_tenants_queries_total` | counter | `scope` |
//! | `diesel_tenants_query_errors_total` | counter | `scope` |
//! | `diesel_tenants_slow_queries_total` | counter | `scope` |
//! | `diesel_tenants_query_seconds` | histogram | `scope` |
//! | `diesel_tenants_contexts_total` | counter | `scope` |
//! | `diesel_tenants_contexts_refused_total` | counter | `scope` |
//! | `diesel_tenants_connections_opened_total` | counter | `scope` |
//! | `diesel_tenants_connections_refused_total` | counter | `scope` |
//! | `diesel_tenants_connect_seconds` | histogram | `scope` |
//! | `diesel_tenants_operations_total` | counter | `kind`, `outcome` (`done`, `failed`) |
//! | `diesel_tenants_operation_seconds` | histogram | `kind` |
//! | `diesel_tenants_pool_waits_total`, `…_rejections_total`, `…_evictions_total` | counter | |
//! | `diesel_tenants_pool_open`, `diesel_tenants_pool_in_use`, `diesel_tenants_pool_max` | gauge | |
//!
//! No metric carries a tenant: ten thousand of them would be ten thousand series. The numbers of the pool are read when the
//! cache of the catalogue is refreshed, about once per freshness bound of use.
//!
//! # `query-stats`
#![cfg_attr(
    feature = "query-stats",
    doc = "[`Tenancy::query_stats`](crate::Tenancy::query_stats) has the numbers of one tenant, since this process knows it: [`QueryStats`]."
)]
#![cfg_attr(
    not(feature = "query-stats"),
    doc = "Numbers of each tenant's queries, kept in memory."
)]
use std::time::Duration;

/// A query that takes this long is called slow: 250 ms.
pub const SLOW_QUERY: Duration = Duration::from_millis(250);

/// The queries of one tenant, in this process and since it first opened the tenant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct QueryStats {
    /// Statements that were run.
    pub queries: u64,
    /// Those that failed.
    pub errors: u64,
    /// Those that took [`SLOW_QUERY`] or longer.
    pub slow: u64,
    /// The time all of them took together.
    pub total: Duration,
    /// The time the longest took.
    pub longest: Duration,
}

#[cfg(feature = "tracing")]
mod statement;
#[cfg(any(feature = "tracing", feature = "metrics", feature = "query-stats"))]
mod watch;
#[cfg(feature = "metrics")]
pub(crate) use watch::pool;
#[cfg(any(feature = "tracing", feature = "metrics", feature = "query-stats"))]
pub(crate) use watch::{Counters, connected, context, operation, watch};

/// Without a feature there is nothing to call.
#[cfg(not(any(feature = "tracing", feature = "metrics", feature = "query-stats")))]
mod unwatched {
    use std::sync::Arc;
    use std::time::Instant;

    use crate::backend::ConnectError;
    use crate::catalog::OperationKind;
    use crate::tenant_id::TenantId;

    #[derive(Default)]
    pub(crate) struct Counters;

    #[inline(always)]
    pub(crate) fn watch<C>(_: &mut C, _: Option<TenantId>, _: &Arc<Counters>) {}
    #[inline(always)]
    pub(crate) fn connected(_: Option<TenantId>, _: Instant, _: Option<&ConnectError>) {}
    #[inline(always)]
    pub(crate) fn context(_: Option<TenantId>, _: bool) {}
    #[inline(always)]
    pub(crate) fn operation<T, E>(
        _: TenantId,
        _: OperationKind,
        f: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        f()
    }
}
#[cfg(not(any(feature = "tracing", feature = "metrics", feature = "query-stats")))]
pub(crate) use unwatched::{Counters, connected, context, operation, watch};
