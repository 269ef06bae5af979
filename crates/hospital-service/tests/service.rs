//! The service without a browser: registering, and who sees what.
use axum::Router;
use axum::body::Body;
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HOST, LOCATION,
    SET_COOKIE,
};
use axum::http::{HeaderMap, Request, StatusCode};
use diesel::connection::SimpleConnection;
use diesel_tenants::Retention;
use diesel_tenants::audit::AuditFilter;
use diesel_tenants::models::schema::shared::{
    hospitals, subscriptions as subscription_rows, users,
};
use diesel_tenants::models::shared::accounts::Role;
use diesel_tenants::models::shared::subscriptions::{BillingCycle, SubscriptionState};
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::{Accounts, NewAccount};

use diesel_tenants::services::onboarding::{self, OnboardingError};
use diesel_tenants::services::permissions::Module;
use diesel_tenants::services::{hospitals as hospitals_service, now, subscriptions};
use diesel_tenants_axum::TrustedProxies;
use hospital_service::register::{Registration, register};
use hospital_service::{demo, housekeeping, open, service, service_at};
use http_body_util::BodyExt;
use tower::ServiceExt;

#[path = "service/ends.rs"]
mod ends;
#[path = "service/proxies.rs"]
mod proxies;

const PASSWORD: &str = "correct-horse-battery-staple";

async fn ask(app: &Router, request: Request<Body>) -> (StatusCode, HeaderMap, String) {
    let path = request.uri().path().to_owned();
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let is = |name, value: &str| {
        let found = parts.headers.get(name);
        found.is_some_and(|found| found.to_str().unwrap().contains(value))
    };
    // On every page, whatever a test asks for it.
    if is(CONTENT_TYPE, "text/html") {
        for rule in ["default-src 'none'", "frame-ancestors 'none'"] {
            assert!(is(CONTENT_SECURITY_POLICY, rule), "{path}: {rule}");
        }
    }
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    (parts.status, parts.headers, body)
}

fn get(host: &str, path: &str, cookie: &str, accept: &str) -> Request<Body> {
    Request::get(path)
        .header(HOST, format!("{host}:8080"))
        .header(COOKIE, cookie)
        .header(ACCEPT, accept)
        .body(Body::empty())
        .unwrap()
}

fn post(host: &str, path: &str, body: String) -> Request<Body> {
    Request::post(path)
        .header(HOST, format!("{host}:8080"))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body))
        .unwrap()
}

/// Logs a user in who has a password that was made up.
async fn log_in(app: &Router, host: &str, username: &str, password: &str) -> String {
    let password = password
        .replace('%', "%25")
        .replace('+', "%2B")
        .replace('=', "%3D");
    let password = password.replace('?', "%3F").replace('@', "%40");
    let body = format!("username={username}&password={password}&chosen={PASSWORD}");
    let (status, headers, body) = ask(app, post(host, "/login", body)).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{body}");
    let set = headers[SET_COOKIE].to_str().unwrap();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict") && !set.contains("Domain"));
    set.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn members_see_their_own_hospital_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let tenancy = open(&dir.path().join("data")).unwrap();
    let logins = demo::fill(&tenancy).unwrap();
    let app = service(tenancy.clone());
    let north = logins.iter().find(|login| login.what == "DMC001").unwrap();
    let cookie = log_in(
        &app,
        "dmc001.localhost",
        &north.username,
        north.password.reveal(),
    )
    .await;

    for path in [
        "/patients/",
        "/appointments/",
        "/doctors/",
        "/pharmacy/",
        "/billing/",
        "/staff/",
        "/patients",
    ] {
        let request = get("dmc001.localhost", path, &cookie, "application/json");
        let (status, _, body) = ask(&app, request).await;
        assert_eq!(status, StatusCode::OK, "{path} {body}");
        assert!(body.starts_with('['), "{body}");
        let request = get("dmc001.localhost", path, &cookie, "text/html");
        let (status, headers, body) = ask(&app, request).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(body.contains("<caption>") && headers.contains_key("content-security-policy"));
        // Without a session, with one that is none, and at another hospital: nothing.
        for (host, cookie) in [
            ("dmc001.localhost", ""),
            ("dmc001.localhost", "hospital-session=x"),
            ("th001.localhost", &*cookie),
        ] {
            let (status, _, body) = ask(&app, get(host, path, cookie, "*/*")).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{host}{path}");
            assert_eq!(body, "");
            let (status, headers, body) = ask(&app, get(host, path, cookie, "text/html")).await;
            assert_eq!(status, StatusCode::SEE_OTHER, "{host}{path}");
            assert_eq!(
                (headers[LOCATION].to_str().unwrap(), &*body),
                ("/login", "")
            );
        }
    }
    let (_, _, body) = ask(&app, get("dmc001.localhost", "/patients/", &cookie, "*/*")).await;
    assert_eq!(body.matches("DMC001-PAT-").count(), 45);
    assert!(!body.contains("TH001-PAT"));
    // Where the demo's patients are, others are admitted.
    let new = r#"{ "patient": { "given_name": "Ada", "family_name": "New", "birth_date": "1990-05-17", "sex": "female" } }"#;
    let mut request = post("dmc001.localhost", "/patients/", new.to_owned());
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, "application/json".parse().unwrap());
    headers.insert(COOKIE, cookie.parse().unwrap());
    let (status, _, body) = ask(&app, request).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    assert!(body.contains("DMC001-PAT-000046"), "{body}");
    // No tenant, or one that is not there.
    for host in ["localhost", "nobody.localhost"] {
        let (status, _, _) = ask(&app, get(host, "/patients/", &cookie, "*/*")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{host}");
    }
    // Starting again makes nothing anew, except for a superuser who never chose a password.
    let again = demo::fill(&tenancy).unwrap();
    assert_eq!(
        again.iter().map(|login| login.what).collect::<Vec<_>>(),
        ["console"]
    );
}

#[tokio::test]
async fn a_role_sees_the_modules_it_may_use() {
    let dir = tempfile::tempdir().unwrap();
    let tenancy = open(&dir.path().join("data")).unwrap();
    let made = register(&tenancy, &Registration::of("NORTH", "North", "north")).unwrap();
    let new = NewAccount::new("Pat", "Pillbox", "pat@north.example")
        .member_of(made.hospital, Role::Pharmacist);
    let shared = &mut tenancy.shared().unwrap();
    let account = Accounts::default().create(shared, &new, now()).unwrap();
    let app = service(tenancy);
    let cookie = log_in(
        &app,
        "north.localhost",
        &account.username,
        account.password.reveal(),
    )
    .await;
    for (path, wanted) in [
        ("/pharmacy/", StatusCode::OK),
        ("/patients/", StatusCode::FORBIDDEN),
        ("/staff/", StatusCode::FORBIDDEN),
    ] {
        let (status, _, _) = ask(&app, get("north.localhost", path, &cookie, "*/*")).await;
        assert_eq!(status, wanted, "{path}");
    }
}

#[tokio::test]
async fn registering_is_all_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let tenancy = open(&dir.path().join("data")).unwrap();
    let app = service(tenancy.clone());
    let body = |code: &str, subdomain: &str, email: &str| {
        format!(
            "code={code}&name=North&subdomain={subdomain}&given_name=Nora&family_name=North&email={email}"
        )
    };
    let asked = post(
        "localhost",
        "/register",
        body("NORTH", "north", "nora%40north.example"),
    );
    let (status, _, page) = ask(&app, asked).await;
    assert_eq!(status, StatusCode::CREATED, "{page}");
    assert!(
        page.contains("http://north.localhost:8080/patients/"),
        "{page}"
    );
    assert!(page.contains("nora.north.hospital_admin"), "{page}");
    assert!(!page.contains("/surgery/"));
    let counts = || {
        let shared = &mut tenancy.shared().unwrap();
        let users: i64 = users::table.count().get_result(shared).unwrap();
        let hospitals: i64 = hospitals::table.count().get_result(shared).unwrap();
        (tenancy.tenants().unwrap().len(), hospitals, users)
    };
    assert_eq!(counts(), (1, 1, 1));
    for (code, subdomain, email, says) in [
        ("NORTH", "other", "x%40y.example", "cannot be had"),
        ("OTHER", "north", "x%40y.example", "cannot be had"),
        ("OTHER", "other", "nora%40north.example", "cannot be had"),
        ("OTHER", "other", "no-address", "no e-mail address"),
        ("..", "other", "x%40y.example", "tenant id"),
        ("OTHER", "..", "x%40y.example", "subdomain"),
    ] {
        let (status, _, page) = ask(
            &app,
            post("localhost", "/register", body(code, subdomain, email)),
        )
        .await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{code} {page}");
        assert!(page.contains("Not registered"), "{page}");
        let error = page.split("</p>").next().unwrap();
        assert!(error.contains(says), "{says}: {error}");
        assert_eq!(counts(), (1, 1, 1), "{code} {subdomain} {email}");
    }
    // One form sent twice registers once, and is answered twice.
    let twice = || {
        let body = body("TWICE", "twice", "nora%40twice.example") + "&key=form-1";
        post("localhost", "/register", body)
    };
    for _ in 0..2 {
        let (status, _, page) = ask(&app, twice()).await;
        assert_eq!(status, StatusCode::CREATED, "{page}");
        assert_eq!(counts(), (2, 2, 2));
    }
    let (_, _, form) = ask(&app, get("localhost", "/register", "", "*/*")).await;
    let (_, key) = form.split_once("name=\"key\" value=\"").unwrap();
    assert_eq!(key.find('"'), Some(36), "a key of its own: {form}");
    // And none of it stands in the way of the next.
    register(&tenancy, &Registration::of("OTHER", "Other", "other")).unwrap();
    assert_eq!(counts(), (3, 3, 3));
}

/// The hospital that had an id is closed for good, and the id becomes another customer's tenant.
#[tokio::test]
async fn nobody_of_a_hospital_that_is_gone_gets_into_who_has_its_id_now() {
    let dir = tempfile::tempdir().unwrap();
    let tenancy = open(&dir.path().join("data")).unwrap();
    let made = register(&tenancy, &Registration::of("NORTH", "North", "north")).unwrap();
    let app = service(tenancy.clone());
    let (owner, first) = (made.owner.username, made.owner.password.unwrap());
    let host = "north.localhost";
    let cookie = log_in(&app, host, &owner, first.reveal()).await;
    let ask_for = async |path, cookie: &str| {
        let (status, _, body) = ask(&app, get(host, path, cookie, "application/json")).await;
        (status, body)
    };
    assert_eq!(ask_for("/patients/", &cookie).await.0, StatusCode::OK);

    let id = made.id;
    tenancy.suspend(&id).unwrap();
    tenancy.archive(&id).unwrap();
    tenancy.delete(&id, "NORTH", Retention::NONE).unwrap();
    tenancy.purge(&id, "NORTH").unwrap();
    let new = NewTenant::named("Somebody else").subdomain("north");
    tenancy.create(&id, new.reuse_retired_id()).unwrap();

    for path in ["/patients/", "/staff/", "/billing/"] {
        let (status, body) = ask_for(path, &cookie).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path} {body}");
    }
    let body = format!("username={owner}&password={PASSWORD}");
    let (status, headers, _) = ask(&app, post(host, "/login", body)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(!headers.contains_key(SET_COOKIE));

    // Nor is the old subscription, or a module of it, the new one's, until a hospital says that it is this tenant.
    let uuid = tenancy.handle(&id).unwrap().uuid();
    let shared = &mut tenancy.shared().unwrap();
    assert_eq!(hospitals_service::of_tenant(shared, uuid).unwrap(), None);
    assert!(!hospitals_service::bind(shared, made.hospital, uuid, now()).unwrap());
    let code = "NORTH".parse().unwrap();
    let changed = onboarding::change_plan(&tenancy, &code, "basic", BillingCycle::Monthly);
    let unknown = matches!(changed, Err(OnboardingError::UnknownHospital { .. }));
    assert!(unknown, "{changed:?}");
    let closed = onboarding::deregister(&tenancy, &code, "NORTH", Retention::default());
    let unknown = matches!(closed, Err(OnboardingError::UnknownHospital { .. }));
    assert!(unknown, "{closed:?}");
}

#[tokio::test]
async fn what_members_do_is_entered_in_their_name() {
    let dir = tempfile::tempdir().unwrap();
    let tenancy = open(&dir.path().join("data")).unwrap();
    let made = register(&tenancy, &Registration::of("NORTH", "North", "north")).unwrap();
    let app = service(tenancy.clone());
    let host = "north.localhost";
    let first = made.owner.password.unwrap();
    let cookie = log_in(&app, host, &made.owner.username, first.reveal()).await;
    let opened = || {
        let opened = AuditFilter::all().action("tenant.open");
        tenancy.audit_entries(&opened, 100).unwrap()
    };
    // Registering has opened it before, in the name of the process.
    let by_admin = format!("user:{}", made.owner.user);
    assert!(
        opened()
            .iter()
            .all(|entry| entry.actor.as_str() != by_admin)
    );
    let (status, ..) = ask(&app, get(host, "/patients/", &cookie, "application/json")).await;
    assert_eq!(status, StatusCode::OK);
    let entries = opened();
    let entry = entries.last().unwrap();
    assert_eq!(entry.actor.as_str(), by_admin);
    assert_eq!(entry.role.as_ref().unwrap().as_str(), "hospital_admin");
    assert_eq!(entry.tenant_id.as_ref().unwrap().as_str(), "NORTH");
    // A receptionist is not privileged, so the default policy enters nothing.
    let shared = &mut tenancy.shared().unwrap();
    let accounts = Accounts::default();
    let new = NewAccount::new("Riley", "Front", "riley@north.example");
    let riley = accounts
        .create(
            shared,
            &new.member_of(made.hospital, Role::Receptionist),
            now(),
        )
        .unwrap();
    let cookie = log_in(&app, host, &riley.username, riley.password.reveal()).await;
    let (status, ..) = ask(&app, get(host, "/patients/", &cookie, "application/json")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(opened().len(), entries.len());
    assert!(tenancy.verify_audit().unwrap().is_intact());
}

#[tokio::test]
async fn strangers_learn_nothing_of_what_a_hospital_has_ordered_or_who_is_here() {
    let dir = tempfile::tempdir().unwrap();
    let tenancy = open(&dir.path().join("data")).unwrap();
    let made = register(&tenancy, &Registration::of("NORTH", "North", "north")).unwrap();
    let app = service(tenancy.clone());
    let shared = &mut tenancy.shared().unwrap();
    let host = "north.localhost";
    let anonymous = async || {
        let (status, _, body) = ask(&app, get(host, "/patients/", "", "application/json")).await;
        (status, body)
    };
    let nothing = (StatusCode::UNAUTHORIZED, String::new());
    assert_eq!(anonymous().await, nothing);
    subscriptions::set_modules(shared, made.hospital, &[Module::Billing], now()).unwrap();
    assert_eq!(anonymous().await, nothing);
    let suspended = SubscriptionState::Suspended;
    subscriptions::change_state(shared, made.hospital, suspended, now()).unwrap();
    assert_eq!(anonymous().await, nothing);
    // A code that is taken, a subdomain, an address: one and the same text.
    let form = |code: &str, subdomain: &str, email: &str| {
        let body = format!(
            "code={code}&name=X&subdomain={subdomain}&given_name=A&family_name=B&email={email}"
        );
        post("localhost", "/register", body)
    };
    let mut told = Vec::new();
    for (code, subdomain, email) in [
        ("NORTH", "elsewhere", "a@elsewhere.example"),
        ("ELSEWHERE", "north", "a@elsewhere.example"),
        ("ELSEWHERE", "elsewhere", "owner@north.example"),
    ] {
        let (status, headers, body) = ask(&app, form(code, subdomain, email)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(headers[CACHE_CONTROL], "no-store");
        let error = body.split("Not registered").nth(1).unwrap();
        told.push(error.split('<').next().unwrap().to_owned());
    }
    assert!(told[0].contains("cannot be had"), "{told:?}");
    assert!(told.iter().all(|text| *text == told[0]), "{told:?}");
    // Whoever comes while as many are being registered as may be is turned away, and nothing was begun for them.
    let all = (0..12).map(|n| {
        let (code, email) = (format!("H{n}"), format!("a@h{n}.example"));
        let (app, request) = (app.clone(), form(&code, &code.to_lowercase(), &email));
        tokio::spawn(async move { ask(&app, request).await.0 })
    });
    let mut registered = 0;
    for task in all.collect::<Vec<_>>() {
        match task.await.unwrap() {
            StatusCode::CREATED => registered += 1,
            status => assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE),
        }
    }
    assert!((1..12).contains(&registered), "{registered}");
    assert_eq!(tenancy.tenants().unwrap().len(), 1 + registered);
}

#[tokio::test]
async fn the_first_page_is_of_a_hospital_of_the_service_or_of_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let tenancy = open(&dir.path().join("data")).unwrap();
    register(&tenancy, &Registration::of("NORTH", "North", "north")).unwrap();
    let app = service(tenancy.clone());
    for (host, wanted) in [
        ("north.localhost", StatusCode::OK),
        ("localhost", StatusCode::OK),
        ("nobody.localhost", StatusCode::NOT_FOUND),
        ("-.localhost", StatusCode::NOT_FOUND),
    ] {
        let (status, headers, _) = ask(&app, get(host, "/", "", "text/html")).await;
        assert_eq!(status, wanted, "{host}");
        assert_eq!(headers[CACHE_CONTROL], "no-store");
    }
    // Whatever is asked for, by a name that is none, by one that somebody else has pointed here, and by none.
    for path in ["/", "/register", "/login", "/patients/", "/service.css"] {
        for (host, wanted) in [
            ("a b", StatusCode::BAD_REQUEST),
            ("evil.example, localhost", StatusCode::BAD_REQUEST),
            ("localhost:port", StatusCode::BAD_REQUEST),
            ("localhost.evil.example", StatusCode::MISDIRECTED_REQUEST),
            ("127.0.0.1", StatusCode::MISDIRECTED_REQUEST),
            ("-.localhost", StatusCode::NOT_FOUND),
            ("", StatusCode::MISDIRECTED_REQUEST),
        ] {
            let asked = [
                get("x", path, "", "text/html"),
                post("x", path, "a=b".to_owned()),
            ];
            for mut request in asked {
                request.headers_mut().remove(HOST);
                if !host.is_empty() {
                    request.headers_mut().insert(HOST, host.parse().unwrap());
                }
                let (status, _, body) = ask(&app, request).await;
                assert_eq!(status, wanted, "{host:?} {path}");
                assert!(!body.contains("<form"), "{host:?} {path}");
            }
        }
    }
    let mut two = get("north.localhost", "/", "", "text/html");
    two.headers_mut().append(HOST, "localhost".parse().unwrap());
    assert_eq!(ask(&app, two).await.0, StatusCode::BAD_REQUEST);
    // Nor does what changes something pass where the request's address says another host than its header, whichever of the
    // two the page is of; without a header the address is the host. The form itself has nothing in it.
    let sent = async |address: &str, host: &str, origin: &str| {
        let mut request = post("x", "/register", String::new());
        *request.uri_mut() = format!("http://{address}/register").parse().unwrap();
        let headers = request.headers_mut();
        headers.remove(HOST);
        if !host.is_empty() {
            headers.insert(HOST, host.parse().unwrap());
        }
        headers.insert("origin", origin.parse().unwrap());
        ask(&app, request).await.0
    };
    for (host, origin, wanted) in [
        (
            "evil.example",
            "http://evil.example",
            StatusCode::BAD_REQUEST,
        ),
        ("evil.example", "http://localhost", StatusCode::BAD_REQUEST),
        ("localhost", "http://evil.example", StatusCode::FORBIDDEN),
        ("", "http://evil.example", StatusCode::FORBIDDEN),
        (
            "localhost",
            "http://localhost",
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        ("", "http://localhost", StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        assert_eq!(
            sent("localhost", host, origin).await,
            wanted,
            "{host} {origin}"
        );
    }
    // The console is at the service's own host.
    let console = async |host| {
        ask(&app, get(host, "/console/login", "", "text/html"))
            .await
            .0
    };
    assert_eq!(console("localhost").await, StatusCode::OK);
    assert_eq!(
        console("north.localhost").await,
        StatusCode::MISDIRECTED_REQUEST
    );
    assert_eq!(
        console("elsewhere.example").await,
        StatusCode::MISDIRECTED_REQUEST
    );
}

fn behind_tls(tenancy: &Tenancy, url: &str) -> Router {
    let url = url.parse().unwrap();
    service_at(tenancy.clone(), url, TrustedProxies::loopback()).0
}

#[tokio::test]
async fn behind_tls_the_cookie_goes_over_tls_alone() {
    let dir = tempfile::tempdir().unwrap();
    let tenancy = open(&dir.path().join("data")).unwrap();
    let made = register(&tenancy, &Registration::of("NORTH", "North", "north")).unwrap();
    let app = behind_tls(&tenancy, "https://localhost");
    let host = "north.localhost";
    let first = made.owner.password.unwrap();
    let cookie = log_in(&app, host, &made.owner.username, first.reveal()).await;
    assert!(cookie.starts_with("__Host-"), "{cookie}");
    let (status, ..) = ask(&app, get(host, "/patients/", &cookie, "application/json")).await;
    assert_eq!(status, StatusCode::OK);
    // One that another host could have planted is none.
    let planted = cookie.replace("__Host-", "");
    let (status, ..) = ask(&app, get(host, "/patients/", &planted, "application/json")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let mut forged = post(host, "/login", "username=a&password=b".to_owned());
    let site = "https://south.localhost".parse().unwrap();
    forged.headers_mut().insert("origin", site);
    assert_eq!(ask(&app, forged).await.0, StatusCode::FORBIDDEN);
    let out = Request::post("/logout")
        .header(HOST, host)
        .header(COOKIE, cookie);
    let (_, headers, _) = ask(&app, out.body(Body::empty()).unwrap()).await;
    let gone = headers[SET_COOKIE].to_str().unwrap();
    assert!(
        gone.contains("Max-Age=0") && gone.contains("; Secure"),
        "{gone}"
    );
    // Links are what browsers call it, whatever the proxy makes of the host's port, and the console is at that host.
    let app = behind_tls(&tenancy, "https://clinic.example:8443");
    let form =
        "code=WEST&name=West&subdomain=West&given_name=A&family_name=B&email=a%40west.example";
    let (status, _, page) = ask(&app, post("clinic.example", "/register", form.to_owned())).await;
    assert_eq!(status, StatusCode::CREATED, "{page}");
    for path in ["/login", "/patients/"] {
        let link = format!("href=\"https://west.clinic.example:8443{path}\"");
        assert!(page.contains(&link), "{page}");
    }
    assert!(!page.contains("http://"), "{page}");
    for (host, wanted) in [
        ("clinic.example", StatusCode::OK),
        ("west.clinic.example", StatusCode::MISDIRECTED_REQUEST),
        ("localhost", StatusCode::MISDIRECTED_REQUEST),
    ] {
        let asked = get(host, "/console/login", "", "text/html");
        let (status, headers, _) = ask(&app, asked).await;
        assert_eq!(status, wanted, "{host}");
        if status == StatusCode::OK {
            let set = headers[SET_COOKIE].to_str().unwrap();
            assert!(
                set.starts_with("__Host-") && set.contains("; Secure"),
                "{set}"
            );
        }
    }
    let (status, ..) = ask(&app, get("west.clinic.example", "/login", "", "text/html")).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_over_is_tidied_up() {
    let dir = tempfile::tempdir().unwrap();
    let tenancy = open(&dir.path().join("data")).unwrap();
    let made = register(&tenancy, &Registration::of("NORTH", "North", "north")).unwrap();
    let shared = &mut tenancy.shared().unwrap();
    let accounts = Accounts::default();
    // A log-in and a session of a hundred days ago, and a trial that ended since.
    let then = now() - chrono::TimeDelta::days(100);
    let first = made.owner.password.unwrap();
    let login = accounts.log_in(shared, &made.owner.username, first.reveal(), None, then);
    let session = accounts.begin_session(shared, &login.unwrap(), None, None, None, then);
    session.unwrap();
    let ended = then.date();
    diesel::update(subscription_rows::table)
        .set((
            subscription_rows::starts_on.eq(ended),
            subscription_rows::ends_on.eq(ended),
            subscription_rows::trial_ends_on.eq(ended),
        ))
        .execute(shared)
        .unwrap();
    // And a closing that somebody left, in another process as here, since the catalogue could not be written.
    let mut veto = |sql: &str| {
        let done = shared.unrouted("stand in the way", |raw| {
            raw.connection().batch_execute(sql)
        });
        done.unwrap();
    };
    veto(
        "CREATE TRIGGER veto BEFORE UPDATE ON __tenants_tenants \
         BEGIN SELECT RAISE(ABORT, 'not now'); END",
    );
    let code = "NORTH".parse().unwrap();
    let left = onboarding::deregister(&tenancy, &code, "NORTH", Retention::days(1)).unwrap_err();
    assert!(left.is_retryable(), "{left:?}");
    // One that cannot be settled yet keeps nobody from the rest.
    let tidied = housekeeping::tidy(&tenancy).unwrap();
    assert_eq!(
        (tidied.sessions, tidied.attempts, tidied.settled),
        (1, 1, 0)
    );
    veto("DROP TRIGGER veto");
    let tidied = housekeeping::tidy(&tenancy).unwrap();
    assert_eq!(
        (tidied.sessions, tidied.attempts, tidied.settled),
        (0, 0, 1)
    );
    assert_eq!(tenancy.unfinished_workflows().unwrap(), []);
    let record = tenancy.handle(&code).unwrap().record().unwrap();
    assert!(record.delete_after.is_some());
    let again = housekeeping::tidy(&tenancy).unwrap();
    assert_eq!((again.subscriptions, again.settled), (0, 0));
}
