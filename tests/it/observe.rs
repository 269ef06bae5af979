//! What can be seen of a service from outside, and what cannot.
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Once;

use diesel_tenants::prelude::*;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

use crate::app::{Fleet, admit, fleet, patients};

thread_local! {
    /// What this thread traced, while it wants to know.
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Hears every thread and keeps what those say that asked for it. There is one for all tests of this process: one for
/// each would make tracing forget, at times, that somebody listens.
struct Listener;

fn keep(line: String) {
    LINES.with_borrow_mut(|lines| lines.iter_mut().for_each(|lines| lines.push(line.clone())));
}

/// What `f` traces on this thread.
fn traced(f: impl FnOnce()) -> String {
    static LISTENS: Once = Once::new();
    LISTENS.call_once(|| tracing::subscriber::set_global_default(Listener).unwrap());
    LINES.set(Some(Vec::new()));
    f();
    LINES.take().unwrap().join("\n")
}

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Listener {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "diesel_tenants" && LINES.with_borrow(Option::is_some)
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = format!("span {}", span.metadata().name());
        span.record(&mut Line(&mut line));
        keep(line);
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = event.metadata().level().to_string();
        event.record(&mut Line(&mut line));
        keep(line);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// A day in the life of a tenant, with a canary in what is written and asked for.
fn a_day(fleet: &Fleet) {
    let th001 = fleet.create("TH001");
    let mut ctx = th001.enter().unwrap();
    admit(&mut ctx, "CANARY-bind").unwrap();
    let found = patients::table
        .filter(patients::name.eq("CANARY-filter"))
        .count();
    assert_eq!(found.get_result::<i64>(&mut ctx).unwrap(), 0);
    let raw = "SELECT count(*) AS n FROM patients WHERE name = 'CANARY-literal'";
    ctx.unrouted("a literal", |raw_ctx| {
        diesel::sql_query(raw).execute(raw_ctx)
    })
    .unwrap();
    let missing = ctx.unrouted("an error", |raw_ctx| {
        diesel::sql_query("SELECT 'CANARY-wrong' FROM nowhere").execute(raw_ctx)
    });
    missing.unwrap_err();
    drop(ctx);
    fleet.tenancy.compact(&th001.id()).unwrap();
    fleet.tenancy.compact(&"TH001".parse().unwrap()).unwrap();
    fleet.tenancy.suspend(&th001.id()).unwrap();
    assert!(th001.enter().is_err());
    fleet.tenancy.shared().unwrap();
}

#[test]
fn what_is_traced_names_the_tenant_and_no_value() {
    let lines = traced(|| {
        let fleet = fleet();
        a_day(&fleet);
        fleet.tenancy.resume(&"TH001".parse().unwrap()).unwrap();
        let ctx = fleet.tenancy.tenant(&"TH001".parse().unwrap()).unwrap();
        let _entered = ctx.span().entered();
    });
    assert!(!lines.contains("CANARY"), "{lines}");
    for expected in [
        "TRACE message=query tenant=TH001 scope=\"tenant\" sql=\"INSERT INTO `patients` (`name`, `ward`) VALUES (?, ?)\"",
        "sql=\"SELECT count(*) AS n FROM patients WHERE name = '…'\"",
        "failed=true",
        "DEBUG message=connection opened tenant=TH001",
        "INFO message=operation begun tenant=TH001 kind=create",
        "INFO message=operation done tenant=TH001 kind=compact",
        "span operation tenant=TH001 kind=compact",
        "span tenant tenant=TH001 scope=\"tenant\" generation=3",
    ] {
        assert!(lines.contains(expected), "{expected}\nis not in\n{lines}");
    }
}

#[test]
fn every_metric_that_is_documented_is_given_and_no_other() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let fleet = crate::app::fleet_with(|builder| builder.freshness(std::time::Duration::ZERO));
        a_day(&fleet);
        std::fs::remove_file(fleet.file(&fleet.create("TH002"), 1)).unwrap();
        fleet.tenancy.tenant(&"TH002".parse().unwrap()).unwrap_err();
    });
    let mut given = BTreeSet::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let key = key.key();
        given.insert(key.name().to_owned());
        let labels: BTreeSet<&str> = key.labels().map(|label| label.key()).collect();
        assert!(
            labels.is_subset(&BTreeSet::from(["scope", "kind", "outcome"])),
            "{labels:?}"
        );
        if let DebugValue::Histogram(times) = value {
            assert!(
                times
                    .iter()
                    .all(|seconds| (0.0..60.0).contains(&seconds.into_inner()))
            );
        }
    }
    let documented = include_str!("../../src/observe.rs");
    let documented = documented
        .split("# `metrics`")
        .nth(1)
        .unwrap()
        .split("# `query-stats`")
        .next()
        .unwrap();
    let mut expected = BTreeSet::new();
    for word in documented
        .split('`')
        .filter(|word| word.starts_with("diesel_tenants_") || word.starts_with('…'))
    {
        expected.insert(word.replace('…', "diesel_tenants_pool"));
    }
    // Nothing was slow; what is is counted below.
    expected.remove("diesel_tenants_slow_queries_total");
    assert_eq!(given, expected);
}

/// A query that takes as long as it has to, and longer than any that is called slow; with two values that nobody sees.
#[test]
fn a_slow_query_is_warned_of_with_its_sql_and_no_value() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let lines = traced(|| {
        metrics::with_local_recorder(&recorder, || {
            let fleet = fleet();
            let tenant = fleet.create("TH001");
            let mut ctx = tenant.enter().unwrap();
            let mut rows = 100_000_i64;
            while fleet.tenancy.query_stats(&tenant.id()).unwrap().slow == 0 {
                let counting =
                    "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?)
                                SELECT 'CANARY-literal' FROM n WHERE ? || x = '' LIMIT 1";
                let ran = ctx.unrouted("take long", |raw| {
                    diesel::sql_query(counting)
                        .bind::<diesel::sql_types::BigInt, _>(rows)
                        .bind::<diesel::sql_types::Text, _>("CANARY-bind")
                        .execute(raw)
                });
                ran.unwrap();
                rows *= 2;
            }
        });
    });
    let warned: Vec<&str> = lines.lines().filter(|it| it.starts_with("WARN")).collect();
    let [warned] = warned[..] else {
        panic!("{warned:?}");
    };
    for expected in [
        "message=slow query tenant=TH001 scope=\"tenant\" sql=\"WITH RECURSIVE n (x) AS",
        "SELECT '…' FROM n WHERE ? || x = '…' LIMIT …\"",
        "failed=false",
    ] {
        assert!(warned.contains(expected), "{expected}\nis not in\n{warned}");
    }
    assert!(!lines.contains("CANARY"), "{lines}");
    let elapsed = warned.split("elapsed_us=").nth(1).unwrap();
    let elapsed = elapsed.split(' ').next().unwrap().parse().unwrap();
    let elapsed = std::time::Duration::from_micros(elapsed);
    assert!(
        elapsed >= diesel_tenants::observe::SLOW_QUERY,
        "{elapsed:?}"
    );
    let counted = snapshotter.snapshot().into_vec();
    let counted = counted
        .iter()
        .find(|(key, ..)| key.key().name() == "diesel_tenants_slow_queries_total");
    assert!(
        counted.is_some_and(|(.., value)| *value == DebugValue::Counter(1)),
        "{counted:?}"
    );
}

#[test]
fn queries_are_counted_for_each_tenant() {
    let fleet = fleet();
    let (one, two) = (fleet.create("TH001"), fleet.create("TH002"));
    for _ in 0..3 {
        admit(&mut one.enter().unwrap(), "x").unwrap();
    }
    let wrong = two.enter().unwrap().unrouted("an error", |raw| {
        diesel::sql_query("SELECT nowhere").execute(raw)
    });
    wrong.unwrap_err();
    let stats = |tenant: &TenantHandle| fleet.tenancy.query_stats(&tenant.id()).unwrap();
    assert_eq!((stats(&one).queries, stats(&one).errors), (3, 0));
    assert_eq!((stats(&two).queries, stats(&two).errors), (1, 1));
    assert!(
        stats(&one).longest <= stats(&one).total && stats(&one).longest > std::time::Duration::ZERO
    );
}
