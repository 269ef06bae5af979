//! What the console traces of who logs in and looks after tenants: no secret of theirs, and nobody.
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
    listen();
    let site = Site::logged_in().await;
    let wrong = site.log_in("CANARY-wrong-password-43").await;
    assert_ne!(wrong.status, StatusCode::SEE_OTHER);
    site.create("NORTH", "North");
    let id = "NORTH".parse().unwrap();
    let mut ctx = site.tenancy.tenant(&id).unwrap();
    let patient = "INSERT INTO patients (id, number, given_name, family_name, birth_date, sex, created_at)
                   VALUES (randomblob(16), 'CANARY-1', 'CANARY', 'CANARY', '1990-01-01', 'female', '2026-01-01')";
    let written = ctx.unrouted("admit", |raw| diesel::sql_query(patient).execute(raw));
    assert_eq!(written.unwrap(), 1);
    drop(ctx);
    for action in ["verify", "back-up"] {
        let answer = site.post(&format!("/tenants/NORTH/{action}"), &[]).await;
        assert_eq!(
            answer.status,
            StatusCode::SEE_OTHER,
            "{action} {}",
            answer.body
        );
        site.get(&format!("{}/events", answer.location())).await;
    }
    let token = site.get("/tenants").await.token();
    let mut secrets = vec![
        ("planted", "CANARY"),
        ("a password", PASSWORD),
        ("a form's token", &*token),
    ];
    for cookie in site.cookies.split("; ") {
        let (_, value) = cookie.split_once('=').unwrap();
        assert!(value.len() >= 20, "{cookie}");
        secrets.push(("a session", value));
    }
    nowhere(&secrets, &["TRACE", "query", "tenant=NORTH", "kind=create"]);
}
