//! The layers themselves; their order, with its reasons, is in [`super::protect`].

use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
    time::Duration,
};

use axum::{
    body::{Body, HttpBody},
    extract::{MatchedPath, Request},
    response::{IntoResponse, Response},
};
use front::{Told, Turn, TurnedAway};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use problem::{Code, Problem};
use telemetry::Span;

use super::{Peer, arriving::Bounded, digested::digested};
use crate::{Edge, REQUEST_ID, RequestId, config::millis, traffic::UNMATCHED};

/// Of which trace a request is a part (W3C Trace Context).
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A handler panicked; with what, the log knows.
#[derive(Debug, thiserror::Error)]
#[error("a handler panicked: {0}")]
struct Panicked(String);

/// Gives the request its name, and the answer the same.
pub(super) async fn name(
    edge: &Edge,
    mut request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let id = RequestId::of(request.headers().get(REQUEST_ID).map(HeaderValue::as_bytes), edge.clock());
    request.extensions_mut().insert(id.clone());
    let mut response = next(request).await;
    response.headers_mut().insert(REQUEST_ID, id.into_value());
    response
}

/// Counts the request, takes its time, writes the log, and traces some.
pub(super) async fn observe(
    edge: &Edge,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let stopwatch = edge.clock().stopwatch();
    let in_flight = edge.traffic().enter();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let id = request.extensions().get::<RequestId>().cloned();
    let mut span = trace(edge, request.headers());
    let running = next(request);
    let response = match &span {
        Some(span) => telemetry::within(span, running).await,
        None => running.await,
    };
    drop(in_flight);
    let took = stopwatch.elapsed();
    // The template and never the path: paths hold names, and there is no end of them.
    let route = route.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
    let status = response.status();
    if let Some(span) = &mut span {
        describe(span, &method, route, &response);
    }
    edge.traffic().count(route, &method, status, took);
    let code = || response.extensions().get::<Code>().map(|code| code.0);
    let id = || id.as_ref().map(RequestId::as_str);
    // Being busy is no failure; who sends a flood must not fill the log with it.
    if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE {
        let (status, took_us) = (status.as_u16(), took.as_micros());
        tracing::error!(request.id = id(), %method, route, status, code = code(), took_us, "{method} {route} failed: {status}");
    } else {
        tracing::debug!(request.id = id(), %method, route, status = status.as_u16(), code = code(), "{method} {route}: {status}");
    }
    response
}

/// Begins the trace of a request, if it is to be traced.
pub(crate) fn trace(edge: &Edge, fields: &HeaderMap) -> Option<Span> {
    let caller = fields.get(TRACEPARENT).map(HeaderValue::as_bytes);
    telemetry::begin("request", caller, || u64::from_le_bytes(edge.clock().random()))
}

/// Says of a trace what the request was, and how it ended.
pub(crate) fn describe<B>(span: &mut Span, method: &Method, route: &str, response: &Response<B>) {
    span.rename(format!("{method} {route}"));
    span.say("http.request.method", method.to_string());
    span.say("http.route", route.to_owned());
    span.say("http.response.status_code", i64::from(response.status().as_u16()));
    if let Some(Code(code)) = response.extensions().get() {
        span.say("error.type", *code);
        if response.status().is_server_error() {
            span.failed(code);
        }
    }
}

/// Waits until the request's turn comes, where limits are shared or space requests evenly, and tells its sender of
/// them.
pub(super) async fn take_turn(
    edge: &Edge,
    mut request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let kept = match request.extensions_mut().remove::<Turn>() {
        Some(turn) => match edge.front().take(turn).await {
            Ok(kept) => kept,
            Err(turned_away) => return refused(edge, turned_away, request.extensions().get()),
        },
        None => None,
    };
    let told = request.extensions_mut().remove::<Told>();
    let mut response = next(request).await;
    response.headers_mut().extend(kept);
    if let Some(told) = told {
        response.headers_mut().extend(told.fields());
    }
    response
}

/// What is said to a request whose turn does not come.
fn refused(edge: &Edge, turned_away: TurnedAway, told: Option<&Told>) -> Response {
    let mut response = match turned_away {
        TurnedAway::Limited(refusal) => refusal.into_response(),
        TurnedAway::Waits(answer) => answer.written(None, edge.clock()).map(Body::from),
    };
    response.headers_mut().extend(told.into_iter().flat_map(Told::fields));
    response
}

/// Turns a panic into an answer.
pub(super) async fn survive(request: Request, next: impl AsyncFnOnce(Request) -> Response) -> Response {
    // It runs where it lies: a wrapper of its own would be a copy of all of it.
    let mut running = pin!(next(request));
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx))) {
        Ok(polled) => polled,
        Err(panic) => Poll::Ready(panicked(&*panic).into_response()),
    })
    .await
}

/// What the caller of a handler that panicked is told.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Problem {
    let words = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
    let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
    Problem::internal(&Panicked(words.unwrap_or_else(|| "without a word".to_owned())))
}

/// Gives up on a handler that takes too long.
pub(super) async fn answer_in_time(
    edge: &Edge,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let limit = millis(edge.config().answer_ms_max);
    let answered = tokio::time::timeout(limit, next(request)).await;
    answered.unwrap_or_else(|_| {
        let detail = "the answer took too long; what was asked may have happened or not";
        Problem::unavailable("edge/answer-too-late", detail, Duration::from_secs(1)).into_response()
    })
}

/// Lets no body with an attack through.
pub(super) async fn inspect(
    edge: &Edge,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    if request.body().is_end_stream() {
        return next(request).await;
    }
    let client = request.extensions().get::<Peer>().and_then(|peer| peer.0);
    match super::inspected(edge, request, client).await {
        Ok(request) => next(request).await,
        Err(refused) => refused.problem.into_response(),
    }
}

/// Bounds the size of a body and the time it takes to arrive.
pub(super) async fn bound_body(
    edge: &Edge,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    if request.body().is_end_stream() {
        return next(request).await;
    }
    let limits = edge.config();
    if request.body().size_hint().lower() > u64::from(limits.body_bytes_max.get()) {
        return super::extract::too_large().into_response();
    }
    let request = request.map(|body| Bounded::new(body, limits, edge.budget().clone()).into_body());
    match digested(request) {
        Ok(request) => next(request).await,
        Err(refusal) => refusal.into_response(),
    }
}
