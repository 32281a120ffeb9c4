//! Upstreams that are spoken to in HTTP/2 (RFC 9113): each thread has one connection to each, and all of its requests
//! go over that, with the trailers that gRPC ends its answers with.

use std::{
    cell::RefCell,
    collections::HashMap,
    error::Error,
    fmt, io,
    num::NonZeroU32,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use edge::{Content, Lines};
use http::{HeaderName, HeaderValue, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use httparse::Header;
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::{Instant, Sleep};

use crate::{
    answer_head::{AnswerHead, Extent},
    config::millis,
    exchange::Outgoing,
    fault::Fault,
    fields::is_of_the_hop,
    line::connect,
    pool::Pool,
    upstream::{InFlight, Upstream},
    wire::agreed,
};

/// Fields of a request's head, which we have written ourselves.
const FIELDS_MAX: usize = 200;
/// What an upstream may send of one answer before it is read on. Of all together there is no bound but that of their number,
/// so that callers who do not read keep nobody else from their answers.
const STREAM_WINDOW_BYTES: u32 = 256 << 10;
const CONNECTION_WINDOW_BYTES: u32 = (1 << 31) - 1;
/// A silent connection with requests on it is asked this often whether it still stands, and given up after this time.
const PING_EVERY: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(10);

type Sender = http2::SendRequest<Sending>;

thread_local! {
    static OPEN: RefCell<HashMap<u64, Sender>> = RefCell::new(HashMap::new());
}

/// Sends a request, of which this is the head as it would stand in HTTP/1.1, and waits for the head of the answer.
pub(crate) async fn converse(
    pool: &Pool,
    upstream: &Upstream,
    head: &[u8],
    outgoing: &mut Option<Outgoing>,
) -> Result<(AnswerHead, Incoming), Fault> {
    let known = OPEN.with_borrow(|open| open.get(&upstream.number).cloned());
    let known = match known {
        Some(mut sender) => sender.ready().await.ok().map(|()| sender),
        None => None,
    };
    let sender = match known {
        Some(sender) => sender,
        None => {
            let sender = open(pool, upstream, pool.config.times.connect_ms_max).await?;
            OPEN.with_borrow_mut(|open| {
                // Connections that have ended are of no use to anybody.
                open.retain(|_, sender| !sender.is_closed());
                open.insert(upstream.number, sender.clone());
            });
            sender
        }
    };
    ask(pool, sender, head, outgoing.take()).await
}

/// The same over a connection of its own, as somebody who comes anew would find it.
pub(crate) async fn converse_anew(
    pool: &Pool,
    upstream: &Upstream,
    head: &[u8],
    connect_ms_max: NonZeroU32,
) -> Result<AnswerHead, Fault> {
    let sender = open(pool, upstream, connect_ms_max).await?;
    ask(pool, sender, head, None).await.map(|(head, _)| head)
}

/// Opens a connection, which lives for as long as it stands or somebody has its sender.
async fn open(pool: &Pool, upstream: &Upstream, connect_ms_max: NonZeroU32) -> Result<Sender, Fault> {
    let time = millis(connect_ms_max);
    let wire = connect(&upstream.address, pool.secure.as_ref(), time).await?;
    if pool.secure.is_some() && agreed(&wire) != Some(b"h2") {
        return Err(Fault::BadAnswer("it does not speak HTTP/2"));
    }
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PONG_WITHIN);
    let (sender, connection) =
        builder.handshake(TokioIo::new(wire)).await.map_err(|_| Fault::Lost { nothing_sent: true })?;
    let address = upstream.address.clone();
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(upstream = &*address, %error, "a connection to an upstream ended");
        }
    });
    Ok(sender)
}

/// Sends a request over an open connection.
async fn ask(
    pool: &Pool,
    mut sender: Sender,
    head: &[u8],
    outgoing: Option<Outgoing>,
) -> Result<(AnswerHead, Incoming), Fault> {
    let progress = Progress::begin();
    let scheme = if pool.secure.is_some() { "https" } else { "http" };
    let request = request(head, scheme, Sending { outgoing, progress: progress.clone() })?;
    let time = millis(pool.config.times.first_byte_ms_max);
    let mut answer = std::pin::pin!(sender.send_request(request));
    let answered = loop {
        // A caller may be slow: the upstream's time begins with the last of what it was sent.
        match tokio::time::timeout_at(progress.last() + time, answer.as_mut()).await {
            Ok(answered) => break answered,
            Err(_) if Instant::now() < progress.last() + time => {}
            Err(_) => return Err(Fault::TooSlow),
        }
    };
    answered.map(heard).map_err(|error| why(&error))
}

/// What an error of a connection means.
fn why(error: &hyper::Error) -> Fault {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(Stopped(fault)) = error.downcast_ref() {
            return *fault;
        }
        cause = error.source();
    }
    Fault::Lost { nothing_sent: error.is_canceled() }
}

/// The head of an answer, and what follows it.
fn heard(response: Response<Incoming>) -> (AnswerHead, Incoming) {
    let (parts, body) = response.into_parts();
    let mut fields = parts.headers;
    let of_the_hop: Vec<_> = fields.keys().filter(|name| is_of_the_hop(name.as_str())).cloned().collect();
    of_the_hop.iter().for_each(|name| drop(fields.remove(name)));
    let extent = if body.is_end_stream() { Extent::Nothing } else { Extent::ToTheEnd };
    let head = AnswerHead {
        says_when: fields.contains_key(http::header::RETRY_AFTER),
        status: parts.status,
        lines: Lines::default(),
        fields,
        extent,
        persistent: true,
        protocol: None,
        bytes: 0,
    };
    (head, body)
}

/// A head that was written for HTTP/1.1 as the request that hyper knows.
fn request(head: &[u8], scheme: &str, body: Sending) -> Result<Request<Sending>, Fault> {
    const UNFIT: Fault = Fault::BadAnswer("the request cannot be told in HTTP/2");
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut read = httparse::Request::new(&mut fields);
    if !read.parse(head).is_ok_and(|status| status.is_complete()) {
        return Err(UNFIT);
    }
    let host = read.headers.iter().find(|field| field.name == "host").map(|field| field.value);
    let host = host.and_then(|host| std::str::from_utf8(host).ok()).ok_or(UNFIT)?;
    let target = read.path.filter(|path| *path != "*").unwrap_or("/");
    let uri = format!("{scheme}://{host}{target}");
    let mut request = Request::builder().method(read.method.unwrap_or_default()).uri(uri);
    for Header { name, value } in read.headers.iter() {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| UNFIT)?;
        // `TE: trailers` is the only one of the connection's that HTTP/2 knows, and only we have written it.
        if name == header::HOST || (is_of_the_hop(name.as_str()) && name != header::TE) {
            continue;
        }
        request = request.header(name, HeaderValue::from_bytes(value).map_err(|_| UNFIT)?);
    }
    request.body(body).map_err(|_| UNFIT)
}

/// When something of a request was last sent.
#[derive(Debug, Clone)]
struct Progress {
    begun: Instant,
    after_ms: Arc<AtomicU64>,
}

impl Progress {
    fn begin() -> Self {
        Self { begun: Instant::now(), after_ms: Arc::default() }
    }

    fn note(&self) {
        self.after_ms.store(crate::gateway::millis(self.begun.elapsed()), Relaxed);
    }

    fn last(&self) -> Instant {
        self.begun + Duration::from_millis(self.after_ms.load(Relaxed))
    }
}

/// Why a request's body stopped.
#[derive(Debug)]
struct Stopped(Fault);

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl Error for Stopped {}

/// A request's body on its way to an upstream, with its trailers.
struct Sending {
    outgoing: Option<Outgoing>,
    progress: Progress,
}

impl Body for Sending {
    type Data = Bytes;
    type Error = Stopped;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Stopped>>> {
        let Some(outgoing) = &mut self.outgoing else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut outgoing.body).poll_frame(cx));
        let passed = match frame {
            None => None,
            Some(Err(_)) => Some(Err(Stopped(Fault::BodyLost))),
            Some(Ok(frame)) => {
                let bytes = u64::try_from(frame.data_ref().map_or(0, Bytes::len)).unwrap_or(u64::MAX);
                match outgoing.left_bytes.checked_sub(bytes) {
                    Some(left_bytes) => {
                        outgoing.left_bytes = left_bytes;
                        Some(Ok(frame))
                    }
                    None => Some(Err(Stopped(Fault::BodyTooLarge))),
                }
            }
        };
        self.progress.note();
        Poll::Ready(passed)
    }

    fn is_end_stream(&self) -> bool {
        self.outgoing.as_ref().is_none_or(|outgoing| outgoing.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.outgoing.as_ref().map_or_else(|| SizeHint::with_exact(0), |outgoing| outgoing.body.size_hint())
    }
}

/// The body of an answer, passed on as it comes.
struct Streaming {
    body: Incoming,
    idle_max: Duration,
    /// Set when the body first makes us wait.
    alarm: Option<Pin<Box<Sleep>>>,
    _in_flight: InFlight,
}

/// The body of an answer whose head was heard.
pub(crate) fn content(body: Incoming, pool: &Pool, in_flight: InFlight) -> Content {
    if body.is_end_stream() {
        return Content::empty();
    }
    let idle_max = millis(pool.config.times.body_idle_ms_max);
    Content::new(Streaming { body, idle_max, alarm: None, _in_flight: in_flight })
}

impl Body for Streaming {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.alarm = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)));
        }
        let idle_max = this.idle_max;
        let alarm = this.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle_max)));
        ready!(alarm.as_mut().poll(cx));
        Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
