//! The routes that the tests ask.

use std::time::Duration;

use axum::{
    Router,
    routing::{get, post},
};
use bytes::Bytes;
use edge::{Body, Caller, Params, Query, RawBody, RequestId};
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize, Serialize)]
struct Visit {
    minutes: u16,
}

#[derive(Debug, Deserialize)]
struct Wait {
    ms: u64,
}

/// One route for each thing the edge does.
pub(crate) fn routes() -> Router {
    Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route("/echo", post(|RawBody(body): RawBody| async { body }))
        .route("/visits", post(|Body(visit): Body<Visit>| async { axum::Json(visit) }))
        .route("/visits/{visit}", get(|Params(visit): Params<u64>| async move { visit.to_string() }))
        .route("/whoami", get(|Caller(actor): Caller| async move { actor.by().to_string() }))
        .route("/wait", get(wait))
        .route(
            "/id",
            get(|axum::Extension(id): axum::Extension<RequestId>| async move { id.as_str().to_owned() }),
        )
        .route("/panic", get(panic))
        .route("/large", get(|| async { Bytes::from(vec![b'x'; 32 << 20]) }))
}

async fn wait(Query(Wait { ms }): Query<Wait>) -> &'static str {
    tokio::time::sleep(Duration::from_millis(ms)).await;
    "waited"
}

async fn panic() -> &'static str {
    panic!("hunter2");
}
