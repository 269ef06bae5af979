//! What a tenant is called changes while it is in use.
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use diesel_tenants::error::RenameError;
use diesel_tenants::{OpenError, Rename, prelude::*};

use crate::app::{admit, fleet, fleet_with, names};

fn id(id: &str) -> TenantId {
    id.parse().unwrap()
}

#[test]
fn a_tenant_in_use_is_renamed_and_no_query_fails() {
    let fleet = fleet();
    let new = NewTenant::named("Old Name").subdomain("s0");
    let tenant = fleet.tenancy.create(&id("A1"), new).unwrap();
    admit(&mut tenant.enter().unwrap(), "kept").unwrap();
    let (done, queries) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|threads| {
        // Both a context that stays open and ones that are opened anew.
        for keeps_open in [true, false] {
            let (tenant, done, queries) = (&tenant, &done, &queries);
            threads.spawn(move || {
                let mut ctx = tenant.enter().unwrap();
                while !AtomicBool::load(done, Ordering::SeqCst) {
                    if !keeps_open {
                        ctx = tenant.enter().unwrap();
                    }
                    assert_eq!(names(&mut ctx)[0], "kept");
                    admit(&mut ctx, "more").unwrap();
                    queries.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for round in 1..=20 {
            let before = AtomicUsize::load(&queries, Ordering::SeqCst);
            let to = Rename::new()
                .display_name(format!("Name {round}"))
                .subdomain(format!("s{round}"));
            fleet.tenancy.rename(&id("A1"), to).unwrap();
            let at = |n: i32| fleet.tenancy.handle_at(&format!("s{n}").parse().unwrap());
            assert_eq!(at(round).unwrap().id(), id("A1"));
            let gone = at(round - 1).unwrap_err();
            assert!(matches!(gone, OpenError::UnknownSubdomain { .. }));
            while AtomicUsize::load(&queries, Ordering::SeqCst) < before + 4 {
                std::thread::yield_now();
            }
        }
        done.store(true, Ordering::SeqCst);
    });
    let record = tenant.record().unwrap();
    assert_eq!(record.id.as_str(), "A1");
    assert_eq!(record.display_name.as_str(), "Name 20");
    assert_eq!(record.generation, 1);
}

#[test]
fn other_processes_follow_within_the_freshness_bound() {
    let bound = Duration::from_millis(200);
    let fleet = fleet_with(|b| b.freshness(bound));
    let new = NewTenant::named("x").subdomain("old");
    fleet.tenancy.create(&id("A1"), new).unwrap();
    let elsewhere = fleet.again();
    elsewhere
        .rename(&id("A1"), Rename::new().subdomain("new"))
        .unwrap();
    // Who asks for a name that is not known gets the newest word at once.
    let at = |name: &str| fleet.tenancy.handle_at(&name.parse().unwrap());
    assert_eq!(at("new").unwrap().id(), id("A1"));
    elsewhere
        .rename(&id("A1"), Rename::new().no_subdomain())
        .unwrap();
    let changed = Instant::now();
    loop {
        let age = changed.elapsed();
        if at("new").is_err() {
            break;
        }
        assert!(
            age < bound + Duration::from_millis(20),
            "still known after {age:?}"
        );
    }
}

#[test]
fn what_is_not_named_stays_as_it_is() {
    let fleet = fleet();
    let new = NewTenant::named("Name").subdomain("sub");
    let tenant = fleet.tenancy.create(&id("A1"), new).unwrap();
    let rename = |to| fleet.tenancy.rename(&id("A1"), to).unwrap();
    let now = || {
        let record = tenant.record().unwrap();
        let subdomain = record.subdomain.as_ref().map(|s| s.to_string());
        (record.display_name.to_string(), subdomain)
    };
    rename(Rename::new());
    assert_eq!(now(), ("Name".into(), Some("sub".into())));
    rename(Rename::new().display_name("Other"));
    assert_eq!(now(), ("Other".into(), Some("sub".into())));
    rename(Rename::new().no_subdomain());
    assert_eq!(now(), ("Other".into(), None));
    // Its own subdomain is nobody else's.
    rename(Rename::new().subdomain("sub"));
    rename(Rename::new().subdomain("sub"));
    assert_eq!(now(), ("Other".into(), Some("sub".into())));
}

#[test]
fn a_name_that_cannot_be_is_refused_and_nothing_changes() {
    let fleet = fleet();
    for (code, subdomain) in [("A1", "a"), ("B1", "b")] {
        let new = NewTenant::named("Name").subdomain(subdomain);
        fleet.tenancy.create(&id(code), new).unwrap();
    }
    let rename = |to: Rename| fleet.tenancy.rename(&id("A1"), to.display_name("New"));
    let taken = rename(Rename::new().subdomain("b")).unwrap_err();
    assert_eq!(
        taken.to_string(),
        "the subdomain `b` belongs to tenant `B1`; choose another"
    );
    let bad = rename(Rename::new().subdomain("-a")).unwrap_err();
    assert!(matches!(bad, RenameError::Subdomain(_)), "{bad:?}");
    let bad = fleet
        .tenancy
        .rename(&id("A1"), Rename::new().display_name("a\0").subdomain("c"));
    assert!(matches!(bad, Err(RenameError::DisplayName(_))), "{bad:?}");
    let record = fleet.tenancy.tenants().unwrap()[0].clone();
    assert_eq!(record.display_name.as_str(), "Name");
    assert_eq!(record.subdomain.as_ref().unwrap().as_str(), "a");
    // A subdomain that was given up is free, in this process too.
    fleet
        .tenancy
        .rename(&id("B1"), Rename::new().subdomain("c"))
        .unwrap();
    rename(Rename::new().subdomain("b")).unwrap();
    let at = fleet.tenancy.handle_at(&"b".parse().unwrap()).unwrap();
    assert_eq!(at.id(), id("A1"));
}
