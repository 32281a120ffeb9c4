//! The routes that the tests ask.

use std::time::Duration;

use axum::{
    Router,
    extract::Request,
    response::Response,
    routing::{get, post},
};
use bytes::Bytes;
use edge::{Body, Caller, Params, Query, RawBody, RequestId};
use http::StatusCode;
use overload::Deadline;
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
        .route("/wait", get(wait).post(wait))
        .route(
            "/id",
            get(|axum::Extension(id): axum::Extension<RequestId>| async move { id.as_str().to_owned() }),
        )
        .route("/wait-and-echo", post(wait_and_echo))
        .route("/remaining", get(remaining))
        .route("/panic", get(panic))
        .route("/stream", get(|| async { streamed(["one ", "", "two"].map(Ok)) }))
        .route(
            "/silent",
            get(|| async {
                axum::body::Body::from_stream(futures_util::stream::pending::<std::io::Result<Bytes>>())
            }),
        )
        .route("/broken", get(|| async { streamed([Ok("half"), Err(std::io::Error::other("lost"))]) }))
        .route("/through", post(|request: Request| async { Response::new(request.into_body()) }))
        .route("/ignore", post(|| async { "ignored" }))
        .route("/nothing", get(|| async { StatusCode::NO_CONTENT }))
        .route("/large", get(|| async { Bytes::from(vec![b'x'; 32 << 20]) }))
}

/// A body of unknown length.
fn streamed<const N: usize>(pieces: [std::io::Result<&'static str>; N]) -> axum::body::Body {
    axum::body::Body::from_stream(futures_util::stream::iter(pieces))
}

async fn wait(Query(Wait { ms }): Query<Wait>) -> &'static str {
    tokio::time::sleep(Duration::from_millis(ms)).await;
    "waited"
}

async fn wait_and_echo(RawBody(body): RawBody) -> Bytes {
    tokio::time::sleep(Duration::from_secs(60)).await;
    body
}

async fn remaining(axum::Extension(deadline): axum::Extension<Deadline>) -> String {
    deadline.remaining().as_millis().to_string()
}

async fn panic() -> &'static str {
    panic!("hunter2");
}
