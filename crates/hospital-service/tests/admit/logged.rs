//! What the service traces of those who log in and are admitted: none of it is about anybody, and no secret.
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::prelude::*;

use super::*;

/// All that was traced while somebody listened, by whichever test of this process.
static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static LISTENS: AtomicBool = AtomicBool::new(false);

/// Keeps what is traced, and prints it with what the tests print.
struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.lock().unwrap().extend_from_slice(bytes);
        print!("{}", String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Listens to every target at its finest.
fn listen() {
    let all = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_span_events(FmtSpan::FULL)
        .with_writer(|| Log)
        .with_filter(dynamic_filter_fn(|_, _| LISTENS.load(Ordering::Relaxed)));
    tracing_subscriber::registry().with(all).init();
    LISTENS.store(true, Ordering::Relaxed);
}

/// Fails where one of these stands in what was traced, however it is written.
#[track_caller]
fn nowhere(secrets: &[(&str, &str)], heard: &[&str]) {
    LISTENS.store(false, Ordering::Relaxed);
    let logged = LOGGED.lock().unwrap();
    let logged = String::from_utf8_lossy(&logged);
    for text in heard {
        assert!(logged.contains(text), "{text} was not heard:\n{logged}");
    }
    let hits = logged.lines().flat_map(|line| {
        let lower = line.to_lowercase();
        let hits = secrets
            .iter()
            .filter(move |(_, secret)| lower.contains(&secret.to_lowercase()));
        hits.map(move |(what, _)| format!("{what}: {line}"))
    });
    let hits: Vec<String> = hits.collect();
    assert!(hits.is_empty(), "planted, and traced:\n{}", hits.join("\n"));
    println!("{} lines were traced and searched", logged.lines().count());
}

#[tokio::test]
async fn nobody_and_no_secret_is_traced() {
    const CHOSEN: &str = "CANARY-battery-staple-42";
    const WRONG: &str = "CANARY-wrong-password-43";
    let world = world();
    let shared = &mut world.tenancy.shared().unwrap();
    let new = NewAccount::new("Riley", "Front", "riley.front@north.example");
    let new = new.member_of(world.north, Role::Receptionist);
    let made = Accounts::default().create(shared, &new, now()).unwrap();
    let first = made.password.reveal();

    listen();
    let form = |fields: &[(&str, &str)]| {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields).finish()
    };
    let log_in = async |password: &str, chosen: &str| {
        let fields = [
            ("username", &*made.username),
            ("password", password),
            ("chosen", chosen),
        ];
        let request = Request::post("/login").header(HOST, NORTH);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.body(Body::from(form(&fields))).unwrap();
        ask(&world.app, request).await
    };
    assert_eq!(log_in(WRONG, "").await.0, StatusCode::FORBIDDEN);
    let (status, _, body) = log_in(first, CHOSEN).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{body}");
    let (status, headers, body) = log_in(CHOSEN, "").await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{body}");
    let cookie = headers["set-cookie"].to_str().unwrap().split(';').next();
    let cookie = cookie.unwrap().to_owned();
    let (_, token) = cookie.split_once('=').unwrap();

    let mut asked = ada(Some("canary.ada@north.example"));
    for field in ["given_name", "family_name", "allergies", "phone"] {
        asked["patient"][field] = json!(format!("CANARY {field}"));
    }
    asked["patient"]["phone"] = json!("+999-555-0174242");
    let post = |body: &Value| {
        let mut request = world.json(body);
        let headers = request.headers_mut();
        headers.insert(COOKIE, cookie.parse().unwrap());
        headers.insert("idempotency-key", "CANARY-key-0815".parse().unwrap());
        headers.insert("authorization", "Bearer CANARY-api-key".parse().unwrap());
        request
    };
    let (status, _, body) = ask(&world.app, post(&asked)).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    let told: Value = serde_json::from_str(&body).unwrap();
    let given = told["account"]["password"].as_str().unwrap();
    // The same key with something else, and what is turned away.
    asked["patient"]["given_name"] = json!("CANARY another");
    let (status, ..) = ask(&world.app, post(&asked)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    asked["patient"]["sex"] = json!("CANARY");
    let (status, ..) = ask(&world.app, post(&asked)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    for (path, accept) in [
        ("/patients/", "text/html"),
        ("/patients/", "application/json"),
    ] {
        let request = Request::get(path)
            .header(HOST, NORTH)
            .header(COOKIE, &cookie);
        let request = request.header(ACCEPT, accept).body(Body::empty());
        let (status, _, body) = ask(&world.app, request.unwrap()).await;
        assert_eq!((status, body.contains("CANARY")), (StatusCode::OK, true));
    }
    let failing = "ALTER TABLE patients RENAME TO away";
    let ctx = &mut world.tenancy.tenant(&"NORTH".parse().unwrap()).unwrap();
    let broken = ctx.unrouted("to break it", |raw| diesel::sql_query(failing).execute(raw));
    broken.unwrap();
    asked["patient"]["sex"] = json!("female");
    asked["account"]["email"] = json!("canary.other@north.example");
    let mut failed = post(&asked);
    failed.headers_mut().remove("idempotency-key");
    let (status, _, body) = ask(&world.app, failed).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{body}");

    nowhere(
        &[
            ("planted", "CANARY"),
            ("a telephone number", "+999-555-0174242"),
            ("a first password", first),
            ("the password of a patient", given),
            ("a session", token),
        ],
        &["TRACE", "query", "tenant=NORTH", "INSERT INTO", "ERROR"],
    );
}
