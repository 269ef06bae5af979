//! Customers' own domains.
use std::sync::atomic::AtomicBool;

use diesel_tenants::Retention;
use parking_lot::Mutex;

use super::*;

/// Section B of the bad inputs, for a domain in place of a subdomain.
#[tokio::test]
async fn a_host_that_is_none_is_no_domain_either() {
    let fleet = fleet();
    let north = fleet.create("NORTH");
    let uuid = fleet.uuid(&north);
    let looked_up = ByDomain::looked_up(Duration::from_secs(60), move |domain| {
        Ok((domain == "clinic.example").then_some(uuid))
    });
    for app in [
        fleet.app(ByDomain::new([("Clinic.Example", uuid), ("a b", uuid)])),
        fleet.app(looked_up),
    ] {
        for host in [
            "clinic.example",
            "CLINIC.example:443",
            "clinic.example.:8080",
        ] {
            let (status, body) = ask(&app, request(host, "/patients")).await;
            assert_eq!(
                (status, &*body),
                (StatusCode::OK, r#"["CANARY-NORTH"]"#),
                "{host}"
            );
        }
        for host in [
            "clinic.example:99999",
            "clinic.example:",
            "clinic.example:0",
            "clinic.example:x",
            "clinic.example, other.example",
            "a b",
            "[clinic.example]",
        ] {
            let (status, _) = ask(&app, request(host, "/patients")).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{host}");
        }
        for host in ["other.example", "clinic.example.evil.example", "127.0.0.1"] {
            let (status, _) = ask(&app, request(host, "/patients")).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{host}");
        }
    }
}

#[tokio::test]
async fn domains_are_looked_up_and_change_without_a_restart() {
    let fleet = fleet();
    let (north, south) = (fleet.create("NORTH"), fleet.create("SOUTH"));
    let (north, south) = (fleet.uuid(&north), fleet.uuid(&south));
    let table = Arc::new(Mutex::new(BTreeMap::from([(
        "clinic.example".to_owned(),
        north,
    )])));
    let asked = Arc::new(AtomicUsize::new(0));
    let broken = Arc::new(AtomicBool::new(false));
    let of = |freshness| {
        let (table, asked, broken) = (Arc::clone(&table), Arc::clone(&asked), Arc::clone(&broken));
        let domains = ByDomain::looked_up(freshness, move |domain| {
            asked.fetch_add(1, Ordering::SeqCst);
            match broken.load(Ordering::SeqCst) {
                true => Err("CANARY of a database".into()),
                false => Ok(table.lock().get(domain).copied()),
            }
        });
        // What is nobody's domain is left to others, the first time and after.
        fleet.app(FirstOf::new().or(domains).or(by_subdomain()))
    };
    let row = |name: &str| (StatusCode::OK, format!(r#"["CANARY-{name}"]"#));

    let remembering = of(Duration::from_secs(600));
    for _ in 0..3 {
        for (host, name) in [("clinic.example", "NORTH"), ("south.example.com", "SOUTH")] {
            assert_eq!(
                ask(&remembering, request(host, "/patients")).await,
                row(name)
            );
        }
    }
    assert_eq!(
        asked.load(Ordering::SeqCst),
        2,
        "within the bound it is asked once for each"
    );
    let forgetting = of(Duration::ZERO);
    let clinic = || request("clinic.example", "/patients");
    assert_eq!(ask(&forgetting, clinic()).await, row("NORTH"));
    table.lock().insert("clinic.example".to_owned(), south);
    assert_eq!(ask(&forgetting, clinic()).await, row("SOUTH"));
    assert_eq!(
        ask(&forgetting, request("north.example.com", "/patients")).await,
        row("NORTH")
    );
    table.lock().clear();
    assert_eq!(ask(&forgetting, clinic()).await.0, StatusCode::NOT_FOUND);
    broken.store(true, Ordering::SeqCst);
    let (status, body) = ask(&forgetting, clinic()).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!body.contains("CANARY"), "{body}");
}

#[tokio::test]
async fn an_id_that_is_taken_again_does_not_inherit_the_domain() {
    let fleet = fleet();
    let north = fleet.create("NORTH");
    let first = fleet.uuid(&north);
    let app = fleet.app(ByDomain::new([("clinic.example", first)]));
    let clinic = || request("clinic.example", "/patients");
    assert_eq!(ask(&app, clinic()).await.0, StatusCode::OK);
    let tenancy = &fleet.tenancy;
    tenancy.suspend(&north).unwrap();
    tenancy.archive(&north).unwrap();
    tenancy.delete(&north, "NORTH", Retention::days(0)).unwrap();
    tenancy.purge(&north, "NORTH").unwrap();
    let again = NewTenant::named("again")
        .subdomain("again")
        .reuse_retired_id();
    tenancy.create(&north, again).unwrap();
    let other = request("again.example.com", "/patients");
    let (status, _) = ask(&fleet.app(by_subdomain()), other).await;
    assert_eq!(status, StatusCode::OK);
    assert_ne!(fleet.uuid(&north), first);
    assert_eq!(ask(&app, clinic()).await.0, StatusCode::NOT_FOUND);
}
