//! How the program ends.
use std::convert::Infallible;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use axum::Router;
use axum::response::Sse;
use axum::response::sse::Event;
use axum::routing::get;
use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use diesel_tenants::fleet::RunOutcome;
use diesel_tenants::models::{ROUTES, SHARED_MIGRATIONS};
use diesel_tenants::services::accounts::Accounts;
use diesel_tenants::{MigrateFleet, MigrationSet};
use futures_util::{StreamExt, stream};
use hospital_service::serving::{GRACE, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::*;

/// Whoever supervises it sends SIGTERM, a terminal SIGINT: after both, requests are finished and what waits in memory for
/// the audit log is written.
#[test]
fn it_ends_in_order_whoever_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    drop(empty_hospitals(dir.path()));
    // What it says of itself is what browsers call it.
    let far = ["--public-url", "https://clinic.example:443"];
    for (signal, options, console) in [
        ("-TERM", &[][..], "http://localhost:"),
        ("-INT", &far[..], "https://clinic.example/console"),
    ] {
        let mut service = Running::start(dir.path(), options);
        assert!(service.console.starts_with(console), "{}", service.console);
        service.signal(signal);
        // It goes on to say what there is, until it ends.
        (&mut service.said).for_each(drop);
        let ended = service.child.wait().unwrap();
        assert_eq!(ended.code(), Some(0), "{signal}");
    }
}

/// What it says, line by line.
type Said = std::iter::MapWhile<
    Lines<BufReader<ChildStdout>>,
    fn(std::io::Result<String>) -> Option<String>,
>;

/// The program, killed when the test ends.
struct Running {
    child: Child,
    console: String,
    said: Said,
}

impl Running {
    fn start(dir: &Path, options: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hospital-service"))
            .args(["--port", "0", "--data"])
            .arg(dir.join("data"))
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let ok: fn(std::io::Result<String>) -> Option<String> = Result::ok;
        let mut said = said.lines().map_while(ok);
        let console = said.find(|line| line.ends_with("/console"));
        let console = console.expect("it did not start");
        Self {
            child,
            console,
            said,
        }
    }

    /// Where it listens, unless it is called by another name.
    fn port(&self) -> u16 {
        let host = self.console.trim_end_matches("/console");
        host.rsplit_once(':').unwrap().1.parse().unwrap()
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let kill = Command::new("kill").args([signal, &id]).status();
        assert!(kill.unwrap().success());
    }

    /// What it says until it has ended, which it does soon.
    fn last_words(&mut self) -> String {
        let mut errors = self.child.stderr.take().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut said = String::new();
            let read = errors.read_to_string(&mut said);
            tell.send(read.map(|_| said))
        });
        let said = told.recv_timeout(Duration::from_secs(20));
        said.expect("it does not end").unwrap()
    }

    /// Asks, as a browser does that holds these cookies; the whole answer.
    fn ask(&self, method: &str, path: &str, cookies: &str, body: &str) -> String {
        let mut asked = std::net::TcpStream::connect(("127.0.0.1", self.port())).unwrap();
        let length = body.len();
        write!(
            asked,
            "{method} /console{path} HTTP/1.1\r\nhost: localhost:{}\r\ncookie: {cookies}\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{body}",
            self.port()
        )
        .unwrap();
        let mut answer = String::new();
        asked.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The session of the operator.
    fn log_in(&self, username: &str) -> String {
        let page = self.ask("GET", "/login", "", "");
        let (visit, token) = (cookie(&page), token(&page));
        let form = format!("token={token}&username={username}&password={PASSWORD}");
        cookie(&self.ask("POST", "/login", &visit, &form))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn cookie(answer: &str) -> String {
    let (_, set) = answer.split_once("set-cookie: ").expect("no cookie");
    set.split(';').next().unwrap().to_owned()
}

fn token(answer: &str) -> String {
    let (_, token) = answer
        .split_once("name=\"token\" value=\"")
        .expect("no form");
    token[..64].to_owned()
}

/// The hospitals that the service would make, with nothing in them yet: there is something to migrate.
fn empty_hospitals(dir: &Path) -> Tenancy {
    let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES)
        .sqlite(dir.join("data"))
        .init()
        .shared_migrations(SHARED_MIGRATIONS)
        .tenant_migrations(MigrationSet::empty())
        .open()
        .unwrap();
    for hospital in demo::HOSPITALS {
        let id = hospital.code.parse().unwrap();
        let new = NewTenant::named(hospital.name);
        tenancy.create(&id, new).unwrap();
    }
    tenancy
}

/// The files of all hospitals' databases.
fn databases(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => databases(&path, found),
            false if path.extension().is_some_and(|it| it == "sqlite3") => found.push(path),
            false => {}
        }
    }
}

/// A thread that works on a database cannot be interrupted, and dropping the runtime waited for it: for as long as the lock
/// of another program lasted, here for ever.
#[test]
fn a_migration_that_waits_keeps_it_for_so_long_as_was_said_and_is_whole_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let behind = empty_hospitals(dir.path());
    let accounts = Accounts::default();
    let shared = &mut behind.shared().unwrap();
    let new = NewAccount::new("Ada", "Lovelace", "ada@example.org").superuser();
    let made = accounts.create(shared, &new, now()).unwrap();
    let first = made.password.reveal();
    accounts
        .change_password(shared, made.user, first, PASSWORD, None, now())
        .unwrap();
    let mut files = Vec::new();
    databases(&dir.path().join("data").join("tenants"), &mut files);
    assert_eq!(files.len(), demo::HOSPITALS.len(), "{files:?}");
    let hold = || {
        let held = files.iter().map(|file| {
            let mut held = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
            held.batch_execute("BEGIN IMMEDIATE").unwrap();
            held
        });
        held.collect::<Vec<_>>()
    };

    // Whoever says it once waits for the grace, and whoever says it twice does not.
    let mut session = String::new();
    let mut before = None;
    for (grace, signals, code) in [("1", 1, 0), ("3600", 2, 1)] {
        let mut service = Running::start(dir.path(), &["--grace", grace]);
        if session.is_empty() {
            session = service.log_in(&made.username);
        }
        let held = hold();
        let page = service.ask("GET", "/tenants", &session, "");
        // It answers while the run goes on.
        let form = format!("token={}", token(&page));
        let answer = service.ask("POST", "/matching/migrate", &session, &form);
        assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
        let running = || {
            let runs = behind.fleet_runs().unwrap();
            runs.first()
                .filter(|run| run.outcome == RunOutcome::Running)
                .map(|run| run.id)
        };
        let run = running().unwrap_or_else(|| panic!("{answer} {:?}", behind.fleet_runs()));
        if let Some(before) = before {
            // Told to end, it had told the migration: that one is over, and this is another with its rest.
            let outcome = behind.fleet_run(before).unwrap().outcome;
            assert_eq!(outcome, RunOutcome::Stopped);
        }
        service.signal("-TERM");
        // It takes no more requests, and has nothing more begun.
        while std::net::TcpStream::connect(("127.0.0.1", service.port())).is_ok() {
            std::thread::yield_now();
        }
        if signals == 2 {
            assert!(service.child.try_wait().unwrap().is_none(), "it waits");
            service.signal("-TERM");
        }
        let said = service.last_words();
        let ended = service.child.wait().unwrap();
        assert_eq!(ended.code(), Some(code), "{said}");
        let recovers = "finished or undone by the next start";
        assert!(said.contains(recovers), "{said}");
        assert_eq!(running(), None);
        before = Some(run);
        drop(held);
    }
    drop(behind);
    let tenancy = open(&dir.path().join("data")).unwrap();
    let one = MigrateFleet::default().only([demo::HOSPITALS[0].code.parse().unwrap()]);
    let report = tenancy.migrate_fleet(&one, |_| {});
    assert!(report.unwrap().is_success());
}

/// A page of the console that tells of a run was waited for as long as any request is: ten seconds.
#[tokio::test]
async fn streams_of_events_keep_nobody_waiting() {
    let told = || async {
        let first = Ok::<_, Infallible>(Event::default().data("first"));
        Sse::new(stream::iter([first]).chain(stream::pending()))
    };
    let app = Router::new().route("/events", get(told));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (end, ending) = watch::channel(());
    let served = tokio::spawn(serve(listener, app, ending, GRACE));
    let mut page = TcpStream::connect(address).await.unwrap();
    let asked = b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n";
    page.write_all(asked).await.unwrap();
    let mut heard = Vec::new();
    while !heard.windows(5).any(|said| said == b"first") {
        assert!(page.read_buf(&mut heard).await.unwrap() > 0);
    }
    end.send(()).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(5), served).await;
    ended.expect("it waits for the stream").unwrap().unwrap();
    page.read_to_end(&mut heard).await.unwrap();
    assert!(heard.ends_with(b"0\r\n\r\n"), "the stream was not ended");
}
