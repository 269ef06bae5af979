//! The whole way of a request: from its `Host` header to rows, and back.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderName, Request, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use diesel_tenants::prelude::*;
use diesel_tenants::{BaseDomains, Builder, MigrationScript, PoolConfig, Retention, Sqlite};
use diesel_tenants_axum::resolve::{
    ByClaim, ByDomain, ByHeader, ByPathPrefix, BySubdomain, FirstOf, Resolve,
};
use diesel_tenants_axum::{Admission, RunError, SharedDb, TenantDb, TenantLayer};
use http_body_util::BodyExt;
use tower::ServiceExt;

#[path = "web/domains.rs"]
mod domains;
#[path = "web/given_up.rs"]
mod given_up;
#[path = "web/guards.rs"]
mod guards;
#[path = "web/load.rs"]
mod load;
#[path = "web/principals.rs"]
mod principals;
#[path = "web/threads.rs"]
mod threads;
#[path = "web/turns.rs"]
mod turns;
#[path = "web/watched.rs"]
mod watched;

diesel::table! { users { id -> Integer, name -> Text, } }
diesel::table! { patients { id -> Integer, name -> Text, } }
routes! {
    static ROUTES;
    shared { accounts { users } }
    tenant { wards { patients } }
}

const SHARED: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL);";
const TENANT: &str =
    "CREATE TABLE patients (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL UNIQUE);";

struct Fleet {
    tenancy: Tenancy,
    _dir: tempfile::TempDir,
}

type Setup = Builder<SqliteConnection, Sqlite>;

fn fleet() -> Fleet {
    fleet_with(|builder| builder)
}

fn fleet_with(with: impl FnOnce(Setup) -> Setup) -> Fleet {
    fleet_in(tempfile::tempdir().unwrap(), with)
}

fn fleet_in(dir: tempfile::TempDir, with: impl FnOnce(Setup) -> Setup) -> Fleet {
    let builder = Tenancy::<SqliteConnection>::builder(&ROUTES)
        .sqlite(dir.path().join("data"))
        .init()
        .shared_migrations(MigrationScript::new("1", "users", SHARED))
        .tenant_migrations(MigrationScript::new("1", "wards", TENANT))
        .pool(PoolConfig::default().with_max_connections(32).unwrap());
    let tenancy = with(builder).open().unwrap();
    Fleet { tenancy, _dir: dir }
}

impl Fleet {
    /// A tenant with a subdomain like its id, and one row that says whose it is.
    fn create(&self, id: &str) -> TenantId {
        let tenant: TenantId = id.parse().unwrap();
        let new = NewTenant::named(id).subdomain(id.to_lowercase().replace('_', "-"));
        self.tenancy.create(&tenant, new).unwrap();
        let mut ctx = self.tenancy.tenant(&tenant).unwrap();
        diesel::insert_into(patients::table)
            .values(patients::name.eq(format!("CANARY-{id}")))
            .execute(&mut ctx)
            .unwrap();
        tenant
    }

    fn uuid(&self, tenant: &TenantId) -> uuid::Uuid {
        self.tenancy.handle(tenant).unwrap().uuid()
    }

    fn app(&self, resolver: impl Resolve) -> Router {
        routes().layer(TenantLayer::new(self.tenancy.clone(), resolver))
    }
}

fn by_subdomain() -> BySubdomain {
    BySubdomain::of(BaseDomains::new(["example.com", "localhost"]).unwrap())
}

fn routes() -> Router {
    Router::new()
        .route("/patients", get(names))
        .route("/patients/{name}", post(add).get(one))
        .route("/t/{tenant}/patients", get(names))
        .route("/users", get(users))
        .route("/health", get(|| async { "well" }))
        .route("/panic", get(panics))
}

async fn names(tenant: TenantDb) -> Result<Json<Vec<String>>, RunError> {
    let query = patients::table.select(patients::name).order(patients::id);
    Ok(Json(
        tenant.run(move |ctx| query.load::<String>(ctx)).await?,
    ))
}

async fn one(tenant: TenantDb, Path(name): Path<String>) -> Result<String, RunError> {
    let row = patients::table
        .filter(patients::name.eq(name))
        .select(patients::name);
    tenant.run(move |ctx| row.first(ctx)).await
}

async fn add(tenant: TenantDb, Path(name): Path<String>) -> Result<StatusCode, RunError> {
    let insert = |ctx: &mut TenantContext| {
        diesel::insert_into(patients::table)
            .values(patients::name.eq(name))
            .execute(ctx)
    };
    tenant.run(insert).await?;
    Ok(StatusCode::CREATED)
}

async fn users(shared: SharedDb) -> Result<Json<i64>, RunError> {
    Ok(Json(
        shared
            .run(|ctx| self::users::table.count().get_result(ctx))
            .await?,
    ))
}

async fn panics(tenant: TenantDb) -> Result<(), RunError> {
    tenant
        .run(|_| -> QueryResult<()> { panic!("CANARY in a panic") })
        .await
}

fn request(host: &str, path: &str) -> Request<Body> {
    Request::get(path)
        .header("host", host)
        .body(Body::empty())
        .unwrap()
}

async fn text(response: Response) -> (StatusCode, String) {
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn ask(app: &Router, request: Request<Body>) -> (StatusCode, String) {
    text(app.clone().oneshot(request).await.unwrap()).await
}

#[tokio::test]
async fn a_host_leads_to_its_own_tenant_and_to_no_other() {
    let fleet = fleet();
    fleet.create("NORTH");
    fleet.create("SOUTH");
    let app = fleet.app(by_subdomain());
    for (host, expected) in [
        ("north.example.com", r#"["CANARY-NORTH"]"#),
        ("SOUTH.localhost:8080", r#"["CANARY-SOUTH"]"#),
        ("south.example.com.", r#"["CANARY-SOUTH"]"#),
    ] {
        let (status, body) = ask(&app, request(host, "/patients")).await;
        assert_eq!(
            (status, body.as_str()),
            (StatusCode::OK, expected),
            "{host}"
        );
    }
    // What needs no tenant has none.
    assert_eq!(ask(&app, request("example.com", "/health")).await.1, "well");
    assert_eq!(
        ask(&app, request("example.com", "/users")).await,
        (StatusCode::OK, "0".into())
    );
}

/// The names of section B of the bad inputs, and what is told to who sends them.
#[tokio::test]
async fn a_host_that_is_wrong_is_refused_without_telling_who_is_there() {
    let fleet = fleet();
    let north = fleet.create("NORTH");
    fleet.create("SOUTH");
    for id in ["WEST", "EAST", "GONE"] {
        fleet.create(id);
    }
    fleet.tenancy.suspend(&"SOUTH".parse().unwrap()).unwrap();
    for id in ["WEST", "EAST", "GONE"] {
        for step in [Tenancy::suspend, Tenancy::archive] {
            step(&fleet.tenancy, &id.parse().unwrap()).unwrap();
        }
    }
    for (id, kept) in [("EAST", Retention::days(30)), ("GONE", Retention::NONE)] {
        fleet
            .tenancy
            .delete(&id.parse().unwrap(), id, kept)
            .unwrap();
    }
    fleet
        .tenancy
        .purge(&"GONE".parse().unwrap(), "GONE")
        .unwrap();
    let app = fleet.app(by_subdomain());
    let unavailable =
        r#"{"error":{"code":"tenant_unavailable","message":"this tenant is not available"}}"#;
    for host in [
        "nobody.example.com",
        "south.example.com",
        "west.example.com",
        "east.example.com",
        "gone.example.com", // unknown, suspended, archived, deleted, purged
        "-a.example.com",
        "a_b.example.com",
        "xn--80ak6aa92e.example.com",
        "www.example.com",
        "admin.example.com",
        "a.b.example.com",
        "..example.com",
    ] {
        let told = ask(&app, request(host, "/patients")).await;
        assert_eq!(
            told,
            (StatusCode::NOT_FOUND, unavailable.to_owned()),
            "{host}"
        );
    }
    let long = format!("{}.example.com", "a".repeat(64));
    assert_eq!(ask(&app, request(&long, "/patients")).await.1, unavailable);
    for host in [
        "example.com",
        "north.example.com.evil.example",
        "127.0.0.1",
        "[::1]",
        "[::1]:8080",
    ] {
        let (status, body) = ask(&app, request(host, "/patients")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{host}");
        assert!(body.contains("no_tenant"), "{host}: {body}");
    }
    for host in [
        "a.example.com, b.example.com",
        "north.example.com:99999",
        "north.example.com:",
        "no rth.example.com",
        "",
    ] {
        let (status, body) = ask(&app, request(host, "/patients")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{host}: {body}");
    }
    let two = Request::get("/patients")
        .header("host", "north.example.com")
        .header("host", "south.example.com");
    assert_eq!(
        ask(&app, two.body(Body::empty()).unwrap()).await.0,
        StatusCode::BAD_REQUEST
    );
    let bytes = Request::get("/patients").header("host", &b"n\xFFrth.example.com"[..]);
    assert_eq!(
        ask(&app, bytes.body(Body::empty()).unwrap()).await.0,
        StatusCode::BAD_REQUEST
    );
    let none = Request::get("/patients").body(Body::empty()).unwrap();
    assert_eq!(ask(&app, none).await.0, StatusCode::NOT_FOUND);
    // In both, and not the same: whoever is on the way may have believed the other one.
    let target = |target: &str| {
        let request = Request::get(target).header("host", "North.Example.com:80");
        request.body(Body::empty()).unwrap()
    };
    let told = ask(&app, target("http://south.example.com/patients")).await;
    assert_eq!(told.0, StatusCode::BAD_REQUEST);
    let told = ask(&app, target("http://north.example.com/patients")).await;
    assert_eq!(told.0, StatusCode::OK);
    // HTTP/2 has the host in the target.
    let h2 = Request::get("http://north.example.com/patients")
        .body(Body::empty())
        .unwrap();
    assert_eq!(ask(&app, h2).await.0, StatusCode::OK);

    // Suspended now: the next request, and not one a cache's lifetime later.
    assert_eq!(
        ask(&app, request("north.example.com", "/patients")).await.0,
        StatusCode::OK
    );
    fleet.tenancy.suspend(&north).unwrap();
    assert_eq!(
        ask(&app, request("north.example.com", "/patients")).await.1,
        unavailable
    );
}

#[tokio::test]
async fn every_resolver_and_the_first_that_knows() {
    let fleet = fleet();
    let north = fleet.create("NORTH");
    let south = fleet.create("SOUTH");
    let header = HeaderName::from_static("x-tenant");
    #[derive(Clone)]
    struct Session(TenantId);
    let app = fleet.app(
        FirstOf::new()
            .or(ByClaim::new(|parts| {
                parts.extensions.get::<Session>().map(|session| session.0)
            }))
            .or(ByDomain::new([("Clinic.Example", fleet.uuid(&north))]))
            .or(by_subdomain())
            .or(ByPathPrefix::new("t")),
    );
    let north_row = (StatusCode::OK, r#"["CANARY-NORTH"]"#.to_owned());
    let south_row = (StatusCode::OK, r#"["CANARY-SOUTH"]"#.to_owned());
    assert_eq!(
        ask(&app, request("clinic.example:443", "/patients")).await,
        north_row
    );
    assert_eq!(
        ask(&app, request("south.example.com", "/patients")).await,
        south_row
    );
    assert_eq!(
        ask(&app, request("example.com", "/t/SOUTH/patients")).await,
        south_row
    );
    assert_eq!(
        ask(&app, request("example.com", "/t/north/patients")).await,
        north_row
    );
    let mut session = request("north.example.com", "/patients");
    session.extensions_mut().insert(Session(south));
    assert_eq!(ask(&app, session).await, south_row);
    // A wrong name is not passed on to a resolver that would take it.
    let (status, _) = ask(&app, request("x_y.example.com", "/t/NORTH/patients")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    for path in [
        "/t/../patients",
        "/t/%2e%2e/patients",
        "/t//patients",
        "/t/a'b/patients",
    ] {
        assert_eq!(
            ask(&app, request("example.com", path)).await.0,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    // The header counts for nothing unless it was asked for.
    let with_header = |value: &str| {
        let request = Request::get("/patients").header("host", "north.example.com");
        request
            .header("x-tenant", value)
            .body(Body::empty())
            .unwrap()
    };
    assert_eq!(ask(&app, with_header("SOUTH")).await, north_row);
    let believing = fleet.app(ByHeader::trusted(header));
    assert_eq!(ask(&believing, with_header("SOUTH")).await, south_row);
    assert_eq!(
        ask(&believing, with_header("../SOUTH")).await.0,
        StatusCode::NOT_FOUND
    );
    let twice = Request::get("/patients")
        .header("x-tenant", "NORTH")
        .header("x-tenant", "SOUTH");
    assert_eq!(
        ask(&believing, twice.body(Body::empty()).unwrap()).await.0,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        ask(&believing, request("north.example.com", "/patients"))
            .await
            .0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn without_the_layer_nobody_gets_a_database() {
    let app = routes();
    for path in ["/patients", "/users"] {
        let (status, body) = ask(&app, request("north.example.com", path)).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(body.contains("internal"), "{body}");
    }
}

#[tokio::test]
async fn what_the_work_says_becomes_a_status_and_no_text_of_the_database() {
    let fleet = fleet();
    fleet.create("NORTH");
    let app = fleet.app(by_subdomain());
    let post = |name: &str| {
        let request =
            Request::post(format!("/patients/{name}")).header("host", "north.example.com");
        request.body(Body::empty()).unwrap()
    };
    assert_eq!(ask(&app, post("Ada")).await.0, StatusCode::CREATED);
    let (status, body) = ask(&app, post("Ada")).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(!body.contains("UNIQUE") && !body.contains("Ada"), "{body}");
    assert_eq!(
        ask(&app, request("north.example.com", "/patients/Ada"))
            .await
            .1,
        "Ada"
    );
    assert_eq!(
        ask(&app, request("north.example.com", "/patients/Ben"))
            .await
            .0,
        StatusCode::NOT_FOUND
    );
    // No more than its quota; what it has can be read.
    let north = "NORTH".parse().unwrap();
    fleet.tenancy.set_quota(&north, Some(4096)).unwrap();
    let (status, _) = ask(&app, post(&"x".repeat(50_000))).await;
    assert_eq!(status, StatusCode::INSUFFICIENT_STORAGE);
    fleet.tenancy.set_quota(&north, None).unwrap();
    // Section C: names of any kind go through as they are.
    let odd = "O%27Brien%20%26%20%22S%C3%B6hne%22%20%E5%8C%BB%E9%99%A2";
    assert_eq!(ask(&app, post(odd)).await.0, StatusCode::CREATED);
    let (_, all) = ask(&app, request("north.example.com", "/patients")).await;
    assert!(all.contains(r#"O'Brien & \"Söhne\" 医院"#), "{all}");

    std::panic::set_hook(Box::new(|_| {}));
    let (status, body) = ask(&app, request("north.example.com", "/panic")).await;
    let _ = std::panic::take_hook();
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!body.contains("CANARY"), "{body}");
    assert_eq!(
        ask(&app, request("north.example.com", "/patients/Ada"))
            .await
            .1,
        "Ada"
    );
}

/// Two tenants whose requests overlap, and the one that began first ends last: what a tenant kept in a place that is
/// saved and put back would get wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_to_begin_may_be_the_last_to_end() {
    let fleet = fleet();
    fleet.create("NORTH");
    fleet.create("SOUTH");
    let (began, has_begun) = std::sync::mpsc::channel::<()>();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let gates = Arc::new(parking_lot::Mutex::new(Some((began, may_go_on))));
    let slow = {
        let gates = Arc::clone(&gates);
        move |tenant: TenantDb| async move {
            let work = move |ctx: &mut TenantContext| {
                let before = patients::table
                    .select(patients::name)
                    .first::<String>(ctx)?;
                let first = gates.lock().take();
                if let Some((began, may_go_on)) = first {
                    began.send(()).unwrap();
                    may_go_on.recv().unwrap();
                }
                let after = patients::table
                    .select(patients::name)
                    .first::<String>(ctx)?;
                QueryResult::Ok(format!("{before} {after}"))
            };
            tenant.run(work).await
        }
    };
    let app = routes()
        .route("/slow", get(slow))
        .layer(TenantLayer::new(fleet.tenancy.clone(), by_subdomain()));
    let first = tokio::spawn({
        let app = app.clone();
        async move { ask(&app, request("north.example.com", "/slow")).await }
    });
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap())
        .await
        .unwrap();
    let second = ask(&app, request("south.example.com", "/slow")).await;
    assert_eq!(second.1, "CANARY-SOUTH CANARY-SOUTH");
    go_on.send(()).unwrap();
    assert_eq!(first.await.unwrap().1, "CANARY-NORTH CANARY-NORTH");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_is_stuck_holds_up_itself_only() {
    let fleet = fleet();
    fleet.create("NORTH");
    fleet.create("SOUTH");
    let mut bounds = Admission::default();
    bounds.running = 4;
    bounds.running_per_tenant = 2;
    bounds.wait = Duration::from_millis(100);
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let may_go_on = Arc::new(parking_lot::Mutex::new(may_go_on));
    let stuck = move |tenant: TenantDb| {
        let may_go_on = Arc::clone(&may_go_on);
        async move {
            let work = move |_: &mut TenantContext| {
                may_go_on.lock().recv().unwrap();
                QueryResult::Ok(())
            };
            tenant.run(work).await.map(|()| "unstuck")
        }
    };
    let app = routes()
        .route("/stuck", get(stuck))
        .layer(TenantLayer::with_admission(
            fleet.tenancy.clone(),
            by_subdomain(),
            bounds,
        ));
    let hold = |path: &'static str| {
        let app = app.clone();
        tokio::spawn(async move { ask(&app, request("north.example.com", path)).await })
    };
    let held = [hold("/stuck"), hold("/stuck")];
    // Its own next request is turned away when its time is up, with a word when to come again …
    let until = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        assert!(std::time::Instant::now() < until, "nobody is turned away");
        let response = app
            .clone()
            .oneshot(request("north.example.com", "/patients"))
            .await
            .unwrap();
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!(response.headers()["retry-after"], "1");
            break;
        }
    }
    // … and the neighbour's is not.
    assert_eq!(
        ask(&app, request("south.example.com", "/patients")).await.0,
        StatusCode::OK
    );
    go_on.send(()).unwrap();
    go_on.send(()).unwrap();
    for held in held {
        assert_eq!(held.await.unwrap().1, "unstuck");
    }
    assert_eq!(
        ask(&app, request("north.example.com", "/patients")).await.0,
        StatusCode::OK
    );
}
