//! A handler's answer on its way out.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use clock::Clock;
use http_body::Body as _;

use super::{
    answer::{Extent, Manner, write_chunk_size, write_head},
    intake::Intake,
    wire::Wire,
};
use crate::{forward::Answered, http::Content};

/// The body of an answer whose head is written.
pub(super) struct Sending {
    body: Content,
    extent: Extent,
    /// Bytes of the body that are still to come, where their number was told.
    left: u64,
    /// A chunk's data is sent and its end is not.
    in_chunk: bool,
}

impl Sending {
    /// Writes the head.
    pub(super) fn begin(outbox: &mut Vec<u8>, answered: Answered, manner: &Manner, clock: &Clock) -> Self {
        let response = &answered.response;
        let exact = response.body().size_hint().exact();
        let extent = Extent::of(response.status(), response.headers(), exact, manner);
        let closing =
            Manner { persistent: manner.persistent && extent != Extent::ToTheEnd, ..manner.clone() };
        write_head(outbox, &answered, extent, &closing, clock);
        let left = if let Extent::Exact(bytes) = extent { bytes } else { 0 };
        Self { body: answered.response.into_body(), extent, left, in_chunk: false }
    }

    /// Can the caller tell the end of the body only by that of the connection?
    pub(super) fn ends_the_connection(&self) -> bool {
        self.extent == Extent::ToTheEnd
    }

    /// Gathers and sends the body; what is gathered last stays for the next answers to join.
    pub(super) fn poll(
        &mut self,
        wire: &mut Wire,
        intake: &mut Option<Intake>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.extent == Extent::Nothing {
            return Poll::Ready(Ok(()));
        }
        loop {
            if wire.is_full() {
                ready!(wire.poll_send(cx))?;
            }
            if std::mem::take(&mut self.in_chunk) {
                wire.outbox().extend_from_slice(b"\r\n");
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers are dropped: hardly anybody reads them, and proxies drop them too.
                    if let Ok(piece) = frame.into_data() {
                        self.put(wire, piece)?;
                    }
                }
                Poll::Ready(None) => return Poll::Ready(self.end(wire)),
                // The head is out, so all that is left is to let the caller see that it ended early.
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(io::Error::other(error))),
                Poll::Pending => {
                    if let Some(intake) = intake
                        && intake.poll_give(wire, cx)?.is_ready()
                    {
                        continue;
                    }
                    if wire.has_unsent() {
                        let _sent = wire.poll_send(cx)?;
                    }
                    // Whoever has gone will not hear the rest, and it may be long until there is any.
                    if intake.as_ref().is_none_or(Intake::is_done) {
                        wire.poll_gone(cx)?;
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn put(&mut self, wire: &mut Wire, piece: Bytes) -> io::Result<()> {
        // A chunk of no bytes would end the body.
        if piece.is_empty() {
            return Ok(());
        }
        match self.extent {
            Extent::Exact(_) => {
                let count = u64::try_from(piece.len()).unwrap_or(u64::MAX);
                let told_less = || io::Error::other("a body is longer than its head says");
                self.left = self.left.checked_sub(count).ok_or_else(told_less)?;
            }
            Extent::Chunked => {
                write_chunk_size(wire.outbox(), piece.len());
                self.in_chunk = true;
            }
            Extent::ToTheEnd | Extent::Nothing => {}
        }
        wire.put(piece);
        Ok(())
    }

    fn end(&self, wire: &mut Wire) -> io::Result<()> {
        if self.left > 0 {
            return Err(io::Error::other("a body is shorter than its head says"));
        }
        if self.extent == Extent::Chunked {
            wire.outbox().extend_from_slice(b"0\r\n\r\n");
        }
        Ok(())
    }
}
