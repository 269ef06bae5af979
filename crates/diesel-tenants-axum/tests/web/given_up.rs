//! Requests that are given up, and those that are too many.
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use diesel_tenants::prelude::*;
use diesel_tenants_axum::{Admission, TenantDb, TenantLayer};
use tokio::runtime::Builder;
use tokio::task::JoinHandle;

use super::{Fleet, ask, by_subdomain, fleet, request, routes};

/// A service with a route whose work says that it was begun and ends when it is told.
struct Gated {
    app: Router,
    fleet: Fleet,
    /// Requests that have their tenant, and work that was begun.
    asked: Arc<AtomicUsize>,
    begun: Arc<AtomicUsize>,
    go_on: Sender<()>,
}

fn gated(bounds: Admission) -> Gated {
    let fleet = fleet();
    fleet.create("NORTH");
    let asked = Arc::new(AtomicUsize::new(0));
    let begun = Arc::new(AtomicUsize::new(0));
    let (go_on, may_go_on) = channel::<()>();
    let may_go_on = Arc::new(parking_lot::Mutex::new(may_go_on));
    let slow = {
        let (asked, begun) = (Arc::clone(&asked), Arc::clone(&begun));
        move |tenant: TenantDb| {
            let asked = Arc::clone(&asked);
            let (begun, may_go_on) = (Arc::clone(&begun), Arc::clone(&may_go_on));
            async move {
                let work = move |_: &mut TenantContext| {
                    begun.fetch_add(1, Ordering::SeqCst);
                    may_go_on.lock().recv().unwrap();
                    QueryResult::Ok(())
                };
                asked.fetch_add(1, Ordering::SeqCst);
                tenant.run(work).await.map(|()| "done")
            }
        }
    };
    let layer = TenantLayer::with_admission(fleet.tenancy.clone(), by_subdomain(), bounds);
    Gated {
        app: routes().route("/slow", get(slow)).layer(layer),
        fleet,
        asked,
        begun,
        go_on,
    }
}

/// A defence that is missing must fail a test, not hang it.
fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

impl Gated {
    fn ask(&self, path: &'static str) -> JoinHandle<StatusCode> {
        let app = self.app.clone();
        tokio::spawn(async move { ask(&app, request("north.example.com", path)).await.0 })
    }

    async fn until_begun(&self, count: usize) {
        let until = deadline();
        while self.begun.load(Ordering::SeqCst) < count {
            assert!(Instant::now() < until, "it was never begun");
            tokio::task::yield_now().await;
        }
    }

    /// Lets what has begun end, and waits until its turn and its connection are back.
    async fn release(&self) {
        self.go_on.send(()).unwrap();
        while self.fleet.tenancy.stats().in_use > 0 {
            tokio::task::yield_now().await;
        }
    }
}

fn bounds(per_tenant: usize, waiting: usize) -> Admission {
    let mut bounds = Admission::default();
    bounds.running_per_tenant = per_tenant;
    bounds.waiting = waiting;
    bounds.wait = Duration::from_millis(200);
    bounds
}

/// Work that goes on after its request was given up takes its tenant's turn until it ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_nobody_waits_for_keeps_its_turn_until_it_ends() {
    let gated = gated(bounds(1, 100));
    let first = gated.ask("/slow");
    gated.until_begun(1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let turned_away = gated.ask("/patients").await.unwrap();
    assert_eq!(turned_away, StatusCode::SERVICE_UNAVAILABLE);
    gated.release().await;
    assert_eq!(gated.ask("/patients").await.unwrap(), StatusCode::OK);
}

/// Work that no thread took up before its request was given up is not done at all.
#[test]
fn work_of_a_request_that_is_gone_is_not_begun() {
    let mut builder = Builder::new_multi_thread();
    // One thread for such work, so that the second has none.
    let runtime = builder
        .worker_threads(2)
        .max_blocking_threads(1)
        .enable_all();
    runtime.build().unwrap().block_on(async {
        let gated = gated(bounds(4, 100));
        let first = gated.ask("/slow");
        gated.until_begun(1).await;
        let deadline = deadline();
        let second = loop {
            assert!(Instant::now() < deadline, "it was never asked");
            // The tenant is known: looking it up would want the thread, too.
            gated.fleet.tenancy.tenants().unwrap();
            let second = gated.ask("/slow");
            let until = Instant::now() + Duration::from_millis(500);
            while gated.asked.load(Ordering::SeqCst) < 2 && Instant::now() < until {
                tokio::task::yield_now().await;
            }
            if gated.asked.load(Ordering::SeqCst) == 2 {
                // In one go with being asked it was put in the line for the thread.
                break second;
            }
            second.abort();
        };
        second.abort();
        assert!(second.await.unwrap_err().is_cancelled());
        // Twice, so that a second one that is begun after all is seen and not waited for.
        gated.go_on.send(()).unwrap();
        gated.go_on.send(()).unwrap();
        assert_eq!(first.await.unwrap(), StatusCode::OK);
        // The thread is free, and takes up what is next: this, and nothing before it.
        assert_eq!(gated.ask("/patients").await.unwrap(), StatusCode::OK);
        assert_eq!(gated.begun.load(Ordering::SeqCst), 1);
    });
}

/// Beyond those who may wait, one is turned away at once; and who gives up waiting makes room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_line_is_as_long_as_it_may_be_and_giving_up_leaves_it() {
    let mut bounds = bounds(1, 2);
    bounds.wait = Duration::from_secs(60);
    let gated = gated(bounds);
    let first = gated.ask("/slow");
    gated.until_begun(1).await;
    for _ in 0..3 {
        // Those in line do not move, so that only being turned away is quick.
        let in_line = [gated.ask("/patients"), gated.ask("/patients")];
        let until = deadline();
        let turned_away = loop {
            assert!(Instant::now() < until, "nobody is turned away");
            let asked = gated.ask("/patients");
            let abort = asked.abort_handle();
            match tokio::time::timeout(Duration::from_millis(200), asked).await {
                Ok(status) => break status.unwrap(),
                // It was in the line before one of the two.
                Err(_) => abort.abort(),
            }
        };
        assert_eq!(turned_away, StatusCode::SERVICE_UNAVAILABLE);
        for waiting in in_line {
            waiting.abort();
            let _ = waiting.await;
        }
    }
    gated.release().await;
    assert_eq!(first.await.unwrap(), StatusCode::OK);
    assert_eq!(gated.ask("/patients").await.unwrap(), StatusCode::OK);
}

/// What belongs to no tenant, which anybody can ask for, leaves room for the tenants.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shared_work_has_a_line_of_its_own() {
    let mut bounds = bounds(4, 100);
    bounds.running = 3;
    bounds.running_shared = 2;
    let gated = gated(bounds);
    gated.fleet.tenancy.tenants().unwrap();
    let begun = Arc::new(AtomicUsize::new(0));
    // Goes on when the sender is gone.
    let (goes_on, may_go_on) = channel::<()>();
    let may_go_on = Arc::new(parking_lot::Mutex::new(may_go_on));
    let shared_work = {
        let begun = Arc::clone(&begun);
        get(move |shared: diesel_tenants_axum::SharedDb| {
            let (begun, may_go_on) = (Arc::clone(&begun), Arc::clone(&may_go_on));
            async move {
                let work = move |_: &mut SharedContext| {
                    begun.fetch_add(1, Ordering::SeqCst);
                    let _ = may_go_on.lock().recv();
                    QueryResult::Ok(())
                };
                shared.run(work).await.map(|()| "done")
            }
        })
    };
    let layer = TenantLayer::with_admission(gated.fleet.tenancy.clone(), by_subdomain(), bounds);
    let app = routes().route("/shared", shared_work).layer(layer);
    let asked: Vec<_> = (0..4)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move { ask(&app, request("example.com", "/shared")).await.0 })
        })
        .collect();
    let until = deadline();
    while begun.load(Ordering::SeqCst) < 2 {
        assert!(Instant::now() < until, "it was never begun");
        tokio::task::yield_now().await;
    }
    gated.fleet.tenancy.tenants().unwrap();
    let (status, _) = ask(&app, request("north.example.com", "/patients")).await;
    drop(goes_on);
    assert_eq!(status, StatusCode::OK);
    for asked in asked {
        asked.await.unwrap();
    }
}
