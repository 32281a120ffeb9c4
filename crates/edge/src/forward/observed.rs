//! A request on its way through whoever passes it on: named, counted, and survived if that panics.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use clock::Stopwatch;
use front::{Admitted, Told, Turn, TurnedAway, page_of, wants_page};
use futures_util::future::Either;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header::CONTENT_TYPE};
use http_body::Body as _;
use overload::Seat;
use pin_project_lite::pin_project;
use problem::Problem;
use telemetry::Span;

use super::{Answered, Onwards, Passed, Passing, refused};
use crate::{
    Edge, Fields, REQUEST_ID, RequestId,
    http::{Content, Refused, TRACEPARENT, describe, inspected, panicked, trace},
    traffic::{Here, UNMATCHED},
};

pin_project! {
    /// A request that is passed on. It holds nothing twice, because all of it is copied to where it runs, for every request.
    pub(super) struct Observed<F> {
        #[pin]
        passing: Either<F, Pin<Box<dyn Future<Output = Passed> + Send>>>,
        observing: Option<Observing>,
    }
}

impl<F: Future<Output = Passed>> Future for Observed<F> {
    type Output = Result<Answered, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let passed = match catch_unwind(AssertUnwindSafe(|| this.passing.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(passed)) => passed,
            Err(panic) => Passed::ours(refused(panicked(&*panic))),
        };
        // Nobody asks a future again that has ended.
        this.observing.take().map_or(Poll::Pending, |observing| Poll::Ready(Ok(observing.end(passed))))
    }
}

/// Begins to pass a request on.
pub(super) fn observed<R, N, F>(
    onwards: Arc<Onwards<R, N>>,
    mut request: Request<Content>,
    mut admitted: Admitted,
    edge: Edge,
    seat: Option<Seat>,
) -> Observed<F>
where
    R: Fn(Request<Content>, Passing) -> F + Send + Sync + 'static,
    N: Fn(&Uri, &HeaderMap) -> Option<Arc<str>> + Send + Sync + 'static,
    F: Future<Output = Passed> + Send + 'static,
{
    let turn = admitted.turn();
    let observing = Observing::begin(&mut request, admitted.told.take(), &edge);
    let passing = Passing { client: admitted.client, id: observing.id.clone(), seat };
    let passing = if turn.is_none() && request.body().is_end_stream() {
        Either::Left((onwards.rule)(request, passing))
    } else {
        // Apart, so that requests without it do not carry its state.
        Either::Right(Box::pin(looked_at_first(onwards, request, passing, edge, turn)) as _)
    };
    Observed { passing, observing: Some(observing) }
}

/// Passes a request on when its turn has come and its body is known to bear no attack.
async fn looked_at_first<R, N, F>(
    onwards: Arc<Onwards<R, N>>,
    mut request: Request<Content>,
    passing: Passing,
    edge: Edge,
    turn: Option<Turn>,
) -> Passed
where
    R: Fn(Request<Content>, Passing) -> F,
    N: Fn(&Uri, &HeaderMap) -> Option<Arc<str>>,
    F: Future<Output = Passed>,
{
    let refusing = |problem, uri: &Uri, fields: &HeaderMap| Passed {
        counted_as: (onwards.naming)(uri, fields),
        ..Passed::ours(refused(problem))
    };
    let kept = match turn {
        Some(turn) => match edge.front().take(turn).await {
            Ok(kept) => kept,
            Err(TurnedAway::Limited(refusal)) => {
                return refusing(refusal, request.uri(), request.headers());
            }
            Err(TurnedAway::Waits(answer)) => {
                return Passed::ours(answer.written(None, edge.clock()).map(Content::from));
            }
        },
        None => None,
    };
    if !request.body().is_end_stream() {
        request = match inspected(&edge, request, passing.client).await {
            Ok(request) => request,
            Err(refusal) => {
                let Refused { problem, head } = *refusal;
                return refusing(problem, &head.uri, &head.headers);
            }
        };
    }
    let mut passed = (onwards.rule)(request, passing).await;
    if kept.is_some() {
        std::mem::take(&mut passed.lines).gather(passed.response.headers_mut());
        passed.response.headers_mut().extend(kept);
    }
    passed
}

/// What is kept of a request while it is passed on.
struct Observing {
    edge: Edge,
    stopwatch: Stopwatch,
    in_flight: Here,
    id: RequestId,
    method: Method,
    wants_page: bool,
    told: Option<Told>,
    span: Option<Box<Span>>,
}

impl Observing {
    fn begin(request: &mut Request<Content>, told: Option<Told>, edge: &Edge) -> Self {
        let fields = request.headers();
        let observing = Self {
            stopwatch: edge.clock().stopwatch(),
            in_flight: edge.traffic().enter(),
            id: RequestId::of(fields.get(REQUEST_ID).map(HeaderValue::as_bytes), edge.clock()),
            method: request.method().clone(),
            wants_page: wants_page(Fields::from(fields)),
            told,
            span: trace(edge, fields).map(Box::new),
            edge: edge.clone(),
        };
        if let Some(span) = &observing.span
            && let Ok(traceparent) = HeaderValue::try_from(span.traceparent())
        {
            // Whoever it is passed on to does a part of it.
            request.headers_mut().insert(TRACEPARENT, traceparent);
        }
        observing
    }

    /// Tells of the request, and completes its answer.
    fn end(self, passed: Passed) -> Answered {
        let Self { edge, stopwatch, in_flight, id, method, wants_page, told, span } = self;
        let Passed { mut response, mut lines, whose, counted_as } = passed;
        show(&mut response, wants_page);
        if let Some(told) = told {
            std::mem::take(&mut lines).gather(response.headers_mut());
            response.headers_mut().extend(told.fields());
        }
        // The edge says it itself.
        response.headers_mut().remove(REQUEST_ID);
        drop(in_flight);
        let status = response.status();
        let name = counted_as.as_deref().unwrap_or(UNMATCHED);
        edge.traffic().count(name, &method, status, stopwatch.elapsed());
        if let Some(mut span) = span {
            describe(&mut span, &method, name, &response);
        }
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::debug!(request.id = id.as_str(), %method, route = name, "{method} {name}: {status}");
        }
        Answered { response, lines, whose, id: Some(id) }
    }
}

/// Says a refusal as a page to whoever wants one; any other answer stays as it is.
fn show(response: &mut Response<Content>, wants_page: bool) {
    let problem = response.extensions_mut().remove::<Problem>();
    let Some(problem) = problem.filter(|_| wants_page) else { return };
    let page = page_of(&problem);
    *response.body_mut() = Bytes::from(page.body.into_owned()).into();
    response.headers_mut().insert(CONTENT_TYPE, page.content_type);
    response.headers_mut().extend(page.fields);
}
