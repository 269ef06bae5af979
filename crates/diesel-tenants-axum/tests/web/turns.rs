//! Whatever way work is done, it has its turn until it ends; and what becomes another tenant on the way is not that one.
use std::sync::mpsc::{Receiver, Sender, channel};

use axum::Extension;
use axum::http::Uri;
use axum::response::IntoResponse;
use diesel_tenants::access::{ActorId, Membership, Principal, Role};
use diesel_tenants::audit::{AuditFilter, AuditNote};
use diesel_tenants::backend::TenantKey;
use diesel_tenants::error::{StaleGeneration, TenantFenced};
use diesel_tenants::{AccessError, OpenError, Retention};
use diesel_tenants_axum::TenantRejection;
use parking_lot::Mutex;

use super::*;

/// Work that says that it was begun and ends when it is told.
#[derive(Clone)]
struct Slow {
    begun: Sender<()>,
    go_on: Arc<Mutex<Receiver<()>>>,
}

impl Slow {
    fn work(self) -> QueryResult<()> {
        self.begun.send(()).unwrap();
        self.go_on.lock().recv().unwrap();
        Ok(())
    }
}

async fn slow(
    Path(way): Path<String>,
    tenant: TenantDb,
    shared: SharedDb,
    Extension(slow): Extension<Slow>,
) -> Result<(), RunError> {
    match way.as_str() {
        "tenant" => tenant.run(move |_| slow.work()).await,
        "both" => tenant.run_with_shared(move |_, _| slow.work()).await,
        "tenant-verbs" => tenant.run_on_tenancy(move |_, _| slow.work()).await,
        "shared" => shared.run(move |_| slow.work()).await,
        _ => shared.run_on_tenancy(move |_| slow.work()).await,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_of_every_kind_has_its_turn_until_it_ends() {
    let fleet = fleet();
    fleet.create("NORTH");
    let mut bounds = Admission::default();
    bounds.running = 1;
    bounds.wait = Duration::from_millis(50);
    let layer = TenantLayer::with_admission(fleet.tenancy.clone(), by_subdomain(), bounds);
    let (begun, has_begun) = channel();
    let (may_go_on, go_on) = channel();
    let go_on = Arc::new(Mutex::new(go_on));
    let app = routes()
        .route("/slow/{way}", get(slow))
        .layer(Extension(Slow { begun, go_on }))
        .layer(layer);
    let patients = || ask(&app, request("north.example.com", "/patients"));
    assert_eq!(patients().await.0, StatusCode::OK);
    for way in ["tenant", "both", "tenant-verbs", "shared", "shared-verbs"] {
        let first = {
            let (app, path) = (app.clone(), format!("/slow/{way}"));
            tokio::spawn(async move { ask(&app, request("north.example.com", &path)).await })
        };
        let has_begun = || has_begun.recv_timeout(Duration::from_secs(20)).unwrap();
        tokio::task::block_in_place(has_begun);
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        let turned_away = patients().await.0;
        may_go_on.send(()).unwrap();
        assert_eq!(turned_away, StatusCode::SERVICE_UNAVAILABLE, "{way}");
        while patients().await.0 != StatusCode::OK {}
    }
}

/// Nothing at all at a time would be a service that never answers.
#[tokio::test]
async fn one_at_a_time_is_the_least() {
    let fleet = fleet();
    fleet.create("NORTH");
    let mut bounds = Admission::default();
    (bounds.running, bounds.running_per_tenant) = (0, 0);
    bounds.wait = Duration::from_secs(1);
    let layer = TenantLayer::with_admission(fleet.tenancy.clone(), by_subdomain(), bounds);
    let app = routes().layer(layer);
    let told = ask(&app, request("north.example.com", "/patients")).await;
    assert_eq!(told.0, StatusCode::OK);
}

/// Routers take from a path what they stand under, and a host may be written with its dot.
#[tokio::test]
async fn a_tenant_is_found_wherever_the_router_stands() {
    let fleet = fleet();
    let north = fleet.create("NORTH");
    let inner = Router::new()
        .route("/{tenant}/patients", get(names))
        .layer(TenantLayer::new(
            fleet.tenancy.clone(),
            ByPathPrefix::new("hospitals"),
        ));
    let app = Router::new().nest("/hospitals", inner);
    let told = ask(&app, request("example.com", "/hospitals/NORTH/patients")).await;
    assert_eq!(told.0, StatusCode::OK, "{}", told.1);
    let uuid = fleet.tenancy.handle(&north).unwrap().record().unwrap().uuid;
    let app = fleet.app(ByDomain::new([("clinic.example", uuid)]));
    let told = ask(&app, request("clinic.example.", "/patients")).await;
    assert_eq!(told.0, StatusCode::OK, "{}", told.1);
    let mut both = request("clinic.example", "/patients");
    *both.uri_mut() = Uri::from_static("http://clinic.example.:80/patients");
    assert_eq!(ask(&app, both).await.0, StatusCode::OK);
}

/// Ada may open every tenant there is.
struct Everybody;

impl Membership for Everybody {
    fn role(&self, _: &mut SharedContext, _: &ActorId, _: &TenantKey) -> QueryResult<Option<Role>> {
        Ok(Some(Role::named("clerk").unwrap()))
    }
}

/// Makes the tenant another one of the same id, after it was found out which it is.
async fn swapped(tenant: TenantDb, shared: SharedDb) -> Result<Json<Vec<String>>, RunError> {
    let id = tenant.id();
    let becomes_another = move |tenancy: &Tenancy| {
        tenancy.suspend(&id).unwrap();
        tenancy.archive(&id).unwrap();
        tenancy
            .delete(&id, id.as_str(), Retention::days(0))
            .unwrap();
        tenancy.purge(&id, id.as_str()).unwrap();
        let new = NewTenant::named("Another").reuse_retired_id();
        tenancy.create(&id, new).unwrap();
        tenancy
            .audit(&AuditNote::new("test.swapped").unwrap())
            .unwrap();
        QueryResult::Ok(())
    };
    shared.run_on_tenancy(becomes_another).await?;
    let query = patients::table.select(patients::name);
    Ok(Json(tenant.run(move |ctx| query.load(ctx)).await?))
}

#[tokio::test]
async fn a_request_reaches_the_tenant_it_was_for_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES)
        .sqlite(dir.path().join("data"))
        .init()
        .shared_migrations(MigrationScript::new("1", "users", SHARED))
        .tenant_migrations(MigrationScript::new("1", "wards", TENANT))
        .membership(Everybody)
        .open()
        .unwrap();
    let fleet = Fleet { tenancy, _dir: dir };
    fleet.create("NORTH");
    let ada = Principal::user("user:ada".parse().unwrap());
    let app = Router::new()
        .route("/swapped", get(swapped))
        .layer(Extension(ada))
        .layer(TenantLayer::new(fleet.tenancy.clone(), by_subdomain()));
    let told = ask(&app, request("north.example.com", "/swapped")).await;
    assert_eq!(told.0, StatusCode::NOT_FOUND, "{}", told.1);
    // What is done on the whole library is in the name of who asks, too.
    let noted = AuditFilter::all().action("test.swapped");
    let noted = fleet.tenancy.audit_entries(&noted, 10).unwrap();
    assert_eq!(noted[0].actor, "user:ada");
}

/// What may work a little later is said to, in whatever way it was found out; what went wrong inside says nothing.
#[tokio::test]
async fn busy_is_worth_another_try_and_trouble_tells_nothing() {
    let tenant: TenantId = "NORTH".parse().unwrap();
    let busy = || OpenError::Busy {
        tenant: Some(tenant),
        waited: Duration::ZERO,
        in_use: 1,
        max: 1,
    };
    // Another process gives the tenant a new database while somebody is at work on the old one.
    let fleet = fleet();
    fleet.create("NORTH");
    let compact = || {
        let other = Tenancy::<SqliteConnection>::builder(&ROUTES)
            .sqlite(fleet.tenancy.data_directory())
            .shared_migrations(MigrationScript::new("1", "users", SHARED))
            .tenant_migrations(MigrationScript::new("1", "wards", TENANT));
        other.open().unwrap().compact(&tenant).unwrap();
    };
    let mut written = fleet.tenancy.tenant(&tenant).unwrap();
    compact();
    let insert = diesel::insert_into(patients::table).values(patients::name.eq("late"));
    let fenced = insert.execute(&mut written).unwrap_err();
    assert!(TenantFenced::of(&fenced).is_some(), "{fenced:?}");
    drop(written);
    let mut read = fleet.tenancy.tenant(&tenant).unwrap();
    compact();
    fleet.tenancy.tenants().unwrap();
    let stale = patients::table.count().get_result::<i64>(&mut read);
    let stale = stale.unwrap_err();
    assert!(StaleGeneration::of(&stale).is_some(), "{stale:?}");
    let failed = |error: diesel::result::Error| RunError::Failed(error).into_response();
    for response in [
        TenantRejection::from(busy()).into_response(),
        TenantRejection::from(AccessError::from(busy())).into_response(),
        failed(fenced),
        failed(stale),
    ] {
        let retry = response.headers().contains_key("retry-after");
        let (status, body) = text(response).await;
        assert_eq!((status, retry), (StatusCode::SERVICE_UNAVAILABLE, true));
        assert!(!body.contains("NORTH"), "{body}");
    }
    for rejection in [
        TenantRejection::NoLayer,
        TenantRejection::Panicked,
        TenantRejection::Guard(diesel::result::Error::NotFound),
        TenantRejection::Open(OpenError::ShuttingDown),
    ] {
        let (status, body) = text(rejection.into_response()).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        // The same of all, but for the id under which the cause is logged.
        let (before, id) = body.split_once(r#","id":""#).unwrap();
        let after = &id[36..];
        let nothing = (
            r#"{"error":{"code":"internal""#,
            r#"","message":"something went wrong"}}"#,
        );
        assert_eq!((before, after), nothing);
    }
}
