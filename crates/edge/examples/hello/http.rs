//! What goes through the router.

use axum::{Router, response::IntoResponse, routing::get};
use http::{HeaderMap, header};

/// The routes of the port that is measured.
pub(crate) fn routes() -> Router {
    Router::new().route("/routed", get(routed))
}

async fn routed(headers: HeaderMap) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], super::session((&headers).into()).unwrap_or_default())
}
