//! Upstreams that are spoken to in HTTP/2 (RFC 9113): each thread has one connection to each, and all of its requests
//! go over that, with the trailers that gRPC ends its answers with.

mod heads;
#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    collections::HashMap,
    error::Error,
    io,
    num::NonZeroU32,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use edge::Content;
use http::{Request, request::Parts};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    sync::watch,
    time::{Instant, Sleep},
};

pub(crate) use heads::request_parts;

use crate::{
    answer_head::AnswerHead,
    config::millis,
    exchange::Outgoing,
    fault::Fault,
    line::connect,
    pool::Pool,
    sending::{Awaited, Sending, Stopped, Upload},
    upstream::{InFlight, Upstream},
    wire::agreed,
};

/// What an upstream may send of one answer before it is read on. Of all together there is no bound but that of their number,
/// so that callers who do not read keep nobody else from their answers.
const STREAM_WINDOW_BYTES: u32 = 256 << 10;
const CONNECTION_WINDOW_BYTES: u32 = (1 << 31) - 1;
/// A silent connection with requests on it is asked this often whether it still stands, and given up after this time.
const PING_EVERY: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(10);

/// How often a request goes out of which the upstream says that it did nothing with it.
const ATTEMPTS_MAX: usize = 3;
/// How often somebody waits for another who opens a connection before they open one themselves.
const WAITS_MAX: usize = 3;

type Sender = http2::SendRequest<Sending>;

/// An open connection.
#[derive(Clone)]
struct Connection {
    /// Tells it from those before it.
    number: u64,
    sender: Sender,
}

/// What a thread has of an upstream.
#[derive(Clone)]
enum Known {
    Open(Connection),
    /// Somebody opens one, and will tell those who wait if it fails.
    Opening(watch::Receiver<Option<Fault>>),
}

thread_local! {
    static KNOWN: RefCell<HashMap<u64, Known>> = RefCell::new(HashMap::new());
}

/// Sends a request, of which this is the head, and waits for the head of the answer. An upstream
/// that ends a connection says which requests it did nothing with: those go out again on another, and nobody is told.
pub(crate) async fn converse(
    pool: &Pool,
    upstream: &Upstream,
    head: &Parts,
    outgoing: &mut Option<Outgoing>,
) -> Result<(AnswerHead, Incoming), Fault> {
    let had_body = outgoing.is_some();
    for _ in 0..ATTEMPTS_MAX {
        let connection = connection(pool, upstream).await?;
        match ask(pool, connection.sender, head, outgoing).await {
            Err(Refused(fault @ Fault::Untouched, whose)) => {
                if whose == Whose::Connection {
                    forget(upstream, connection.number);
                }
                if had_body != outgoing.is_some() {
                    return Err(fault);
                }
            }
            Err(Refused(fault, _)) => return Err(fault),
            Ok(answered) => return Ok(answered),
        }
    }
    // Once is good manners; again and again is no service.
    Err(Fault::Lost { nothing_sent: true })
}

/// The connection to an upstream that there is, or a new one, which one request opens for all who wait.
async fn connection(pool: &Pool, upstream: &Upstream) -> Result<Connection, Fault> {
    for _ in 0..WAITS_MAX {
        match KNOWN.with_borrow(|known| known.get(&upstream.number).cloned()) {
            Some(Known::Open(connection)) if !connection.sender.is_closed() => return Ok(connection),
            Some(Known::Opening(mut failing)) => {
                if failing.changed().await.is_ok()
                    && let Some(fault) = *failing.borrow()
                {
                    return Err(fault);
                }
            }
            Some(Known::Open(_)) | None => break,
        }
    }
    let (failed, failing) = watch::channel(None);
    KNOWN.with_borrow_mut(|known| known.insert(upstream.number, Known::Opening(failing)));
    let opened = open(pool, upstream, pool.config.times.connect_ms_max).await;
    KNOWN.with_borrow_mut(|known| {
        // Connections that have ended are of no use to anybody.
        known.retain(
            |_, known| !matches!(known, Known::Open(Connection { sender, .. }) if sender.is_closed()),
        );
        match &opened {
            Ok(connection) => drop(known.insert(upstream.number, Known::Open(connection.clone()))),
            Err(_) => drop(known.remove(&upstream.number)),
        }
    });
    if let Err(fault) = &opened {
        failed.send_replace(Some(*fault));
    }
    opened
}

/// Nothing more is sent over this connection. It ends with the last of its answers.
fn forget(upstream: &Upstream, number: u64) {
    KNOWN.with_borrow_mut(|known| {
        if matches!(known.get(&upstream.number), Some(Known::Open(connection)) if connection.number == number)
        {
            known.remove(&upstream.number);
        }
    });
}

/// The same over a connection of its own, as somebody who comes anew would find it.
pub(crate) async fn converse_anew(
    pool: &Pool,
    upstream: &Upstream,
    head: &Parts,
    connect_ms_max: NonZeroU32,
) -> Result<AnswerHead, Fault> {
    let connection = open(pool, upstream, connect_ms_max).await?;
    let answered = ask(pool, connection.sender, head, &mut None).await;
    answered.map(|(head, _)| head).map_err(|Refused(fault, _)| fault)
}

/// Opens a connection, which lives for as long as it stands or somebody has its sender.
async fn open(pool: &Pool, upstream: &Upstream, connect_ms_max: NonZeroU32) -> Result<Connection, Fault> {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
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
    Ok(Connection { number: NUMBERS.fetch_add(1, Relaxed), sender })
}

/// Why there is no answer, and whether the connection is over with it.
struct Refused(Fault, Whose);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Connection,
    Request,
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self(fault, Whose::Request)
    }
}

/// Sends a request over an open connection. Its body is there again if nothing became of it.
async fn ask(
    pool: &Pool,
    mut sender: Sender,
    head: &Parts,
    outgoing: &mut Option<Outgoing>,
) -> Result<(AnswerHead, Incoming), Refused> {
    let upload = Upload::begin(outgoing.take());
    let request = Request::from_parts(head.clone(), Sending(upload.clone()));
    let time = millis(pool.config.times.first_byte_ms_max);
    let mut answer = std::pin::pin!(sender.send_request(request));
    let answered = loop {
        // A caller may be slow: the upstream's time begins with the last of what it was sent.
        let (_, since) = upload.awaits();
        if let Ok(answered) = tokio::time::timeout_at(since + time, answer.as_mut()).await {
            break answered;
        }
        match upload.awaits() {
            (_, since) if Instant::now() < since + time => {}
            (Awaited::Caller, _) => return Err(Fault::BodyLost.into()),
            (Awaited::Upstream, _) => return Err(Fault::TooSlow.into()),
        }
    };
    match answered {
        Ok(answered) => {
            upload.is_heard();
            Ok(heads::heard(answered))
        }
        Err(error) => {
            let refused = why(&error);
            if refused.0 == Fault::Untouched {
                *outgoing = upload.take_back();
            }
            Err(refused)
        }
    }
}

/// What an error of a connection means.
fn why(error: &hyper::Error) -> Refused {
    if error.is_canceled() {
        // The connection had ended, and it never left us.
        return Refused(Fault::Untouched, Whose::Connection);
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(Stopped(fault)) = error.downcast_ref() {
            return (*fault).into();
        }
        // A request hears of a `GOAWAY` only if it is beyond the last that was looked at, and what is refused was not
        // looked at either (RFC 9113, section 8.7).
        match error.downcast_ref::<h2::Error>().filter(|error| error.is_remote()) {
            Some(error) if error.is_go_away() => return Refused(Fault::Untouched, Whose::Connection),
            Some(error) if error.reason() == Some(h2::Reason::REFUSED_STREAM) => {
                return Fault::Untouched.into();
            }
            _ => cause = error.source(),
        }
    }
    Fault::Lost { nothing_sent: false }.into()
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
