//! Serving until the service is to end.
use std::future::IntoFuture;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use futures_util::StreamExt;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long what is under way is waited for, unless told otherwise. Most supervisors wait longer before they kill.
pub const GRACE: Duration = Duration::from_secs(10);

/// Serves until `ending` changes or is dropped. Requests that are under way are finished then, for so long at most as `grace`
/// says. Pages that tell how something goes on are not: their streams end at once.
///
/// # Errors
/// Those of the system.
pub async fn serve(
    listener: TcpListener,
    service: Router,
    ending: watch::Receiver<()>,
    grace: Duration,
) -> std::io::Result<()> {
    let service = service.layer(from_fn_with_state(ending.clone(), streams_end));
    let service = service.into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, service).with_graceful_shutdown(over(ending.clone()));
    tokio::select! {
        served = served.into_future() => served,
        () = async { over(ending).await; tokio::time::sleep(grace).await } => Ok(()),
    }
}

/// Waits until it is to end.
pub async fn over(mut ending: watch::Receiver<()>) {
    let _ = ending.changed().await;
}

/// Ends streams of events with the service: they last as long as what they tell of.
async fn streams_end(
    State(ending): State<watch::Receiver<()>>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    let kind = response.headers().get(CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
        return response;
    }
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(over(ending))))
}
