//! The service without a browser: registering, and who sees what.
use axum::Router;
use axum::body::Body;
use axum::http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, Request, StatusCode};
use diesel_tenants::models::schema::shared::{hospitals, users};
use diesel_tenants::models::shared::accounts::Role;
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::{Accounts, NewAccount};
use diesel_tenants::services::now;
use hospital_service::register::{Registration, register};
use hospital_service::{demo, open, service};
use http_body_util::BodyExt;
use tower::ServiceExt;

const PASSWORD: &str = "correct-horse-battery-staple";

async fn ask(app: &Router, request: Request<Body>) -> (StatusCode, HeaderMap, String) {
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
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
        ("NORTH", "other", "x%40y.example", "NORTH"),
        ("OTHER", "north", "x%40y.example", "subdomain"),
        (
            "OTHER",
            "other",
            "nora%40north.example",
            "account with this e-mail",
        ),
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
