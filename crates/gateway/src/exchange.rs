//! One request on its way to an upstream and the beginning of its answer, both at once: an upstream may answer
//! before it has heard everything, and be answered while it still speaks.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use edge::Content;
use http::StatusCode;
use http_body::Body as _;

use crate::{
    answer_head::{AnswerHead, Asked, read_answer_head},
    config::millis,
    fault::Fault,
    fields::Telling,
    line::Line,
    pool::Pool,
};

/// Pieces of a body below which they are gathered before they are sent.
const GATHERED_BYTES_MAX: usize = 16 << 10;
const COPIED_BYTES_MAX: usize = 8 << 10;
/// Answers that only say that another one comes (RFC 9110, section 15.2). Whoever says nothing else is heard no longer: while something
/// comes all the time nobody looks at the clock.
const INTERIM_MAX: u32 = 64;

/// A request's body that is still on its way.
pub(crate) struct Outgoing {
    pub(crate) body: Content,
    pub(crate) telling: Telling,
    /// Bytes that may still come.
    pub(crate) left_bytes: u64,
}

/// A request and its answer on one connection.
pub(crate) struct Exchange {
    pub(crate) line: Box<Line>,
    pub(crate) pool: Arc<Pool>,
    outgoing: Option<Outgoing>,
    /// What is to be sent next: a few bytes that were put together, and a piece as it came.
    gathered: Vec<u8>,
    gathered_sent: usize,
    piece: Bytes,
    has_sent: bool,
    /// TLS keeps nothing back of what was sent.
    is_flushed: bool,
    /// The upstream takes no more. It may have answered before.
    is_deaf: bool,
    /// Interim answers that have come.
    interim: u32,
}

impl Exchange {
    /// To be sent: a head and perhaps a body.
    pub(crate) fn new(line: Box<Line>, pool: Arc<Pool>, head: &Bytes, outgoing: Option<Outgoing>) -> Self {
        let (mut gathered, mut piece) = (Vec::new(), Bytes::new());
        if outgoing.is_some() {
            gathered.extend_from_slice(head);
        } else {
            piece = head.clone();
        }
        let mut exchange = Self {
            line,
            pool,
            outgoing,
            gathered,
            gathered_sent: 0,
            piece,
            has_sent: false,
            is_flushed: true,
            is_deaf: false,
            interim: 0,
        };
        exchange.line.give(millis(exchange.pool.config.times.first_byte_ms_max));
        exchange
    }

    /// Has all of the request been sent?
    pub(crate) fn is_sent(&self) -> bool {
        self.outgoing.is_none()
            && self.piece.is_empty()
            && self.gathered.is_empty()
            && self.is_flushed
            && !self.is_deaf
    }

    /// Sends what can be sent. It is done when all of it is, or the upstream takes no more.
    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        while !self.is_deaf {
            self.gather(cx)?;
            if self.gathered.is_empty() && self.piece.is_empty() {
                if !self.is_flushed {
                    match ready!(self.line.poll_flush(cx)) {
                        Ok(()) => self.is_flushed = true,
                        Err(_) => {
                            self.is_deaf = true;
                            break;
                        }
                    }
                }
                return if self.outgoing.is_some() { Poll::Pending } else { Poll::Ready(Ok(())) };
            }
            let Self { line, gathered, gathered_sent, piece, .. } = self;
            match ready!(line.poll_write(cx, &gathered[*gathered_sent..], piece)) {
                Ok(0) | Err(_) => self.is_deaf = true,
                Ok(count) => self.sent(count),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn sent(&mut self, count: usize) {
        (self.has_sent, self.is_flushed) = (true, false);
        let of_gathered = count.min(self.gathered.len() - self.gathered_sent);
        self.gathered_sent += of_gathered;
        self.piece.advance(count - of_gathered);
        if self.gathered_sent == self.gathered.len() {
            self.gathered.clear();
            self.gathered_sent = 0;
        }
        if self.outgoing.is_some() {
            // A caller may be slow: the upstream's time begins with the last of what it was sent.
            self.line.give(millis(self.pool.config.times.first_byte_ms_max));
        }
    }

    /// Takes what has come of the body, as much as goes out at once.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        while self.piece.is_empty()
            && self.gathered.len() < GATHERED_BYTES_MAX
            && let Some(outgoing) = &mut self.outgoing
        {
            let chunked = outgoing.telling == Telling::Chunked;
            match Pin::new(&mut outgoing.body).poll_frame(cx) {
                Poll::Pending => break,
                Poll::Ready(Some(Err(error))) => return Err(Fault::of_body(&error)),
                Poll::Ready(None) => {
                    self.outgoing = None;
                    if chunked {
                        self.gathered.extend_from_slice(b"0\r\n\r\n");
                    }
                }
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    if data.is_empty() {
                        continue;
                    }
                    let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
                    outgoing.left_bytes =
                        outgoing.left_bytes.checked_sub(bytes).ok_or(Fault::BodyTooLarge)?;
                    self.put(data, chunked);
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, data: Bytes, chunked: bool) {
        if chunked {
            self.gathered.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
        }
        // A chunk's end follows its data, so that chunks are always put together.
        if data.len() <= COPIED_BYTES_MAX || chunked {
            self.gathered.extend_from_slice(&data);
        } else {
            self.piece = data;
        }
        if chunked {
            self.gathered.extend_from_slice(b"\r\n");
        }
    }

    /// The head of the answer, whose bytes are taken out of the inbox.
    pub(crate) fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
        asked: Asked,
    ) -> Poll<Result<AnswerHead, Fault>> {
        if let Poll::Ready(Err(fault)) = self.poll_send(cx) {
            return Poll::Ready(Err(fault));
        }
        loop {
            match self.line.poll_fill(cx, 0) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0) | Err(_)) if !self.line.inbox.is_empty() => {
                    return Poll::Ready(Err(Fault::BadAnswer("its header section did not come whole")));
                }
                Poll::Ready(Ok(0) | Err(_)) => {
                    return Poll::Ready(Err(Fault::Lost { nothing_sent: !self.has_sent }));
                }
                Poll::Pending => {
                    ready!(self.line.poll_deadline(cx));
                    let is_heard =
                        self.outgoing.is_none() || !self.gathered.is_empty() || !self.piece.is_empty();
                    return Poll::Ready(Err(if is_heard { Fault::TooSlow } else { Fault::BodyLost }));
                }
            }
            while let Some(head) = read_answer_head(&self.line.inbox, asked).map_err(Fault::BadAnswer)? {
                self.line.inbox.advance(head.bytes);
                let is_last =
                    !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS;
                if is_last {
                    return Poll::Ready(Ok(head));
                }
                self.interim += 1;
                if self.interim > INTERIM_MAX {
                    return Poll::Ready(Err(Fault::BadAnswer("it sends interim answers without end")));
                }
            }
        }
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        Self::other(format!("{fault:?}"))
    }
}
