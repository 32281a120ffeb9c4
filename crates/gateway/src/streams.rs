//! Upstreams that are spoken to in HTTP/2 (RFC 9113): requests of a thread go over connections that they share, with the
//! trailers that gRPC ends its answers with.

mod connections;
mod heads;
mod opening;
#[cfg(test)]
mod tests;

use std::{
    error::Error,
    io,
    num::NonZeroU32,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use edge::Content;
use http::{Request, Response, request::Parts};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::{
    answer_head::AnswerHead,
    config::millis,
    exchange::Outgoing,
    fault::Fault,
    pool::Pool,
    sending::{Awaited, Sending, Stopped, Upload},
    upstream::{InFlight, Upstream},
};
use connections::room;
use opening::{Sender, open};

pub(crate) use connections::{Place, sweep};
pub(crate) use heads::request_parts;

/// How often a request goes out of which the upstream says that it did nothing with it.
const ATTEMPTS_MAX: usize = 3;

/// What follows the head of an answer, with its place on the connection.
pub(crate) struct Following {
    body: Incoming,
    place: Arc<Place>,
}

/// Sends a request, of which this is the head, and waits for the head of the answer. An upstream that ends a connection says
/// which requests it did nothing with: those go out again on another, and nobody is told.
pub(crate) async fn converse(
    pool: &Arc<Pool>,
    upstream: &Arc<Upstream>,
    head: &Parts,
    outgoing: &mut Option<Outgoing>,
) -> Result<(AnswerHead, Following), Fault> {
    let had_body = outgoing.is_some();
    for _ in 0..ATTEMPTS_MAX {
        let room = room(pool, upstream).await?;
        match ask(pool, room.sender, Some(room.place.clone()), head, outgoing).await {
            Err(Refused(fault @ Fault::Untouched, whose)) => {
                if whose == Whose::Connection {
                    connections::forget(upstream, room.number);
                }
                if had_body != outgoing.is_some() {
                    return Err(fault);
                }
            }
            Err(Refused(fault, _)) => return Err(fault),
            Ok(answered) => {
                let (head, body) = heads::heard(answered);
                return Ok((head, Following { body, place: room.place }));
            }
        }
    }
    // Once is good manners; again and again is no service.
    Err(Fault::Lost { nothing_sent: true })
}

/// The same over a connection of its own, as somebody who comes anew would find it.
pub(crate) async fn converse_anew(
    pool: &Pool,
    upstream: &Upstream,
    head: &Parts,
    connect_ms_max: NonZeroU32,
) -> Result<AnswerHead, Fault> {
    let opened = open(pool, upstream, connect_ms_max).await?;
    let answered = ask(pool, opened.sender, None, head, &mut None).await;
    answered.map(|answered| heads::heard(answered).0).map_err(|Refused(fault, _)| fault)
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
    place: Option<Arc<Place>>,
    head: &Parts,
    outgoing: &mut Option<Outgoing>,
) -> Result<Response<Incoming>, Refused> {
    let upload = Upload::begin(outgoing.take());
    let sending = Sending { upload: upload.clone(), _place: place };
    let mut answer = std::pin::pin!(sender.send_request(Request::from_parts(head.clone(), sending)));
    let answered = loop {
        if let Ok(answered) = tokio::time::timeout_at(deadline(pool, &upload), answer.as_mut()).await {
            break answered.map_err(|error| why(&error));
        }
        if Instant::now() < deadline(pool, &upload) {
            continue;
        }
        break Err(Refused::from(match upload.awaits().0 {
            Awaited::Room => Fault::Full,
            Awaited::Caller => Fault::BodyLost,
            Awaited::Upstream => Fault::TooSlow,
        }));
    };
    match answered {
        Ok(_) => upload.is_heard(),
        Err(Refused(Fault::Untouched | Fault::Full, _)) => *outgoing = upload.take_back(),
        Err(_) => {}
    }
    answered
}

/// Until when a request waits for whoever it waits for. A caller may be slow: the upstream's time begins with the last of what
/// it was sent. For room is waited no longer, so that this only moves on.
fn deadline(pool: &Pool, upload: &Upload) -> Instant {
    let times = &pool.config.times;
    let (awaited, since) = upload.awaits();
    let for_room = times.connect_ms_max.min(times.first_byte_ms_max);
    since + millis(if awaited == Awaited::Room { for_room } else { times.first_byte_ms_max })
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
    _place: Arc<Place>,
    _in_flight: InFlight,
}

/// The body of an answer whose head was heard.
pub(crate) fn content(following: Following, pool: &Pool, in_flight: InFlight) -> Content {
    let Following { body, place } = following;
    if body.is_end_stream() {
        return Content::empty();
    }
    let idle_max = millis(pool.config.times.body_idle_ms_max);
    Content::new(Streaming { body, idle_max, alarm: None, _place: place, _in_flight: in_flight })
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
