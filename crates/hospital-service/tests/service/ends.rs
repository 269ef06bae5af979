//! How the program ends.
use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use axum::Router;
use axum::response::Sse;
use axum::response::sse::Event;
use axum::routing::get;
use futures_util::{StreamExt, stream};
use hospital_service::serving::serve;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Whoever supervises it sends SIGTERM, a terminal SIGINT: after both, requests are finished and what waits in memory for
/// the audit log is written.
#[test]
fn it_ends_in_order_whoever_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    for signal in ["-TERM", "-INT"] {
        let mut service = Command::new(env!("CARGO_BIN_EXE_hospital-service"))
            .args(["--port", "0", "--data"])
            .arg(dir.path().join("data"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(service.stdout.take().unwrap());
        let mut lines = said.lines().map_while(Result::ok);
        let console = lines.find(|line| line.ends_with("/console"));
        assert!(console.is_some(), "it did not start");
        let kill = Command::new("kill")
            .args([signal, &service.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
        // It goes on to say what there is, until it ends.
        lines.for_each(drop);
        assert_eq!(service.wait().unwrap().code(), Some(0), "{signal}");
    }
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
    let served = tokio::spawn(serve(listener, app, ending));
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
