//! What is written down, where a feature asks for it.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::Connection;
use diesel::connection::{Instrumentation, InstrumentationEvent, get_default_instrumentation};
use diesel::result::Error;

#[cfg(feature = "tracing")]
use super::statement::sql_only;
use super::{QueryStats, SLOW_QUERY};
use crate::backend::ConnectError;
use crate::catalog::OperationKind;
#[cfg(feature = "metrics")]
use crate::pool::PoolStats;
use crate::tenant_id::TenantId;

/// The numbers of one database. Written with each query, so nothing but additions.
#[derive(Default)]
pub(crate) struct Counters {
    queries: AtomicU64,
    errors: AtomicU64,
    slow: AtomicU64,
    nanos: AtomicU64,
    longest: AtomicU64,
}

impl Counters {
    fn count(&self, took: Duration, failed: bool) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.queries.fetch_add(1, Ordering::Relaxed);
        self.errors.fetch_add(failed.into(), Ordering::Relaxed);
        self.slow
            .fetch_add((took >= SLOW_QUERY).into(), Ordering::Relaxed);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
        self.longest.fetch_max(nanos, Ordering::Relaxed);
    }

    #[cfg_attr(
        not(feature = "query-stats"),
        allow(dead_code, reason = "asked for by that feature")
    )]
    pub(crate) fn read(&self) -> QueryStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        QueryStats {
            queries: read(&self.queries),
            errors: read(&self.errors),
            slow: read(&self.slow),
            total: Duration::from_nanos(read(&self.nanos)),
            longest: Duration::from_nanos(read(&self.longest)),
        }
    }
}

fn scope(tenant: Option<TenantId>) -> &'static str {
    match tenant {
        Some(_) => "tenant",
        None => "shared",
    }
}

/// Watches the statements of a connection. What the application has set as Diesel's default goes on hearing of them.
pub(crate) fn watch<C: Connection>(
    conn: &mut C,
    tenant: Option<TenantId>,
    counters: &Arc<Counters>,
) {
    conn.set_instrumentation(Watch {
        tenant,
        counters: Arc::clone(counters),
        started: None,
        others: get_default_instrumentation(),
    });
}

struct Watch {
    tenant: Option<TenantId>,
    counters: Arc<Counters>,
    started: Option<Instant>,
    others: Option<Box<dyn Instrumentation>>,
}

impl Instrumentation for Watch {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match &event {
            InstrumentationEvent::StartQuery { .. } => self.started = Some(Instant::now()),
            InstrumentationEvent::FinishQuery { query, error, .. } => {
                if let Some(started) = self.started.take() {
                    // A row that is not there is an answer.
                    let failed = error.is_some_and(|error| !matches!(error, Error::NotFound));
                    self.finished(started.elapsed(), failed, query);
                }
            }
            _ => {}
        }
        if let Some(others) = &mut self.others {
            others.on_connection_event(event);
        }
    }
}

impl Watch {
    fn finished(&self, took: Duration, failed: bool, query: &dyn std::fmt::Display) {
        self.counters.count(took, failed);
        let slow = took >= SLOW_QUERY;
        #[cfg(feature = "metrics")]
        {
            let scope = scope(self.tenant);
            metrics::counter!("diesel_tenants_queries_total", "scope" => scope).increment(1);
            metrics::histogram!("diesel_tenants_query_seconds", "scope" => scope).record(took);
            if failed {
                metrics::counter!("diesel_tenants_query_errors_total", "scope" => scope)
                    .increment(1);
            }
            if slow {
                metrics::counter!("diesel_tenants_slow_queries_total", "scope" => scope)
                    .increment(1);
            }
        }
        #[cfg(feature = "tracing")]
        {
            use tracing::field::display;
            let tenant = self.tenant.map(display);
            let (scope, elapsed_us) = (scope(self.tenant), took.as_micros() as u64);
            if slow {
                let sql = sql_only(&query.to_string());
                tracing::warn!(target: "diesel_tenants", tenant, scope, sql, elapsed_us, failed, "slow query");
            } else if tracing::enabled!(target: "diesel_tenants", tracing::Level::TRACE) {
                let sql = sql_only(&query.to_string());
                tracing::trace!(target: "diesel_tenants", tenant, scope, sql, elapsed_us, failed, "query");
            }
        }
        let _ = (query, slow, self.tenant);
    }
}

/// An attempt to open a connection has ended.
pub(crate) fn connected(tenant: Option<TenantId>, started: Instant, error: Option<&ConnectError>) {
    let took = started.elapsed();
    let scope = scope(tenant);
    #[cfg(feature = "metrics")]
    match error {
        None => {
            metrics::counter!("diesel_tenants_connections_opened_total", "scope" => scope)
                .increment(1);
            metrics::histogram!("diesel_tenants_connect_seconds", "scope" => scope).record(took);
        }
        Some(_) => {
            metrics::counter!("diesel_tenants_connections_refused_total", "scope" => scope)
                .increment(1);
        }
    }
    #[cfg(feature = "tracing")]
    {
        use tracing::field::display;
        let (tenant, elapsed_us) = (tenant.map(display), took.as_micros() as u64);
        match error {
            None => {
                tracing::debug!(target: "diesel_tenants", tenant, scope, elapsed_us, "connection opened");
            }
            Some(error) => {
                tracing::warn!(target: "diesel_tenants", tenant, scope, error = %error, "connection refused");
            }
        }
    }
    let _ = (took, scope, error);
}

/// A context was opened, or refused.
#[inline]
pub(crate) fn context(tenant: Option<TenantId>, opened: bool) {
    // Labels that are written out cost no allocation.
    #[cfg(feature = "metrics")]
    match (tenant, opened) {
        (Some(_), true) => {
            metrics::counter!("diesel_tenants_contexts_total", "scope" => "tenant").increment(1);
        }
        (None, true) => {
            metrics::counter!("diesel_tenants_contexts_total", "scope" => "shared").increment(1);
        }
        (_, false) => {
            metrics::counter!("diesel_tenants_contexts_refused_total", "scope" => scope(tenant))
                .increment(1);
        }
    }
    let _ = (tenant, opened);
}

/// How the pools are now.
#[cfg(feature = "metrics")]
pub(crate) fn pool(stats: &PoolStats) {
    metrics::counter!("diesel_tenants_pool_waits_total").absolute(stats.waited);
    metrics::counter!("diesel_tenants_pool_rejections_total").absolute(stats.rejected);
    metrics::counter!("diesel_tenants_pool_evictions_total").absolute(stats.evicted);
    metrics::gauge!("diesel_tenants_pool_open").set(stats.open as f64);
    metrics::gauge!("diesel_tenants_pool_in_use").set(stats.in_use as f64);
    metrics::gauge!("diesel_tenants_pool_max").set(stats.max_connections as f64);
}

/// Does something to a tenant.
pub(crate) fn operation<T, E: std::fmt::Display>(
    tenant: TenantId,
    kind: OperationKind,
    f: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let started = Instant::now();
    #[cfg(feature = "tracing")]
    let _span = {
        let span = tracing::info_span!(target: "diesel_tenants", "operation", %tenant, %kind);
        tracing::info!(target: "diesel_tenants", parent: &span, %tenant, %kind, "operation begun");
        span.entered()
    };
    let outcome = f();
    let took = started.elapsed();
    #[cfg(feature = "metrics")]
    {
        let outcome = match &outcome {
            Ok(_) => "done",
            Err(_) => "failed",
        };
        let kind = kind.as_str();
        metrics::counter!("diesel_tenants_operations_total", "kind" => kind, "outcome" => outcome)
            .increment(1);
        metrics::histogram!("diesel_tenants_operation_seconds", "kind" => kind).record(took);
    }
    #[cfg(feature = "tracing")]
    {
        let elapsed_ms = took.as_millis() as u64;
        match &outcome {
            Ok(_) => {
                tracing::info!(target: "diesel_tenants", %tenant, %kind, elapsed_ms, "operation done")
            }
            Err(error) => {
                tracing::warn!(target: "diesel_tenants", %tenant, %kind, elapsed_ms, %error, "operation failed");
            }
        }
    }
    let _ = (tenant, kind, took);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_add_up() {
        let counters = Counters::default();
        counters.count(Duration::from_millis(1), false);
        counters.count(SLOW_QUERY, true);
        let stats = counters.read();
        assert_eq!((stats.queries, stats.errors, stats.slow), (2, 1, 1));
        assert_eq!(stats.total, Duration::from_millis(251));
        assert_eq!(stats.longest, SLOW_QUERY);
    }
}
