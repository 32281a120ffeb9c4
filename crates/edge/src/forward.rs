//! Where requests go that no direct route answers: to a router behind its layers, or, at a gateway, to whoever
//! passes them on. What is passed on keeps the name, the counting and the net under panics; limits of its own it
//! must bring along, because bodies that stream through have no size that could be kept in memory.

mod observed;

use std::{convert::Infallible, fmt, net::IpAddr, pin::Pin, sync::Arc};

use front::{Admitted, Asker, FromUpstream, Front};
use futures_util::FutureExt;
use http::{HeaderMap, Request, Response, Uri};
use overload::Seat;
use problem::Problem;
use tower_service::Service as _;

use observed::observed;

use crate::{
    Edge, Lines, REQUEST_ID, RequestId,
    http::{Content, Routes, enter, written},
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
    /// Passes on by this rule. A panic of the future that it gives costs one request, one of the rule itself a connection.
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

/// A refusal as whoever passes requests on gives it.
#[must_use]
pub fn refused(problem: Problem) -> Response<Content> {
    written(problem)
}
