//! Where requests go that no direct route answers: to a router behind its layers, or, at a gateway, to whoever
//! passes them on. What is passed on keeps the name, the counting and the net under panics; limits of its own it
//! must bring along, because bodies that stream through have no size that could be kept in memory.

use std::{
    convert::Infallible,
    fmt,
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
};

use bytes::Bytes;
use front::{Admitted, Asker, FromUpstream, Front, TurnedAway, page_of, wants_page};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header::CONTENT_TYPE};
use http_body::Body as _;
use overload::Seat;
use problem::Problem;
use tower_service::Service as _;

use crate::{
    Edge, Fields, Lines, REQUEST_ID, RequestId,
    http::{
        Content, Refused, Routes, TRACEPARENT, describe, enter, inspected, panicked, survived, trace, written,
    },
    traffic::UNMATCHED,
};

pub(crate) type Answering = Pin<Box<dyn Future<Output = Result<Answered, Infallible>> + Send>>;

type Rule = dyn Fn(Request<Content>, Admitted, Edge, Option<Seat>) -> Answering + Send + Sync;

/// Passes requests on. It runs on the thread that serves the connection, so it must not block.
#[derive(Clone)]
pub struct Forward(Arc<Rule>);

/// How requests are passed on, and named that are not.
struct Onwards<R, N> {
    rule: R,
    naming: N,
}

/// What is known of a request that is passed on, beside what it says itself.
#[derive(Debug, Clone)]
pub struct Passing {
    /// For whom it was sent: behind proxies that are trusted, the address that they name.
    pub client: Option<IpAddr>,
    pub id: RequestId,
    /// The thread's way to what decides who is served when too many come, if anything does.
    pub seat: Option<Seat>,
}

/// An answer to a request that was passed on.
#[derive(Debug)]
pub struct Passed {
    pub response: Response<Content>,
    /// Fields that stand beside those of the response, as they came.
    pub lines: Lines,
    /// Whose answer it is: ours, unless this says otherwise.
    pub whose: Option<FromUpstream>,
    /// Under which name it is counted; from a closed set.
    pub counted_as: Option<Arc<str>>,
}

/// An answer on its way to its caller.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) response: Response<Content>,
    pub(crate) lines: Lines,
    whose: Option<FromUpstream>,
    /// The name of the request, where the response does not say it yet.
    pub(crate) id: Option<RequestId>,
}

impl Forward {
    /// Passes on by this rule.
    pub fn by<F>(rule: impl Fn(Request<Content>, Passing) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Passed> + Send + 'static,
    {
        Self::named(rule, |_, _| None)
    }

    /// The same, and counts what is refused before it is passed on under the name that `naming` gives it; from a closed
    /// set.
    pub fn named<F>(
        rule: impl Fn(Request<Content>, Passing) -> F + Send + Sync + 'static,
        naming: impl Fn(&Uri, &HeaderMap) -> Option<Arc<str>> + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Passed> + Send + 'static,
    {
        let onwards = Arc::new(Onwards { rule, naming });
        // One future for all of it: each that lies on its own is memory taken and given back.
        Self(Arc::new(move |request, admitted, edge, seat| {
            Box::pin(observed(onwards.clone(), request, admitted, edge, seat))
        }))
    }
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forward")
    }
}

impl Passed {
    /// An answer of ours.
    #[must_use]
    pub fn ours(response: Response<Content>) -> Self {
        Self { response, lines: Lines::default(), whose: None, counted_as: None }
    }
}

impl Answered {
    pub(crate) fn ours(response: Response<Content>) -> Self {
        Self { response, lines: Lines::default(), whose: None, id: None }
    }

    /// Adds the fields that the front has every answer say. What nobody has to look at for that stays as it came.
    pub(crate) fn complete(&mut self, front: &Front, asker: Asker) {
        if !front.leaves(self.whose) {
            self.gather();
        }
        front.complete(&mut self.response, asker, self.whose);
    }

    /// With all of its fields in one map.
    pub(crate) fn whole(mut self) -> Response<Content> {
        self.gather();
        if let Some(id) = self.id {
            self.response.headers_mut().insert(REQUEST_ID, id.into_value());
        }
        self.response
    }

    fn gather(&mut self) {
        std::mem::take(&mut self.lines).gather(self.response.headers_mut());
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
    pub(crate) fn answer(&self, mut request: Request<Content>, admitted: Admitted) -> Answering {
        match self {
            Self::Routes(routes) => {
                enter(admitted, request.extensions_mut());
                Box::pin(routes.clone().call(request).map(|answered| answered.map(Answered::ours)))
            }
            // Which route it is for, whoever passes it on finds out.
            Self::Forward(forward, edge, seat) => (forward.0)(request, admitted, edge.clone(), seat.clone()),
        }
    }
}

/// Passes a request on, named, counted and survived.
async fn observed<R, N, F>(
    onwards: Arc<Onwards<R, N>>,
    mut request: Request<Content>,
    mut admitted: Admitted,
    edge: Edge,
    seat: Option<Seat>,
) -> Result<Answered, Infallible>
where
    R: Fn(Request<Content>, Passing) -> F,
    N: Fn(&Uri, &HeaderMap) -> Option<Arc<str>>,
    F: Future<Output = Passed>,
{
    let stopwatch = edge.clock().stopwatch();
    let in_flight = edge.traffic().enter();
    let id = RequestId::of(request.headers().get(REQUEST_ID).map(HeaderValue::as_bytes), edge.clock());
    let method = request.method().clone();
    let wants_page = wants_page(Fields::from(request.headers()));
    let (turn, told) = (admitted.turn(), admitted.told.take());
    let passing = Passing { client: admitted.client, id: id.clone(), seat };
    drop(admitted);
    let mut span = trace(&edge, request.headers());
    if let Some(span) = &span
        && let Ok(traceparent) = HeaderValue::try_from(span.traceparent())
    {
        // Whoever it is passed on to does a part of it.
        request.headers_mut().insert(TRACEPARENT, traceparent);
    }
    let refusing = |problem, uri: &Uri, fields: &HeaderMap| Passed {
        counted_as: (onwards.naming)(uri, fields),
        ..Passed::ours(refused(problem))
    };
    let answering = pin!(async {
        let kept = match turn {
            Some(turn) => match Box::pin(edge.front().take(turn)).await {
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
            request = match Box::pin(inspected(&edge, request, passing.client)).await {
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
    });
    let passed = survived(answering).await.unwrap_or_else(|panic| Passed::ours(refused(panicked(&*panic))));
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
    if let Some(span) = &mut span {
        describe(span, &method, name, &response);
    }
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::debug!(request.id = id.as_str(), %method, route = name, "{method} {name}: {status}");
    }
    Ok(Answered { response, lines, whose, id: Some(id) })
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

/// A refusal as whoever passes requests on gives it.
#[must_use]
pub fn refused(problem: Problem) -> Response<Content> {
    written(problem)
}
