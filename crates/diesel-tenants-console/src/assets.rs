//! The style and the script, compiled in.
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;

/// Browsers ask again after five minutes, so that a new version is soon seen.
const CACHED: (axum::http::HeaderName, &str) = (CACHE_CONTROL, "public, max-age=300");

pub(crate) async fn css() -> impl IntoResponse {
    let kind = (CONTENT_TYPE, "text/css; charset=utf-8");
    ([kind, CACHED], include_str!("../assets/console.css"))
}

pub(crate) async fn js() -> impl IntoResponse {
    let kind = (CONTENT_TYPE, "text/javascript; charset=utf-8");
    ([kind, CACHED], include_str!("../assets/console.js"))
}
