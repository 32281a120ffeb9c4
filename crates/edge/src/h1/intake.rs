//! Reads a request's body from the wire as fast as its handler asks for it.

use std::{
    io,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};

use super::{
    Chunks, Fault, Length,
    body::{Arriving, Giver, passage},
    wire::Wire,
};

/// What tells a caller who asked that the body may come (RFC 9110, section 10.1.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// Data beyond which it is worth its own memory instead of a way through the inbox.
const LANDING_BYTES_MIN: u64 = 8 << 10;
const LANDING_BYTES_MAX: usize = 64 << 10;

/// Tells a body from what follows it.
#[derive(Debug)]
enum Decoder {
    Exact { left: u64 },
    Chunked(Chunks),
}

/// The connection's end of a request body that is still arriving.
#[derive(Debug)]
pub(super) struct Intake {
    decoder: Decoder,
    giver: Giver,
    /// The caller waits for a word before they send the body.
    must_invite: bool,
    landing: BytesMut,
}

impl Intake {
    /// The way in for a body of this length, and what the handler gets; nothing if there is no body.
    pub(super) fn of(length: Length, expects_continue: bool) -> Option<(Self, Arriving)> {
        let (decoder, bytes) = match length {
            Length::Exact(0) => return None,
            Length::Exact(left) => (Decoder::Exact { left }, Some(left)),
            Length::Chunked => (Decoder::Chunked(Chunks::default()), None),
        };
        let (giver, arriving) = passage(bytes);
        Some((Self { decoder, giver, must_invite: expects_continue, landing: BytesMut::new() }, arriving))
    }

    /// Gives the handler a piece if it waits for one and bytes have come. Ready when it gave something.
    pub(super) fn poll_give(&mut self, wire: &mut Wire, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.decoder.is_done() || !self.giver.is_asked(cx) {
            return Poll::Pending;
        }
        if std::mem::take(&mut self.must_invite) && wire.inbox.is_empty() {
            wire.outbox().extend_from_slice(CONTINUE);
        }
        // Whoever waits for our words before they go on must have them all.
        if wire.has_unsent() {
            ready!(wire.poll_send(cx))?;
        }
        loop {
            match self.decoder.take(wire) {
                Ok(piece) if piece.is_empty() && !self.decoder.is_done() => {}
                Ok(piece) => {
                    self.give(piece, wire, cx);
                    return Poll::Ready(Ok(()));
                }
                Err(_) => {
                    self.giver.lose(cx);
                    return Poll::Ready(Ok(()));
                }
            }
            let came = if wire.inbox.is_empty() && self.decoder.data_left() >= LANDING_BYTES_MIN {
                ready!(self.poll_land(wire, cx))?
            } else {
                ready!(wire.poll_fill_part(cx))?
            };
            if came == 0 {
                self.giver.lose(cx);
                return Poll::Ready(Ok(()));
            }
            if !self.landing.is_empty() {
                let piece = self.landed();
                self.give(piece, wire, cx);
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn give(&mut self, piece: Bytes, wire: &mut Wire, cx: &mut Context<'_>) {
        let is_last = self.decoder.is_done();
        if is_last {
            // It is no part that is still awaited, however long the answer takes.
            wire.begin_part();
        }
        self.giver.give(piece, is_last, cx);
    }

    /// Reads data that needs no decoding to where the handler will find it.
    fn poll_land(&mut self, wire: &mut Wire, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let left = usize::try_from(self.decoder.data_left()).unwrap_or(usize::MAX);
        let bytes_max = left.min(LANDING_BYTES_MAX);
        self.landing.reserve(bytes_max);
        let count = ready!(wire.poll_land_part(cx, &mut self.landing, bytes_max))?;
        self.decoder.took(count);
        Poll::Ready(Ok(count))
    }

    fn landed(&mut self) -> Bytes {
        if self.landing.len() >= self.landing.capacity() / 2 {
            return self.landing.split().freeze();
        }
        // A few bytes must not hold a large piece of memory for as long as the handler keeps them.
        let piece = Bytes::copy_from_slice(&self.landing);
        self.landing.clear();
        piece
    }

    /// Has the whole body come?
    pub(super) const fn is_done(&self) -> bool {
        self.decoder.is_done()
    }

    /// The answer begins: nobody is invited to send a body any more, for that would be read as part of it.
    /// May the connection go on after the answer? Either the body has all come, or what is here already
    /// completes it, or the handler still reads it.
    pub(super) fn can_settle(&mut self, wire: &mut Wire) -> bool {
        self.must_invite = false;
        self.decoder.is_done() || !self.giver.is_left() || self.settle(wire)
    }

    /// Throws away what has come of the body: was that all of it?
    pub(super) fn settle(&mut self, wire: &mut Wire) -> bool {
        while !self.decoder.is_done() {
            match self.decoder.take(wire) {
                Ok(piece) if piece.is_empty() => break,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
        self.decoder.is_done()
    }
}

impl Decoder {
    const fn is_done(&self) -> bool {
        match self {
            Self::Exact { left } => *left == 0,
            Self::Chunked(chunks) => chunks.is_done(),
        }
    }

    const fn data_left(&self) -> u64 {
        match self {
            Self::Exact { left } => *left,
            Self::Chunked(chunks) => chunks.data_left(),
        }
    }

    fn took(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        match self {
            Self::Exact { left } => *left = left.saturating_sub(bytes),
            Self::Chunked(chunks) => chunks.took(bytes),
        }
    }

    /// All the data in the inbox, as one piece: many small chunks must not become many small pieces.
    fn take(&mut self, wire: &mut Wire) -> Result<Bytes, Fault> {
        let came = wire.inbox.bytes();
        match self {
            Self::Exact { left } => {
                let count = usize::try_from(*left).map_or(came.len(), |left| left.min(came.len()));
                let piece = Bytes::copy_from_slice(&came[..count]);
                wire.inbox.consume(count);
                self.took(count);
                Ok(piece)
            }
            Self::Chunked(chunks) => {
                let (mut used, mut data) = (0, Vec::new());
                while used < came.len() {
                    let (step, found) = chunks.read(&came[used..])?;
                    if step == 0 {
                        break;
                    }
                    used += step;
                    data.extend_from_slice(&came[used - found..used]);
                }
                wire.inbox.consume(used);
                Ok(data.into())
            }
        }
    }
}
