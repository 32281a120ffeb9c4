//! The way in for HTTP/2: what hyper read goes to a direct route, or through the layers to the router.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use front::{Admitted, Asker, Seen};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::{Frame, SizeHint};
use http1::{Fault, check_authority};
use hyper::body::Incoming;
use problem::Problem;

use super::{
    extract::Peer,
    piece::Piece,
    upload::{Answered, upload},
};
use crate::{
    Answer, Ask, Fields, REQUEST_ID,
    config::size,
    connection::{Busy, Taking, Watch},
    forward,
    server::Port,
};

/// Answers the requests of one connection.
pub(crate) struct EdgeService {
    port: Arc<Port>,
    watch: Arc<Watch>,
    peer: Peer,
}

/// What became of a request so far.
enum Looked {
    Answered(Answer),
    Admitted(Admitted),
}

impl EdgeService {
    pub(crate) const fn new(port: Arc<Port>, watch: Arc<Watch>, peer: Peer) -> Self {
        Self { port, watch, peer }
    }

    /// Who asks, and what is said to a request without asking the router, or that it may go on to it.
    fn at_once(&self, request: &Request<Incoming>) -> (Asker, Looked) {
        let edge = &self.port.edge;
        if request.headers().len() > size(edge.config().header_fields_max) {
            let detail = "the header section has more fields than this server takes";
            let problem = Problem::header_fields_too_large("edge/header-too-large", detail);
            return self.unheard(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, &problem);
        }
        let uri = request.uri();
        // What is read for us lets some pass that no URI has, and whoever it is passed on to in HTTP/1.1 would refuse them.
        if !uri.path_and_query().is_none_or(|target| is_graphic(target.as_str())) {
            let problem = Fault::Malformed("the request's target has letters that no URI has").into();
            return self.unheard(StatusCode::BAD_REQUEST, &problem);
        }
        let host = match host(request) {
            Ok(host) => host,
            Err(fault) => return self.unheard(StatusCode::BAD_REQUEST, &fault.into()),
        };
        let fields = Fields::from(request.headers());
        let (method, path) = (request.method().as_str(), uri.path());
        let seen = Seen {
            method,
            path,
            query: uri.query(),
            host,
            fields,
            peer: self.peer.0,
            secure: self.port.tls.is_some(),
        };
        let asker = edge.front().asker(&seen);
        let admitted = match edge.look(&seen) {
            Ok(admitted) => admitted,
            Err(refusal) => return (asker, Looked::Answered(refusal)),
        };
        if !request.body().is_end_stream() {
            return (asker, Looked::Admitted(admitted));
        }
        let ask = Ask { path, query: uri.query(), fields };
        let looked = match self.port.direct.answer(edge, method, ask, &admitted) {
            Some(answer) => Looked::Answered(answer),
            None => Looked::Admitted(admitted),
        };
        (asker, looked)
    }

    /// What is said to a request that is not looked at any further.
    fn unheard(&self, status: StatusCode, problem: &Problem) -> (Asker, Looked) {
        self.port.edge.traffic().count_refused(None, status);
        (Asker::unheard(self.port.tls.is_some()), Looked::Answered(Answer::refusing(problem)))
    }

    fn written(&self, answer: Answer, request: Request<Incoming>, asker: Asker) -> Response<AnswerBody> {
        let (request, body) = request.into_parts();
        let (_unwanted, answered) = upload(body);
        let id = request.headers.get(REQUEST_ID).map(HeaderValue::as_bytes);
        let mut response = answer.written(id, self.port.edge.clock());
        self.port.edge.front().complete(&mut response, asker, None);
        response.map(|bytes| {
            if bytes.is_empty() {
                self.watch.answered_at_once();
            }
            // Whoever asked need not take it at once either.
            let busy = (!bytes.is_empty()).then(|| self.watch.begin());
            AnswerBody::new(bytes.into(), busy, answered)
        })
    }

    fn routed(&self, request: Request<Incoming>, admitted: Admitted, asker: Asker) -> Answering {
        let busy = self.watch.begin();
        let (request, body) = request.into_parts();
        let (body, answered) = upload(body);
        let future = self.port.onward.answer(Request::from_parts(request, body), admitted);
        Answering::Routed { future, busy: Some(busy), answered, port: self.port.clone(), asker }
    }
}

/// The host that a request is for, which it may name in two places (RFC 9113, section 8.3.1).
fn host(request: &Request<Incoming>) -> Result<Option<&[u8]>, Fault> {
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let mut hosts = request.headers().get_all(header::HOST).iter().map(HeaderValue::as_bytes);
    let host = hosts.next();
    let differs = host.zip(authority).is_some_and(|(host, authority)| !host.eq_ignore_ascii_case(authority));
    if differs || hosts.next().is_some() {
        return Err(Fault::Malformed("a request names its host, and once"));
    }
    let named = authority.or(host);
    named.map_or(Ok(()), check_authority)?;
    Ok(named)
}

/// Has it no letters but those that are printed in ASCII, as over HTTP/1?
fn is_graphic(target: &str) -> bool {
    target.bytes().all(|byte| byte.is_ascii_graphic())
}

impl hyper::service::Service<Request<Incoming>> for EdgeService {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        match self.at_once(&request) {
            (asker, Looked::Answered(answer)) => Answering::Now(Some(self.written(answer, request, asker))),
            (asker, Looked::Admitted(admitted)) => self.routed(request, admitted, asker),
        }
    }
}

/// An answer on its way from a handler, or already there.
pub(crate) enum Answering {
    Now(Option<Response<AnswerBody>>),
    Routed {
        future: forward::Answering,
        busy: Option<Busy>,
        answered: Option<Answered>,
        port: Arc<Port>,
        asker: Asker,
    },
}

impl Future for Answering {
    type Output = Result<Response<AnswerBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Now(response) => {
                Poll::Ready(Ok(response.take().expect("a future is not polled after it is done")))
            }
            Self::Routed { future, busy, answered, port, asker } => {
                let mut answer = ready!(future.as_mut().poll(cx))?;
                answer.complete(port.edge.front(), *asker);
                let body = |body| AnswerBody::new(body, busy.take(), answered.take());
                Poll::Ready(Ok(answer.whole().map(body)))
            }
        }
    }
}

/// The body of an answer. A connection counts as busy until it is sent.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    body: Body,
    /// What of the last piece was too long to be given at once: it is given first.
    rest: Bytes,
    taking: Option<Arc<Taking>>,
    _answered: Option<Answered>,
}

impl AnswerBody {
    fn new(body: Body, busy: Option<Busy>, answered: Option<Answered>) -> Self {
        let taking = busy.map(|busy| Arc::new(busy.taking()));
        Self { body, rest: Bytes::new(), taking, _answered: answered }
    }

    /// What comes next of it.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)).transpose()?.map(Frame::into_data) {
                Some(Ok(data)) => self.rest = data,
                Some(Err(trailers)) => return Poll::Ready(Some(Ok(trailers))),
                None => return Poll::Ready(None),
            }
        }
        let bytes = self.rest.len().min(PIECE_BYTES_MAX);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(bytes)))))
    }
}

/// A longer piece would be kept for a caller who makes room for its first byte alone; a frame is no longer by default (RFC
/// 9113, section 4.2).
const PIECE_BYTES_MAX: usize = 16 << 10;

impl HttpBody for AnswerBody {
    type Data = Piece;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, axum::Error>>> {
        let this = self.get_mut();
        // It is asked for more only when there is room for it.
        this.taking.iter().for_each(|taking| taking.taken());
        let frame = ready!(this.poll_piece(cx));
        let given = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
        this.taking.iter().for_each(|taking| taking.waits(given.map_or(0, Bytes::len)));
        let piece = |bytes| Piece::new(bytes, this.taking.clone());
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        self.body.size_hint().exact().map_or_else(SizeHint::default, |left| SizeHint::with_exact(left + rest))
    }
}
