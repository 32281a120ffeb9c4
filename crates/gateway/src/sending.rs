//! A request's body on its way to an upstream in HTTP/2. Its beginning is kept until the answer begins: an upstream that ends
//! a connection says which requests it has not looked at (RFC 9113, section 6.8), and those are sent again, whole.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use edge::Content;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};

use crate::{exchange::Outgoing, fault::Fault, streams::Place};

/// What is kept of one body, and of all together: a longer one, or one more, is sent only once.
const KEPT_BYTES_MAX: usize = 64 << 10;
const ALL_KEPT_BYTES_MAX: usize = 64 << 20;

static ROOM: Semaphore = Semaphore::const_new(ALL_KEPT_BYTES_MAX);

/// Why a request's body stopped.
#[derive(Debug)]
pub(crate) struct Stopped(pub(crate) Fault);

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl Error for Stopped {}

/// Who makes a request wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// The connection, to take it: nothing was sent.
    Room,
    /// The caller, for more of the body.
    Caller,
    /// The upstream, which takes no more of it, or has all of it.
    Upstream,
}

/// How far a request is, as whoever waits for its answer sees it.
pub(crate) struct Upload(Mutex<Parts>);

/// What is left of a body, and what went out of it.
struct Parts {
    /// Nothing if the request has none, or it was taken back.
    outgoing: Option<Outgoing>,
    sent: Option<Sent>,
    is_taken_back: bool,
    awaited: Awaited,
    /// When it began to wait for them, or they last did something.
    since: Instant,
}

/// What went out of a body, copied: the pieces may be parts of larger rooms.
#[derive(Default)]
struct Sent {
    bytes: Vec<u8>,
    trailers: Option<HeaderMap>,
    room: Option<SemaphorePermit<'static>>,
}

impl Sent {
    /// Keeps one frame more, if there is room for it.
    fn with(mut self, frame: &Frame<Bytes>) -> Option<Self> {
        self.trailers = frame.trailers_ref().cloned().or(self.trailers);
        let data = frame.data_ref().map_or(&[][..], |data| data);
        if self.bytes.len() + data.len() > KEPT_BYTES_MAX {
            return None;
        }
        let room = ROOM.try_acquire_many(u32::try_from(data.len()).ok()?).ok()?;
        match &mut self.room {
            Some(had) => had.merge(room),
            None => self.room = Some(room),
        }
        self.bytes.extend_from_slice(data);
        Some(self)
    }
}

impl Upload {
    pub(crate) fn begin(outgoing: Option<Outgoing>) -> Arc<Self> {
        let sent = outgoing.is_some().then(Sent::default);
        let (awaited, since) = (Awaited::Room, Instant::now());
        Arc::new(Self(Mutex::new(Parts { outgoing, sent, is_taken_back: false, awaited, since })))
    }

    /// Who makes it wait, and since when.
    pub(crate) fn awaits(&self) -> (Awaited, Instant) {
        let parts = self.parts();
        (parts.awaited, parts.since)
    }

    /// It will not be sent again.
    pub(crate) fn is_heard(&self) {
        self.parts().sent = None;
    }

    /// The body as it was before anything of it went out, if all of that is still there.
    pub(crate) fn take_back(&self) -> Option<Outgoing> {
        let mut parts = self.parts();
        parts.is_taken_back = true;
        let sent = parts.sent.take()?;
        let outgoing = parts.outgoing.take()?;
        if sent.bytes.is_empty() && sent.trailers.is_none() {
            return Some(outgoing);
        }
        let Outgoing { body, telling, left_bytes } = outgoing;
        let bytes = Bytes::from(sent.bytes);
        let left_bytes = left_bytes.saturating_add(count(&bytes));
        let again = Again { bytes, trailers: sent.trailers, _room: sent.room, rest: body };
        Some(Outgoing { body: Content::new(again), telling, left_bytes })
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Parts {
    /// It waits for somebody from now on.
    fn wait_for(&mut self, awaited: Awaited) {
        (self.awaited, self.since) = (awaited, Instant::now());
    }

    /// The next piece of the body, which is asked for when the one before it was taken.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if self.is_taken_back {
            // Nobody hears this any more: what must not be is that it looks whole.
            return Poll::Ready(Some(Err(Fault::BodyLost)));
        }
        let Some(outgoing) = &mut self.outgoing else { return Poll::Ready(None) };
        let Poll::Ready(frame) = Pin::new(&mut outgoing.body).poll_frame(cx) else {
            if self.awaited != Awaited::Caller {
                self.wait_for(Awaited::Caller);
            }
            return Poll::Pending;
        };
        let frame = frame.map(|frame| {
            let frame = frame.map_err(|error| Fault::of_body(&error))?;
            let bytes = frame.data_ref().map_or(0, count);
            outgoing.left_bytes = outgoing.left_bytes.checked_sub(bytes).ok_or(Fault::BodyTooLarge)?;
            self.sent = self.sent.take().and_then(|sent| sent.with(&frame));
            Ok(frame)
        });
        self.wait_for(Awaited::Upstream);
        Poll::Ready(frame)
    }
}

fn count(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// The body as it is sent. A connection asks for it, or drops it if there is none, when it takes the request.
pub(crate) struct Sending {
    pub(crate) upload: Arc<Upload>,
    pub(crate) _place: Option<Arc<Place>>,
}

impl Drop for Sending {
    fn drop(&mut self) {
        let mut parts = self.upload.parts();
        if parts.awaited == Awaited::Room {
            parts.wait_for(Awaited::Upstream);
        }
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = Stopped;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Stopped>>> {
        self.upload.parts().poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Stopped)))
    }

    fn is_end_stream(&self) -> bool {
        let parts = self.upload.parts();
        !parts.is_taken_back && parts.outgoing.as_ref().is_none_or(|outgoing| outgoing.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let parts = self.upload.parts();
        parts.outgoing.as_ref().map_or_else(|| SizeHint::with_exact(0), |outgoing| outgoing.body.size_hint())
    }
}

/// A body that is sent again: what went out of it, and then what is left.
struct Again {
    bytes: Bytes,
    trailers: Option<HeaderMap>,
    /// Its bytes are counted until it is gone.
    _room: Option<SemaphorePermit<'static>>,
    rest: Content,
}

impl Body for Again {
    type Data = Bytes;
    type Error = <Content as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if !self.bytes.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.bytes)))));
        }
        match self.trailers.take() {
            Some(trailers) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty() && self.trailers.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.size_hint();
        rest.exact().map_or_else(SizeHint::default, |left| SizeHint::with_exact(left + count(&self.bytes)))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::fields::Telling;

    fn upload(bytes: usize, left_bytes: u64) -> Arc<Upload> {
        let body = Content::from(Bytes::from(vec![b'x'; bytes]));
        Upload::begin(Some(Outgoing { body, telling: Telling::Chunked, left_bytes }))
    }

    /// Sends all of it, and says how many bytes that were; nothing if it stopped.
    fn send(upload: &Arc<Upload>) -> Option<usize> {
        let (mut sending, mut bytes) = (Sending { upload: upload.clone(), _place: None }, 0);
        loop {
            match Pin::new(&mut sending).poll_frame(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Some(Ok(frame))) => bytes += frame.data_ref().map_or(0, Bytes::len),
                Poll::Ready(None) => return Some(bytes),
                Poll::Ready(Some(Err(_))) | Poll::Pending => return None,
            }
        }
    }

    #[test]
    fn a_request_waits_for_room_until_a_connection_takes_it() {
        let begin = || {
            let upload = upload(1, 1);
            let sending = Sending { upload: upload.clone(), _place: None };
            assert_eq!(upload.awaits().0, Awaited::Room);
            (upload, sending)
        };
        let (bodiless, sending) = begin();
        drop(sending);
        assert_eq!(bodiless.awaits().0, Awaited::Upstream, "there is nothing to be asked for");
        let (whole, _sending) = begin();
        assert_eq!(send(&whole), Some(1));
        assert_eq!(whole.awaits().0, Awaited::Upstream);
    }

    #[test]
    fn what_was_sent_can_be_sent_again_and_again() {
        let mut now = upload(1000, 1000);
        for _ in 0..3 {
            assert_eq!(send(&now), Some(1000));
            let again = now.take_back().expect("all of it was kept");
            assert_eq!((again.left_bytes, again.body.size_hint().exact()), (1000, Some(1000)));
            assert_eq!(send(&now), None, "what was taken back is sent no further");
            now = Upload::begin(Some(again));
        }
    }

    #[test]
    fn what_is_too_long_to_be_kept_is_sent_once() {
        let long = upload(KEPT_BYTES_MAX + 1, u64::MAX);
        assert_eq!(send(&long), Some(KEPT_BYTES_MAX + 1));
        assert!(long.take_back().is_none());
        let unsent = upload(KEPT_BYTES_MAX + 1, u64::MAX);
        assert!(unsent.take_back().is_some(), "what nobody has begun to send is whole, however long");
    }

    #[test]
    fn nothing_is_kept_once_the_answer_begins() {
        let answered = upload(1000, 1000);
        assert_eq!(send(&answered), Some(1000));
        answered.is_heard();
        assert!(answered.take_back().is_none());
    }
}
