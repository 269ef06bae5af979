//! Subscriptions and modules in front of routes.
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::shared::hospitals;
use diesel_tenants::models::shared::accounts::NewHospital;
use diesel_tenants::models::shared::subscriptions::{BillingCycle, SubscriptionState};
use diesel_tenants::models::{ROUTES, SHARED_MIGRATIONS, TENANT_MIGRATIONS};
use diesel_tenants::prelude::*;
use diesel_tenants::services::permissions::Module;
use diesel_tenants::services::{now, subscriptions};
use diesel_tenants_axum::TenantLayer;
use diesel_tenants_axum::guard::{RequireModule, RequireSubscription};

use super::{ask, by_subdomain, request};

#[tokio::test]
async fn a_route_is_behind_the_subscription_and_its_module() {
    let dir = tempfile::tempdir().unwrap();
    let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES)
        .sqlite(dir.path().join("data"))
        .init()
        .shared_migrations(SHARED_MIGRATIONS)
        .tenant_migrations(TENANT_MIGRATIONS)
        .open()
        .unwrap();
    let new = NewTenant::named("North").subdomain("north");
    tenancy.create(&"NORTH".parse().unwrap(), new).unwrap();
    let app = Router::new()
        .route("/surgery", get(|| async { "theatre" }))
        .route_layer(RequireModule(Module::Surgery))
        .route("/patients", get(|| async { "list" }))
        .route_layer(RequireSubscription)
        .layer(TenantLayer::new(tenancy.clone(), by_subdomain()));
    let status = async |path: &str| ask(&app, request("north.example.com", path)).await.0;

    // No hospital row, and no subscription.
    assert_eq!(status("/patients").await, StatusCode::PAYMENT_REQUIRED);
    let hospital = Id::new();
    let row = NewHospital {
        id: hospital,
        code: "NORTH",
        name: "North",
        subdomain: "north",
        contact_name: None,
        email: "office@north.example",
        phone: None,
        address: None,
        city: None,
        country: None,
        website: None,
        time_zone: "UTC",
        currency: "USD",
        created_at: now(),
    };
    let shared = &mut tenancy.shared().unwrap();
    diesel::insert_into(hospitals::table)
        .values(&row)
        .execute(shared)
        .unwrap();
    assert_eq!(status("/patients").await, StatusCode::PAYMENT_REQUIRED);
    subscriptions::ensure_plans(shared, now()).unwrap();
    subscriptions::start_trial(shared, hospital, "basic", BillingCycle::Monthly, now()).unwrap();
    assert_eq!(status("/patients").await, StatusCode::OK);
    let (code, body) = ask(&app, request("north.example.com", "/surgery")).await;
    assert_eq!(code, StatusCode::FORBIDDEN);
    assert!(
        body.contains("module_disabled") && body.contains("surgery"),
        "{body}"
    );
    subscriptions::set_modules(shared, hospital, &[Module::Surgery], now()).unwrap();
    assert_eq!(status("/surgery").await, StatusCode::OK);
    subscriptions::change_state(shared, hospital, SubscriptionState::Suspended, now()).unwrap();
    assert_eq!(status("/surgery").await, StatusCode::PAYMENT_REQUIRED);
    // And a tenant that is not there, or closed, is not told apart by any of it.
    let nobody = ask(&app, request("nobody.example.com", "/surgery")).await;
    assert_eq!(nobody.0, StatusCode::NOT_FOUND);
    assert!(nobody.1.contains("tenant_unavailable"), "{nobody:?}");
    let north = "NORTH".parse().unwrap();
    for step in [Tenancy::suspend, Tenancy::archive] {
        step(&tenancy, &north).unwrap();
        for path in ["/surgery", "/patients"] {
            assert_eq!(ask(&app, request("north.example.com", path)).await, nobody);
        }
    }
}
