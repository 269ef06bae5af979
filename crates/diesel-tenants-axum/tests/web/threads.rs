//! What is done on the threads that all requests share: nothing that waits for a database.
use std::cell::Cell;
use std::time::Instant;

use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};

use super::*;

thread_local! {
    /// Statements that this thread has run, on whichever connection.
    static STATEMENTS: Cell<usize> = const { Cell::new(0) };
}
static ALL: AtomicUsize = AtomicUsize::new(0);

struct Counting;

impl Instrumentation for Counting {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::StartQuery { .. } = event {
            STATEMENTS.set(STATEMENTS.get() + 1);
            ALL.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// With one thread for requests, which is this one. Half-way to the bound somebody reads the catalogue, and at the bound
/// everybody has to: on the blocking pool.
#[tokio::test]
async fn the_catalogue_is_not_read_on_the_threads_of_requests() {
    set_default_instrumentation(|| Some(Box::new(Counting))).unwrap();
    let freshness = Duration::from_millis(60);
    let fleet = fleet_with(|builder| builder.freshness(freshness));
    let north = fleet.create("NORTH");
    let by_domain = ByDomain::new([("clinic.example", fleet.uuid(&north))]);
    let app = Router::new()
        .route(
            "/who",
            get(|tenant: TenantDb| async move { tenant.id().to_string() }),
        )
        .layer(TenantLayer::new(
            fleet.tenancy.clone(),
            FirstOf::new().or(by_domain).or(by_subdomain()),
        ));
    let (here, all) = (STATEMENTS.get(), ALL.load(Ordering::SeqCst));
    assert!(here > 0, "nothing is counted");
    let until = Instant::now() + 5 * freshness;
    while Instant::now() < until {
        for host in ["north.example.com", "clinic.example"] {
            assert_eq!(ask(&app, request(host, "/who")).await.1, "NORTH");
        }
        assert_eq!(STATEMENTS.get(), here, "a statement was run on this thread");
    }
    assert!(
        ALL.load(Ordering::SeqCst) > all,
        "nobody looked whether anything has changed"
    );
}
