//! What the log says of a request.
use std::io;
use std::sync::Once;

use parking_lot::Mutex;
use tracing::Instrument;

use super::*;

/// All that was logged, by all tests of this process.
static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn listen() {
    static LISTENS: Once = Once::new();
    LISTENS.call_once(|| {
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(|| Log)
            .init();
    });
}

/// The lines with this in them.
fn lines_with(text: &str) -> Vec<String> {
    let logged = String::from_utf8(LOGGED.lock().clone()).unwrap();
    let lines = logged.lines().filter(|line| line.contains(text));
    lines.map(str::to_owned).collect()
}

async fn fails(tenant: TenantDb) -> Result<(), RunError> {
    use diesel::result::{DatabaseErrorKind::Unknown, Error::DatabaseError};
    let why = || DatabaseError(Unknown, Box::new("CAUSE of a failure".to_owned()));
    tenant.run(move |_| -> QueryResult<()> { Err(why()) }).await
}

#[tokio::test]
async fn the_cause_of_an_answer_that_hides_it_is_logged_once_under_its_id() {
    listen();
    let fleet = fleet();
    fleet.create("NORTH");
    let outside = Router::new().route("/outside", get(names));
    let app = routes()
        .route("/fails", get(fails))
        .layer(TenantLayer::new(fleet.tenancy.clone(), by_subdomain()))
        .merge(outside);
    for (path, cause) in [
        ("/fails", "CAUSE of a failure"),
        ("/panic", "the work on the database panicked"),
        ("/outside", "no `TenantLayer` is around this route"),
    ] {
        let (status, body) = ask(&app, request("north.example.com", path)).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        assert!(!body.contains(cause), "{body}");
        let told: serde_json::Value = serde_json::from_str(&body).unwrap();
        let id = told["error"]["id"].as_str().expect("the answer has no id");
        let lines = lines_with(id);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].contains("ERROR") && lines[0].contains(cause),
            "{lines:?}"
        );
        assert!(!lines[0].contains("CANARY"), "{lines:?}");
    }
    // What is told hides nothing, and is no error of the service.
    let (_, body) = ask(&app, request("nobody.example.com", "/patients")).await;
    assert!(!body.contains("\"id\""), "{body}");
}

#[tokio::test]
async fn work_is_in_the_span_of_its_request_and_of_its_tenant() {
    listen();
    let fleet = fleet();
    fleet.create("NORTH");
    let says = |tenant: TenantDb, shared: SharedDb| async move {
        let say = |what: &'static str| {
            tracing::info!("MARK of {what}");
            QueryResult::Ok(())
        };
        tenant.run(move |_| say("a tenant")).await?;
        tenant.run_with_shared(move |_, _| say("both")).await?;
        shared.run(move |_| say("all")).await
    };
    let app = routes()
        .route("/says", get(says))
        .layer(TenantLayer::new(fleet.tenancy.clone(), by_subdomain()));
    let span = tracing::info_span!("request", number = 4711);
    let (status, _) = ask(&app, request("north.example.com", "/says"))
        .instrument(span)
        .await;
    assert_eq!(status, StatusCode::OK);
    for (mark, spans) in [
        (
            "MARK of a tenant",
            "request{number=4711}:tenant{tenant=NORTH scope=\"tenant\" generation=1}",
        ),
        (
            "MARK of both",
            "request{number=4711}:tenant{tenant=NORTH scope=\"tenant\" generation=1}",
        ),
        (
            "MARK of all",
            "request{number=4711}:shared{scope=\"shared\"}",
        ),
    ] {
        let lines = lines_with(mark);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(spans), "{lines:?}");
    }
}

/// Every target at its finest, of all that the tests of this process have done so far: there is nobody in it.
#[tokio::test]
async fn nobody_and_no_secret_is_traced() {
    listen();
    let fleet = fleet();
    fleet.create("NORTH");
    let app = fleet.app(by_subdomain());
    for (path, status) in [
        ("/patients/CANARY-ada", StatusCode::CREATED),
        ("/patients/CANARY-ada", StatusCode::CONFLICT),
        ("/patients/CANARY-NORTH", StatusCode::CONFLICT),
    ] {
        let request = Request::post(path)
            .header("host", "north.example.com")
            .header("cookie", "session=CANARY-token")
            .header("authorization", "Bearer CANARY-key")
            .body(Body::empty());
        assert_eq!(ask(&app, request.unwrap()).await.0, status, "{path}");
    }
    let (_, body) = ask(&app, request("north.example.com", "/patients")).await;
    assert!(body.contains("CANARY-ada"), "{body}");
    for heard in ["TRACE", "tenant=NORTH", "INSERT INTO `patients`"] {
        assert!(!lines_with(heard).is_empty(), "{heard} was not heard");
    }
    assert_eq!(lines_with("CANARY"), [""; 0]);
}
