//! Admitting patients over HTTP, logging out, and the inputs that are turned away.
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HOST, LOCATION, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, Request, StatusCode};
use diesel_tenants::Retention;
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::shared::{hospitals, plans, users};
use diesel_tenants::models::schema::tenant::patients;
use diesel_tenants::models::shared::accounts::{Hospital, NewHospital, Role};
use diesel_tenants::models::shared::subscriptions::{BillingCycle, SubscriptionState};
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::{Accounts, NewAccount};
use diesel_tenants::services::hospitals as hospitals_service;
use diesel_tenants::services::permissions::Module;
use diesel_tenants::services::{now, subscriptions};
use hospital_service::{open, service};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

#[path = "admit/logged.rs"]
mod logged;

struct World {
    app: Router,
    tenancy: Tenancy,
    /// The session of the receptionist of NORTH.
    cookie: String,
    north: Id<Hospital>,
    _dir: tempfile::TempDir,
}

const NORTH: &str = "north.localhost:8080";

type Answer = (StatusCode, HeaderMap, String);

async fn ask(app: &Router, request: Request<Body>) -> Answer {
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    (parts.status, parts.headers, body)
}

/// A hospital on a trial, without anything that registers one.
fn hospital(tenancy: &Tenancy, code: &str, subdomain: &str) -> Id<Hospital> {
    let tenant = code.parse().unwrap();
    let new = NewTenant::named(code).subdomain(subdomain);
    tenancy.create(&tenant, new).unwrap();
    let id = Id::new();
    let row = NewHospital {
        id,
        code,
        name: code,
        subdomain,
        contact_name: None,
        email: "office@hospital.example",
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
    let uuid = tenancy.handle(&tenant).unwrap().uuid();
    assert!(hospitals_service::bind(shared, id, uuid, now()).unwrap());
    subscriptions::ensure_plans(shared, now()).unwrap();
    subscriptions::start_trial(shared, id, "standard", BillingCycle::Monthly, now()).unwrap();
    id
}

/// A session of somebody who has this role in a hospital.
fn session(tenancy: &Tenancy, hospital: Id<Hospital>, role: Role) -> String {
    let shared = &mut tenancy.shared().unwrap();
    let accounts = Accounts::default();
    let email = format!("{role}@{hospital}.example");
    let new = NewAccount::new("Riley", "Front", email).member_of(hospital, role);
    let made = accounts.create(shared, &new, now()).unwrap();
    let (name, first) = (&made.username, made.password.reveal());
    let login = accounts.log_in(shared, name, first, None, now()).unwrap();
    let chosen = "correct-horse-battery-staple";
    let login = accounts
        .change_password(shared, login.user, first, chosen, None, now())
        .unwrap();
    let token = accounts.begin_session(shared, &login, Some(hospital), None, None, now());
    format!("hospital-session={}", token.unwrap().reveal())
}

fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let tenancy = open(&dir.path().join("data")).unwrap();
    let north = hospital(&tenancy, "NORTH", "north");
    hospital(&tenancy, "SOUTH", "south");
    World {
        app: service(tenancy.clone()),
        cookie: session(&tenancy, north, Role::Receptionist),
        tenancy,
        north,
        _dir: dir,
    }
}

impl World {
    fn post(&self, path: &str, kind: &str, body: String) -> Request<Body> {
        Request::post(path)
            .header(HOST, NORTH)
            .header(COOKIE, &self.cookie)
            .header(CONTENT_TYPE, kind)
            .body(Body::from(body))
            .unwrap()
    }

    fn json(&self, body: &Value) -> Request<Body> {
        self.post("/patients/", "application/json", body.to_string())
    }

    fn form(&self, fields: &[(&str, &str)]) -> Request<Body> {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let form = form.extend_pairs(fields).finish();
        let mut request = self.post("/patients/", "application/x-www-form-urlencoded", form);
        request
            .headers_mut()
            .insert(ACCEPT, "text/html".parse().unwrap());
        request
    }

    fn count(&self, code: &str) -> i64 {
        let ctx = &mut self.tenancy.tenant(&code.parse().unwrap()).unwrap();
        patients::table.count().get_result(ctx).unwrap()
    }

    fn users(&self) -> i64 {
        let shared = &mut self.tenancy.shared().unwrap();
        users::table.count().get_result(shared).unwrap()
    }
}

fn ada(account: Option<&str>) -> Value {
    let account = account.map(|email| json!({ "email": email }));
    json!({
        "patient": { "given_name": "Ada", "family_name": "Lovelace", "birth_date": "1990-05-17", "sex": "female" },
        "account": account,
    })
}

#[tokio::test]
async fn a_program_admits_once_and_is_told_the_password_once() {
    let world = world();
    let (status, headers, body) = ask(&world.app, world.json(&ada(None))).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    assert_eq!(headers["cache-control"], "no-store");
    let made: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&made["number"], &made["account"]),
        (&json!("NORTH-PAT-000001"), &Value::Null)
    );

    let with_key = || {
        let mut request = world.json(&ada(Some("ada@example.org")));
        let key = "form-1f8e".parse().unwrap();
        request.headers_mut().insert("idempotency-key", key);
        request
    };
    let (status, _, body) = ask(&world.app, with_key()).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    let first: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(first["number"], "NORTH-PAT-000002");
    assert_eq!(first["account"]["username"], "ada.lovelace.patient");
    assert_eq!(first["account"]["password"].as_str().unwrap().len(), 12);
    let (status, _, body) = ask(&world.app, with_key()).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    let again: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&again["id"], &again["account"]["password"]),
        (&first["id"], &Value::Null)
    );
    let mut other = world.json(&ada(Some("other@example.org")));
    let key = "form-1f8e".parse().unwrap();
    other.headers_mut().insert("idempotency-key", key);
    let (status, _, body) = ask(&world.app, other).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(body.contains("key_reused"), "{body}");
    assert_eq!(
        (world.count("NORTH"), world.count("SOUTH"), world.users()),
        (2, 0, 2)
    );

    // Who registered them is who asked.
    let ctx = &mut world.tenancy.tenant(&"NORTH".parse().unwrap()).unwrap();
    let by = patients::table.filter(patients::registered_by.is_null());
    assert_eq!(by.count().get_result::<i64>(ctx).unwrap(), 0);
}

#[tokio::test]
async fn a_person_admits_by_a_form() {
    let world = world();
    let page = Request::get("/patients/new")
        .header(HOST, NORTH)
        .header(COOKIE, &world.cookie);
    let (status, headers, body) = ask(&world.app, page.body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(headers.contains_key("content-security-policy"));
    let key = body.split("name=\"key\" value=\"").nth(1).unwrap();
    let key = key.split('"').next().unwrap();
    let fields = [
        ("given_name", "Ada"),
        ("family_name", "O'Brien & \"Söhne\" 医院 🏥"),
        ("birth_date", "1990-05-17"),
        ("sex", "female"),
        ("account_email", "ada@example.org"),
        ("key", key),
    ];
    let (status, _, body) = ask(&world.app, world.form(&fields)).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    assert!(
        body.contains("NORTH-PAT-000001") && body.contains("id=\"password\""),
        "{body}"
    );
    // Sent twice.
    let (status, _, body) = ask(&world.app, world.form(&fields)).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    assert!(
        body.contains("NORTH-PAT-000001") && !body.contains("id=\"password\""),
        "{body}"
    );
    assert_eq!(world.count("NORTH"), 1);
    // What is wrong is said in the form, with what was filled in.
    let mut wrong = fields;
    wrong[2].1 = "17.5.1990";
    let (status, _, body) = ask(&world.app, world.form(&wrong)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        body.contains("Not admitted") && body.contains("医院"),
        "{body}"
    );
}

#[tokio::test]
async fn what_is_in_the_way_has_its_status() {
    let world = world();
    let told = async |request: Request<Body>| {
        let (status, _, body) = ask(&world.app, request).await;
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        (
            status,
            body["error"]["code"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )
    };
    let admit = || world.json(&ada(Some("ada@example.org")));
    assert_eq!(told(admit()).await.0, StatusCode::CREATED);
    assert_eq!(
        told(admit()).await,
        (StatusCode::CONFLICT, "conflict".into())
    );
    // Nobody without a session, of another hospital, or of another role.
    let mut stranger = admit();
    stranger.headers_mut().remove(COOKIE);
    assert_eq!(told(stranger).await.0, StatusCode::UNAUTHORIZED);
    let mut elsewhere = admit();
    let host = "south.localhost:8080".parse().unwrap();
    elsewhere.headers_mut().insert(HOST, host);
    assert_eq!(told(elsewhere).await.0, StatusCode::UNAUTHORIZED);
    let mut pharmacist = admit();
    let cookie = session(&world.tenancy, world.north, Role::Pharmacist);
    pharmacist
        .headers_mut()
        .insert(COOKIE, cookie.parse().unwrap());
    assert_eq!(told(pharmacist).await.0, StatusCode::FORBIDDEN);
    // Another hospital's page that posts here, in the browser of somebody who is logged in here.
    for (name, value, wanted) in [
        (
            "origin",
            "http://south.localhost:8080",
            StatusCode::FORBIDDEN,
        ),
        ("sec-fetch-site", "same-site", StatusCode::FORBIDDEN),
        ("origin", "null", StatusCode::FORBIDDEN),
        ("origin", "http://north.localhost:8080", StatusCode::CREATED),
    ] {
        let mut request = world.json(&ada(None));
        request.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(told(request).await.0, wanted, "{name}: {value}");
    }
    let before = world.count("NORTH");

    let shared = &mut world.tenancy.shared().unwrap();
    diesel::update(plans::table)
        .set(plans::max_patients.eq(2))
        .execute(shared)
        .unwrap();
    let refused = told(world.json(&ada(None))).await;
    assert_eq!(
        refused,
        (StatusCode::PAYMENT_REQUIRED, "limit_reached".into())
    );
    subscriptions::set_modules(shared, world.north, &[Module::Billing], now()).unwrap();
    let refused = told(world.json(&ada(None))).await;
    assert_eq!(refused, (StatusCode::FORBIDDEN, "module_disabled".into()));
    let suspended = SubscriptionState::Suspended;
    subscriptions::change_state(shared, world.north, suspended, now()).unwrap();
    let refused = told(world.json(&ada(None))).await;
    assert_eq!(
        refused,
        (StatusCode::PAYMENT_REQUIRED, "subscription_required".into())
    );
    world.tenancy.suspend(&"NORTH".parse().unwrap()).unwrap();
    let refused = told(world.json(&ada(None))).await;
    assert_eq!(
        refused,
        (StatusCode::NOT_FOUND, "tenant_unavailable".into())
    );
    world.tenancy.resume(&"NORTH".parse().unwrap()).unwrap();
    assert_eq!(world.count("NORTH"), before);
}

/// "There is an account" told a receptionist who is a patient, or works, somewhere else.
#[tokio::test]
async fn nobody_is_told_of_accounts_that_are_not_their_hospitals() {
    let world = world();
    let shared = &mut world.tenancy.shared().unwrap();
    let accounts = Accounts::default();
    let south = hospitals::table.filter(hospitals::code.eq("SOUTH"));
    let south: Id<Hospital> = south.select(hospitals::id).first(shared).unwrap();
    let mut make = |email: &str, hospital: Option<Id<Hospital>>, role| {
        let new = NewAccount::new("Lee", "Known", email);
        let new = match hospital {
            Some(hospital) => new.member_of(hospital, role),
            None => new.superuser(),
        };
        accounts.create(shared, &new, now()).unwrap().user
    };
    make("elsewhere@example.org", Some(south), Role::Patient);
    make("operator@example.org", None, Role::Superadmin);
    let left = make("left@example.org", Some(world.north), Role::Nurse);
    make("here@example.org", Some(world.north), Role::Nurse);
    let left = accounts.revoke_membership(shared, left, world.north);
    assert!(left.unwrap());
    let mut told = std::collections::BTreeSet::new();
    for email in [
        "elsewhere@example.org",
        " Elsewhere@Example.org",
        "operator@example.org",
        "left@example.org",
    ] {
        let (status, _, body) = ask(&world.app, world.json(&ada(Some(email)))).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{email}: {body}");
        assert!(!body.contains("there is an account"), "{email}: {body}");
        told.insert(body);
    }
    assert_eq!(told.len(), 1, "one answer for all of them: {told:?}");
    let fields = [
        ("given_name", "Ada"),
        ("family_name", "Lovelace"),
        ("birth_date", "1990-05-17"),
        ("sex", "female"),
        ("account_email", "elsewhere@example.org"),
    ];
    let (status, _, body) = ask(&world.app, world.form(&fields)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    assert!(body.contains("no account can be made"), "{body}");
    // Of their own hospital's people they know.
    let here = ask(&world.app, world.json(&ada(Some("HERE@example.org")))).await;
    assert_eq!(here.0, StatusCode::CONFLICT, "{}", here.2);
    assert_eq!(world.count("NORTH"), 0);
}

/// Section C of the bad inputs: rows 45 to 48, in names and in text, as JSON.
#[tokio::test]
async fn names_and_texts_go_through_whole_or_are_refused_without_an_echo() {
    let world = world();
    let with = |field: &str, value: &str| {
        let mut asked = ada(None);
        asked["patient"][field] = json!(value);
        world.json(&asked)
    };
    let long = "CANARY".repeat(2_000);
    for (field, value, says) in [
        ("given_name", "", "0 characters"),             // row 45
        ("family_name", " \u{a0}\t ", "0 characters"),  // row 45
        ("given_name", &*long, "12000 characters"),     // row 45
        ("middle_name", &long, "12000 characters"),     // row 45
        ("allergies", &long, "12000 characters"),       // row 45
        ("given_name", "CANARY\0", "U+0000"),           // row 48
        ("allergies", "CANARY\0", "U+0000"),            // row 48
        ("phone", "CANARY\r\nSet-Cookie: x", "U+000D"), // and its like
        ("birth_date", "CANARY", "not the JSON"),
        ("sex", "CANARY", "not the JSON"),
        ("CANARY", "CANARY", "not the JSON"),
        ("email", "CANARY", "e-mail"),
    ] {
        let (status, _, body) = ask(&world.app, with(field, value)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{field} {body}");
        assert!(body.contains(says), "{field}: {body}");
        assert!(!body.contains("CANARY"), "{field}: {body}");
    }
    for broken in ["", "{", "null", "[1]", "\u{0}", "{\"patient\":{}}"] {
        let request = world.post("/patients/", "application/json", broken.to_owned());
        let (status, _, body) = ask(&world.app, request).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{broken} {body}");
    }
    let request = world.post("/patients/", "text/plain", "CANARY".to_owned());
    let (status, _, body) = ask(&world.app, request).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!body.contains("CANARY"), "{body}");
    let huge = world.post("/patients/", "application/json", " ".repeat(600 * 1024));
    assert_eq!(ask(&world.app, huge).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(world.count("NORTH"), 0);

    // Rows 46 and 47: as they are, byte for byte.
    let odd = [
        "O'Brien & \"Söhne\" 医院 🏥",
        "=HYPERLINK(\"http://x\")",
        "<script>alert(1)</script>",
    ];
    for name in odd {
        let (status, _, body) = ask(&world.app, with("family_name", name)).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
    }
    let page = |accept: &str| {
        let request = Request::get("/patients/").header(HOST, NORTH);
        let request = request.header(COOKIE, &world.cookie).header(ACCEPT, accept);
        request.body(Body::empty()).unwrap()
    };
    let (_, _, body) = ask(&world.app, page("application/json")).await;
    let rows: Vec<Value> = serde_json::from_str(&body).unwrap();
    let names: Vec<&str> = rows
        .iter()
        .map(|row| row["family_name"].as_str().unwrap())
        .collect();
    assert_eq!(names, odd);
    let (_, _, body) = ask(&world.app, page("text/html")).await;
    assert!(
        !body.contains("<script>") && body.contains("医院"),
        "{body}"
    );
}

/// Section B of the bad inputs: rows 34 to 44, against the whole service, with a session that is good at NORTH.
#[tokio::test]
async fn hosts_lead_to_their_hospital_or_nowhere() {
    let world = world();
    for (code, subdomain) in [("WEST", "west"), ("EAST", "east"), ("GONE", "gone")] {
        hospital(&world.tenancy, code, subdomain);
    }
    for code in ["SOUTH", "WEST", "EAST", "GONE"] {
        world.tenancy.suspend(&code.parse().unwrap()).unwrap();
    }
    for code in ["WEST", "EAST", "GONE"] {
        world.tenancy.archive(&code.parse().unwrap()).unwrap();
    }
    for (code, kept) in [("EAST", Retention::days(30)), ("GONE", Retention::NONE)] {
        let id = code.parse().unwrap();
        world.tenancy.delete(&id, code, kept).unwrap();
    }
    world
        .tenancy
        .purge(&"GONE".parse().unwrap(), "GONE")
        .unwrap();
    let status = async |host: &str| {
        let request = Request::get("/patients/").header(HOST, host);
        let request = request.header(COOKIE, &world.cookie).body(Body::empty());
        let (status, _, body) = ask(&world.app, request.unwrap()).await;
        (status, body)
    };
    for host in [
        "north.localhost:8000",
        "north.localhost.",
        "NORTH.LocalHost:8080",
    ] {
        assert_eq!(status(host).await.0, StatusCode::OK, "{host}"); // rows 38, 40
    }
    let long = format!("{}.localhost", "a".repeat(64));
    let mut told = std::collections::BTreeSet::new();
    for host in [
        "..localhost",              // row 34
        "a..b.localhost",           // row 34
        &*long,                     // row 35
        "-a.localhost",             // row 36
        "a-.localhost",             // row 36
        "a_b.localhost",            // row 36
        "xn--80ak6aa92e.localhost", // row 37
        "www.localhost",            // row 42
        "admin.localhost",          // row 42
        "api.localhost",            // row 42
        "south.localhost",          // row 44: suspended
        "west.localhost",           // row 44: archived
        "east.localhost",           // row 44: deleted, and kept for a while
        "gone.localhost",           // row 44: deleted, and nothing is left of it
        "nobody.localhost",         // row 44: unknown
    ] {
        let (status, body) = status(host).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{host}: {body}");
        told.insert(body);
    }
    assert_eq!(told.len(), 1, "one answer for all of them: {told:?}");
    let (at_home, body) = status("localhost").await;
    assert_eq!(at_home, StatusCode::NOT_FOUND, "{body}");
    assert!(body.contains("no_tenant"), "{body}");
    for host in [
        "north.evil.com",
        "north.localhost.evil.com",
        "127.0.0.1",
        "[::1]",
    ] {
        let (status, body) = status(host).await; // rows 39, 43
        assert_eq!(status, StatusCode::MISDIRECTED_REQUEST, "{host}: {body}");
        assert!(body.contains("misdirected"), "{host}: {body}");
    }
    for host in [
        "",                                 // row 34
        ".",                                // row 34
        "north.localhost:99999",            // row 38
        "north.localhost, south.localhost", // row 41
    ] {
        let (status, body) = status(host).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{host}: {body}");
    }
    let two = Request::get("/patients/")
        .header(HOST, "north.localhost")
        .header(HOST, "south.localhost")
        .header(COOKIE, &world.cookie);
    let two = ask(&world.app, two.body(Body::empty()).unwrap()).await;
    assert_eq!(two.0, StatusCode::BAD_REQUEST); // row 41
}

#[tokio::test]
async fn who_logs_out_is_out() {
    let world = world();
    let page = || {
        let request = Request::get("/patients/").header(HOST, NORTH);
        let request = request.header(COOKIE, &world.cookie);
        request.body(Body::empty()).unwrap()
    };
    assert_eq!(ask(&world.app, page()).await.0, StatusCode::OK);
    let mut request = world.post(
        "/logout",
        "application/x-www-form-urlencoded",
        String::new(),
    );
    let foreign = "http://south.localhost:8080".parse().unwrap();
    request.headers_mut().insert("origin", foreign);
    assert_eq!(ask(&world.app, request).await.0, StatusCode::FORBIDDEN);
    assert_eq!(ask(&world.app, page()).await.0, StatusCode::OK);
    let mut request = world.post(
        "/logout",
        "application/x-www-form-urlencoded",
        String::new(),
    );
    request
        .headers_mut()
        .insert(ACCEPT, "text/html".parse().unwrap());
    let (status, headers, _) = ask(&world.app, request).await;
    assert_eq!(
        (status, &headers[LOCATION]),
        (StatusCode::SEE_OTHER, &"/login".parse().unwrap())
    );
    assert!(headers[SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    // The session is over, and not only the cookie gone.
    assert_eq!(ask(&world.app, page()).await.0, StatusCode::UNAUTHORIZED);
    let again = world.post(
        "/logout",
        "application/x-www-form-urlencoded",
        String::new(),
    );
    assert_eq!(ask(&world.app, again).await.0, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn guessing_is_turned_away_by_account_and_by_address() {
    let world = world();
    let knock = async |username: &str, address: [u8; 4]| {
        let body = format!("username={username}&password=wrong-password");
        let mut request = world.post("/login", "application/x-www-form-urlencoded", body);
        let peer = SocketAddr::from((address, 4711));
        request.extensions_mut().insert(ConnectInfo(peer));
        let (status, headers, _) = ask(&world.app, request).await;
        if status == StatusCode::TOO_MANY_REQUESTS {
            let wait: u64 = headers[RETRY_AFTER].to_str().unwrap().parse().unwrap();
            assert!((1..=301).contains(&wait), "{wait}");
        }
        status
    };
    // One name from one address, whether or not there is such an account; elsewhere it is listened to.
    for _ in 0..5 {
        let status = knock("nobody.at.all", [192, 0, 2, 1]).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    }
    let locked = knock("nobody.at.all", [192, 0, 2, 1]).await;
    assert_eq!(locked, StatusCode::TOO_MANY_REQUESTS);
    let elsewhere = knock("nobody.at.all", [192, 0, 2, 9]).await;
    assert_eq!(elsewhere, StatusCode::FORBIDDEN);
    // One address, with many names.
    for n in 0..30 {
        let status = knock(&format!("name.{n}"), [198, 51, 100, 1]).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{n}");
    }
    let turned_away = knock("name.31", [198, 51, 100, 1]).await;
    assert_eq!(turned_away, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        knock("name.31", [198, 51, 100, 2]).await,
        StatusCode::FORBIDDEN
    );
}

/// No more of a plan can be had than its storage either, and it is the operator's matter and nobody's mistake.
#[tokio::test]
async fn who_is_out_of_storage_is_told_so() {
    let world = world();
    let north = "NORTH".parse().unwrap();
    world.tenancy.set_quota(&north, Some(4096)).unwrap();
    let mut admitted = 0;
    let (status, body) = loop {
        let (status, _, body) = ask(&world.app, world.json(&ada(None))).await;
        match status {
            StatusCode::CREATED if admitted < 200 => admitted += 1,
            status => break (status, body),
        }
    };
    assert_eq!(status, StatusCode::PAYMENT_REQUIRED, "{body}");
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(told["error"]["code"], "limit_reached");
    assert_eq!(world.count("NORTH"), admitted);
}
