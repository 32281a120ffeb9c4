//! Where requests go that no direct route answers: to a router behind its layers, or, at a gateway, to whoever
//! passes them on. What is passed on keeps the name, the counting and the net under panics; limits of its own it
//! must bring along, because bodies that stream through have no size that could be kept in memory.

use std::{convert::Infallible, fmt, panic::AssertUnwindSafe, pin::Pin, sync::Arc};

use front::{Told, Turn, TurnedAway};
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Body as _;
use overload::Seat;
use problem::Problem;
use tower_service::Service as _;

use crate::{
    Edge, REQUEST_ID, RequestId,
    http::{Content, Routes, TRACEPARENT, describe, inspected, panicked, trace, written},
    traffic::UNMATCHED,
};

/// An answer on its way.
pub type Forwarding = Pin<Box<dyn Future<Output = Response<Content>> + Send>>;

pub(crate) type Answering = Pin<Box<dyn Future<Output = Result<Response<Content>, Infallible>> + Send>>;

/// Passes requests on. It runs on the thread that serves the connection, so it must not block.
#[derive(Clone)]
pub struct Forward(Arc<dyn Fn(Request<Content>) -> Forwarding + Send + Sync>);

/// Under which name an answer is counted; from a closed set, put among its extensions.
#[derive(Debug, Clone)]
pub struct CountedAs(pub Arc<str>);

impl Forward {
    /// Passes on by this rule.
    pub fn by<F>(rule: impl Fn(Request<Content>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Content>> + Send + 'static,
    {
        Self(Arc::new(move |request| Box::pin(rule(request))))
    }
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forward")
    }
}

/// What a port does with the requests that no direct route answers.
#[derive(Debug, Clone)]
pub(crate) enum Onward {
    /// The routes, wrapped in their layers.
    Routes(Routes),
    Forward(Forward, Edge, Option<Seat>),
}

impl Onward {
    pub(crate) fn answer(&self, mut request: Request<Content>) -> Answering {
        match self {
            Self::Routes(routes) => Box::pin(routes.clone().call(request)),
            Self::Forward(forward, edge, seat) => {
                if let Some(seat) = seat {
                    // Which route it is for, whoever passes it on finds out.
                    request.extensions_mut().insert(seat.clone());
                }
                Box::pin(observed(forward.clone(), edge.clone(), request))
            }
        }
    }
}

/// Passes a request on, named, counted and survived.
async fn observed(
    forward: Forward,
    edge: Edge,
    mut request: Request<Content>,
) -> Result<Response<Content>, Infallible> {
    let stopwatch = edge.clock().stopwatch();
    let in_flight = edge.traffic().enter();
    let id = RequestId::of(request.headers().get(REQUEST_ID).map(HeaderValue::as_bytes), edge.clock());
    let method = request.method().clone();
    request.extensions_mut().insert(id.clone());
    let told = request.extensions_mut().remove::<Told>();
    let mut span = trace(&edge, request.headers());
    if let Some(span) = &span
        && let Ok(traceparent) = HeaderValue::try_from(span.traceparent())
    {
        // Whoever it is passed on to does a part of it.
        request.headers_mut().insert(TRACEPARENT, traceparent);
    }
    let answering = async {
        let kept = match request.extensions_mut().remove::<Turn>() {
            Some(turn) => match Box::pin(edge.front().take(turn)).await {
                Ok(kept) => kept,
                Err(TurnedAway::Limited(refusal)) => return refused(refusal),
                Err(TurnedAway::Waits(answer)) => {
                    return answer.written(None, edge.clock()).map(Content::from);
                }
            },
            None => None,
        };
        if !request.body().is_end_stream() {
            request = match Box::pin(inspected(&edge, request)).await {
                Ok(request) => request,
                Err(refusal) => return refused(refusal),
            };
        }
        let mut response = (forward.0)(request).await;
        response.headers_mut().extend(kept);
        response
    };
    let answered = AssertUnwindSafe(answering).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|panic| refused(panicked(&*panic)));
    if let Some(told) = told {
        response.headers_mut().extend(told.fields());
    }
    drop(in_flight);
    let status = response.status();
    {
        let name = response.extensions().get::<CountedAs>();
        let name = name.map_or(UNMATCHED, |name| &name.0);
        edge.traffic().count(name, &method, status, stopwatch.elapsed());
        if let Some(span) = &mut span {
            describe(span, &method, name, &response);
        }
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::debug!(request.id = id.as_str(), %method, route = name, "{method} {name}: {status}");
        }
    }
    response.headers_mut().insert(REQUEST_ID, id.into_value());
    Ok(response)
}

/// A refusal as whoever passes requests on gives it.
#[must_use]
pub fn refused(problem: Problem) -> Response<Content> {
    written(problem)
}
