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
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use problem::Problem;

use super::{extract::Peer, piece::Piece};
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
            edge.traffic().count_unread(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
            let detail = "the header section has more fields than this server takes";
            let problem = Problem::header_fields_too_large("edge/header-too-large", detail);
            let asker = Asker::unheard(self.port.tls.is_some());
            return (asker, Looked::Answered(Answer::refusing(&problem)));
        }
        let uri = request.uri();
        let fields = Fields::from(request.headers());
        let host = uri.authority().map(|authority| authority.as_str().as_bytes());
        let host = host.or_else(|| fields.get(&header::HOST));
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

    fn written(&self, answer: Answer, request: &HeaderMap, asker: Asker) -> Response<AnswerBody> {
        let id = request.get(REQUEST_ID).map(HeaderValue::as_bytes);
        let mut response = answer.written(id, self.port.edge.clock());
        self.port.edge.front().complete(&mut response, asker, None);
        response.map(|bytes| {
            if bytes.is_empty() {
                self.watch.answered_at_once();
                return AnswerBody::Empty;
            }
            // Its caller need not take it at once either.
            AnswerBody::new(bytes.into(), self.watch.begin())
        })
    }

    fn routed(&self, request: Request<Incoming>, admitted: Admitted, asker: Asker) -> Answering {
        let busy = self.watch.begin();
        let future = self.port.onward.answer(request.map(Body::new), admitted);
        Answering::Routed { future, busy: Some(busy), port: self.port.clone(), asker }
    }
}

impl hyper::service::Service<Request<Incoming>> for EdgeService {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        match self.at_once(&request) {
            (asker, Looked::Answered(answer)) => {
                Answering::Now(Some(self.written(answer, request.headers(), asker)))
            }
            (asker, Looked::Admitted(admitted)) => self.routed(request, admitted, asker),
        }
    }
}

/// An answer on its way from a handler, or already there.
pub(crate) enum Answering {
    Now(Option<Response<AnswerBody>>),
    Routed { future: forward::Answering, busy: Option<Busy>, port: Arc<Port>, asker: Asker },
}

impl Future for Answering {
    type Output = Result<Response<AnswerBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Now(response) => {
                Poll::Ready(Ok(response.take().expect("a future is not polled after it is done")))
            }
            Self::Routed { future, busy, port, asker } => {
                let mut answered = ready!(future.as_mut().poll(cx))?;
                answered.complete(port.edge.front(), *asker);
                let busy = busy.take().expect("a future is not polled after it is done");
                Poll::Ready(Ok(answered.whole().map(|body| AnswerBody::new(body, busy))))
            }
        }
    }
}

/// The body of an answer. A connection counts as busy until it is sent.
#[derive(Debug)]
pub(crate) enum AnswerBody {
    Empty,
    /// What of the last piece was too long to be given at once is given first.
    Made {
        body: Body,
        rest: Bytes,
        taking: Arc<Taking>,
    },
}

impl AnswerBody {
    fn new(body: Body, busy: Busy) -> Self {
        Self::Made { body, rest: Bytes::new(), taking: Arc::new(busy.taking()) }
    }
}

/// A longer piece would be kept for a caller who makes room for its first byte alone; a frame is no longer by default (RFC
/// 9113, section 4.2).
const PIECE_BYTES_MAX: usize = 16 << 10;

/// What comes next of a body.
fn poll_piece(
    body: &mut Body,
    rest: &mut Bytes,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
    if rest.is_empty() {
        match ready!(Pin::new(body).poll_frame(cx)).transpose()?.map(Frame::into_data) {
            Some(Ok(data)) => *rest = data,
            Some(Err(trailers)) => return Poll::Ready(Some(Ok(trailers))),
            None => return Poll::Ready(None),
        }
    }
    Poll::Ready(Some(Ok(Frame::data(rest.split_to(rest.len().min(PIECE_BYTES_MAX))))))
}

impl HttpBody for AnswerBody {
    type Data = Piece;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, axum::Error>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Made { body, rest, taking } => {
                // It is asked for more only when there is room for it.
                taking.taken();
                let frame = ready!(poll_piece(body, rest, cx));
                let given = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
                taking.waits(given.map_or(0, Bytes::len));
                let piece = |bytes| Piece::new(bytes, taking.clone());
                Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Made { body, rest, .. } => rest.is_empty() && body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Made { body, rest, .. } => match body.size_hint().exact() {
                Some(left) => SizeHint::with_exact(left + u64::try_from(rest.len()).unwrap_or(u64::MAX)),
                None => SizeHint::default(),
            },
        }
    }
}
