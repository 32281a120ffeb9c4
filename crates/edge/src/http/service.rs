//! A connection's way in: what hyper read goes to a direct route, or through the layers to the router.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{body::HttpBody, response::IntoResponse, routing::future::RouteFuture};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use problem::Problem;
use tower_service::Service as _;

use super::{arriving::Arriving, extract::Peer, layers::panicked};
use crate::{
    Answer, Ask, REQUEST_ID, RequestId,
    config::size,
    connection::{Busy, Watch},
    direct::DirectRoute,
    server::Port,
    traffic::RouteSlot,
};

/// Answers the requests of one connection.
pub(crate) struct EdgeService {
    port: Arc<Port>,
    watch: Arc<Watch>,
    peer: Peer,
}

impl EdgeService {
    pub(crate) const fn new(port: Arc<Port>, watch: Arc<Watch>, peer: Peer) -> Self {
        Self { port, watch, peer }
    }

    /// What is wrong with a request that hyper let through.
    fn fault(&self, request: &Request<Incoming>) -> Option<Problem> {
        let headers = request.headers();
        if self.watch.is_http2() {
            let many = headers.len() > size(self.port.edge.config().header_fields_max);
            return many.then(|| {
                let detail = "the header section has more fields than this server takes";
                Problem::header_fields_too_large("edge/header-too-large", detail)
            });
        }
        let mut hosts = headers.get_all(header::HOST).iter();
        // RFC 9112, section 3.2; HTTP/1.0 knew no hosts.
        let named = hosts.next().is_some() || request.version() == Version::HTTP_10;
        if !named || hosts.next().is_some() {
            let detail = "a request names its host, and once";
            return Some(Problem::bad_request("edge/malformed-request", detail));
        }
        if !self.watch.has_stray_length() {
            return None;
        }
        if headers.contains_key(header::CONTENT_LENGTH) {
            self.watch.length_was_read();
            return None;
        }
        // hyper keeps one of the two, and drops the length (RFC 9112, section 6.3).
        headers.contains_key(header::TRANSFER_ENCODING).then(|| {
            let detail = "a request has a Content-Length or a Transfer-Encoding, not both";
            Problem::bad_request("edge/ambiguous-length", detail)
        })
    }

    fn direct(&self, request: &Request<Incoming>) -> Option<&(DirectRoute, RouteSlot)> {
        let (method, path) = (request.method(), request.uri().path());
        self.port.direct.iter().find(|(route, _)| route.path == path && route.method == *method)
    }

    /// Asks a direct route; nothing if the route declines.
    fn ask(
        &self,
        (route, slot): &(DirectRoute, RouteSlot),
        request: &mut Request<Incoming>,
    ) -> Option<Response<AnswerBody>> {
        let edge = &self.port.edge;
        let stopwatch = edge.clock().stopwatch();
        let ask = Ask { uri: request.uri(), headers: request.headers() };
        let response = match catch_unwind(AssertUnwindSafe(|| (route.respond)(ask))) {
            Ok(None) => return None,
            Ok(Some(answer)) => self.written(answer, request),
            Err(panic) => self.refused(panicked(&*panic), request.headers()),
        };
        self.watch.answered_at_once();
        edge.traffic().count_bound(*slot, &route.method, response.status(), stopwatch.elapsed());
        Some(response)
    }

    fn written(&self, answer: Answer, request: &mut Request<Incoming>) -> Response<AnswerBody> {
        let id = RequestId::of(request.headers(), self.port.edge.clock());
        if !request.body().is_end_stream() {
            self.watch.left_unread();
        }
        // The request's map has room already, and hyper gets it back for the next request.
        let mut headers = std::mem::take(request.headers_mut());
        headers.clear();
        headers.insert(header::CONTENT_TYPE, answer.content_type);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REQUEST_ID, id.into_value());
        for (name, value) in answer.fields {
            headers.append(name, value);
        }
        let mut response = Response::new(AnswerBody::Whole(answer.body));
        *response.status_mut() = answer.status;
        *response.headers_mut() = headers;
        response
    }

    /// A refusal that does not come from behind the layers, and must look as if it did.
    fn refused(&self, problem: Problem, headers: &HeaderMap) -> Response<AnswerBody> {
        let id = RequestId::of(headers, self.port.edge.clock());
        let mut response = problem.into_response();
        response.headers_mut().insert(REQUEST_ID, id.into_value());
        response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response.map(|body| AnswerBody::Routed { body, _busy: None })
    }

    fn routed(&self, mut request: Request<Incoming>) -> Answering {
        let busy = self.watch.begin();
        request.extensions_mut().insert(self.peer);
        let request = request.map(|body| Arriving::into_body(body, busy.watch()));
        let future = self.port.routes.clone().call(request);
        Answering::Routed { future: Box::pin(future), busy: Some(busy) }
    }
}

impl hyper::service::Service<Request<Incoming>> for EdgeService {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, mut request: Request<Incoming>) -> Answering {
        if let Some(problem) = self.fault(&request) {
            let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::BAD_REQUEST);
            self.port.edge.traffic().count_unread(status);
            let mut response = self.refused(problem, request.headers());
            if !self.watch.is_http2() {
                // Where the next request begins can no longer be known.
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                self.watch.left_unread();
            }
            return Answering::Now(Some(response));
        }
        match self.direct(&request).and_then(|route| self.ask(route, &mut request)) {
            Some(response) => Answering::Now(Some(response)),
            None => self.routed(request),
        }
    }
}

/// An answer on its way from a handler, or already there.
pub(crate) enum Answering {
    Now(Option<Response<AnswerBody>>),
    Routed { future: Pin<Box<RouteFuture<Infallible>>>, busy: Option<Busy> },
}

impl Future for Answering {
    type Output = Result<Response<AnswerBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Now(response) => {
                Poll::Ready(Ok(response.take().expect("a future is not polled after it is done")))
            }
            Self::Routed { future, busy } => {
                let response = ready!(future.as_mut().poll(cx))?;
                let busy = busy.take();
                Poll::Ready(Ok(response.map(|body| AnswerBody::Routed { body, _busy: busy })))
            }
        }
    }
}

/// The body of an answer: whole, or whatever a handler made. A connection counts as busy until it is sent.
#[derive(Debug)]
pub(crate) enum AnswerBody {
    Whole(Bytes),
    Routed { body: axum::body::Body, _busy: Option<Busy> },
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Routed { body, .. } => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Routed { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Self::Routed { body, .. } => body.size_hint(),
        }
    }
}
