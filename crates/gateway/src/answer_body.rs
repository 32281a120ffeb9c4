//! The body of an upstream's answer, passed on as it comes; its connection is kept when it has come whole.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use edge::Content;
use http_body::{Body, Frame, SizeHint};
use http1::Chunks;

use crate::{
    answer_head::{AnswerHead, Extent},
    config::millis,
    exchange::Exchange,
    upstream::InFlight,
};

/// A piece of at most this size is copied, so that the memory it came in can be used again.
const COPIED_BYTES_MAX: usize = 8 << 10;

/// Tells an answer's body from what follows it.
#[derive(Debug)]
enum Decoder {
    Exact { left: u64 },
    Chunked(Chunks),
    ToTheEnd { ended: bool },
}

/// A body on its way from an upstream.
pub(crate) struct AnswerBody {
    /// Until the body has come whole.
    exchange: Option<Exchange>,
    decoder: Decoder,
    persistent: bool,
    /// The upstream is waited for; while the caller is, its time stands still.
    waits: bool,
    _in_flight: InFlight,
}

/// The body of an answer whose head was read. What has come whole already holds no connection.
pub(crate) fn content(exchange: Exchange, head: &AnswerHead, in_flight: InFlight) -> Content {
    let decoder = match head.extent {
        Extent::Nothing => Decoder::Exact { left: 0 },
        Extent::Exact(left) => Decoder::Exact { left },
        Extent::Chunked => Decoder::Chunked(Chunks::default()),
        Extent::ToTheEnd => Decoder::ToTheEnd { ended: false },
    };
    let persistent = head.persistent && head.extent != Extent::ToTheEnd;
    let mut body =
        AnswerBody { exchange: Some(exchange), decoder, persistent, waits: false, _in_flight: in_flight };
    let Some(exchange) = &mut body.exchange else { return Content::empty() };
    let came = exchange.line.inbox.len();
    match &mut body.decoder {
        Decoder::Exact { left } if u64::try_from(came).is_ok_and(|came| came >= *left) => {
            let count = usize::try_from(*left).unwrap_or_default();
            let whole = take(&mut exchange.line.inbox, count);
            *left = 0;
            body.settle();
            if whole.is_empty() { Content::empty() } else { Content::from(whole) }
        }
        Decoder::Exact { .. } | Decoder::Chunked(_) | Decoder::ToTheEnd { .. } => Content::new(body),
    }
}

/// The next bytes, without holding on to much memory for few of them.
fn take(inbox: &mut BytesMut, count: usize) -> Bytes {
    if count > COPIED_BYTES_MAX {
        return inbox.split_to(count).freeze();
    }
    let piece = Bytes::copy_from_slice(&inbox[..count]);
    inbox.advance(count);
    piece
}

impl Decoder {
    const fn is_done(&self) -> bool {
        match self {
            Self::Exact { left } => *left == 0,
            Self::Chunked(chunks) => chunks.is_done(),
            Self::ToTheEnd { ended } => *ended,
        }
    }

    fn expected(&self) -> u64 {
        match self {
            Self::Exact { left } => *left,
            Self::Chunked(chunks) => chunks.data_left(),
            Self::ToTheEnd { .. } => 0,
        }
    }

    /// A piece of what has come; nothing if there is none.
    fn take(&mut self, inbox: &mut BytesMut) -> Result<Option<Bytes>, &'static str> {
        let came = inbox.len();
        match self {
            Self::Exact { left } => {
                let count = usize::try_from(*left).map_or(came, |left| left.min(came));
                *left -= u64::try_from(count).unwrap_or_default();
                Ok((count > 0).then(|| take(inbox, count)))
            }
            Self::Chunked(chunks) => loop {
                let (used, data) = chunks.read(inbox).map_err(|_| "its chunks are malformed")?;
                inbox.advance(used - data);
                if data > 0 {
                    return Ok(Some(take(inbox, data)));
                }
                if used == 0 {
                    return Ok(None);
                }
            },
            Self::ToTheEnd { .. } => Ok((came > 0).then(|| take(inbox, came))),
        }
    }
}

impl AnswerBody {
    /// The body has come whole: keeps the connection, if nothing speaks against it.
    fn settle(&mut self) {
        let Some(exchange) = self.exchange.take() else { return };
        // What comes after an answer nobody asked for, and a request that was cut short, spoil the next.
        if self.persistent && exchange.is_sent() && exchange.line.inbox.is_empty() {
            let Exchange { line, pool, .. } = exchange;
            line.keep(&pool.config.connections);
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        loop {
            let Some(exchange) = &mut this.exchange else { return Poll::Ready(None) };
            let taken = this.decoder.take(&mut exchange.line.inbox);
            if let Some(piece) = taken.map_err(io::Error::other)? {
                if this.decoder.is_done() {
                    this.settle();
                }
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if this.decoder.is_done() {
                this.settle();
                return Poll::Ready(None);
            }
            // The rest of the request goes out meanwhile.
            if !exchange.is_sent() {
                let _sent = exchange.poll_send(cx)?;
            }
            let expected = this.decoder.expected();
            match exchange.line.poll_fill(cx, expected) {
                Poll::Ready(Ok(0)) => match &mut this.decoder {
                    Decoder::ToTheEnd { ended } => *ended = true,
                    Decoder::Exact { .. } | Decoder::Chunked(_) => {
                        return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
                    }
                },
                Poll::Ready(Ok(_)) => this.waits = false,
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                Poll::Pending => {
                    if !std::mem::replace(&mut this.waits, true) {
                        exchange.line.give(millis(exchange.pool.config.times.body_idle_ms_max));
                    }
                    ready!(exchange.line.poll_deadline(cx));
                    return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.exchange.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.decoder {
            Decoder::Exact { left } => SizeHint::with_exact(*left),
            Decoder::Chunked(_) | Decoder::ToTheEnd { .. } => SizeHint::default(),
        }
    }
}
