//! The bytes of a connection on their way to and from hyper: watched, and now and then corrected.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use super::{
    lengths::Lengths,
    refusal::{self, Refusal},
    watch::{Order, Watch},
};
use crate::Edge;

/// What the bytes travel on.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A stream that tells the connection's watch what it sees.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    watch: Arc<Watch>,
    edge: Edge,
    lengths: Lengths,
    /// Answers that go out together, once hyper has no more requests to read from what it has.
    outbox: Vec<u8>,
    sent: usize,
}

/// Bytes gathered before they are sent in any case.
const OUTBOX_BYTES_MAX: usize = 64 << 10;

impl Wire {
    pub(super) fn new(stream: Stream, watch: Arc<Watch>, edge: Edge) -> Self {
        Self { stream, watch, edge, lengths: Lengths::default(), outbox: Vec::new(), sent: 0 }
    }

    fn refuse(&mut self, refusal: &Refusal) {
        self.edge.traffic().count_unread(refusal.status);
        self.outbox.extend_from_slice(&refusal.bytes);
    }

    fn poll_outbox(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.outbox.len() {
            let written = Pin::new(&mut self.stream).poll_write(cx, &self.outbox[self.sent..]);
            self.watch.stalled(written.is_pending());
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.sent += sent,
            }
        }
        self.outbox.clear();
        self.sent = 0;
        self.watch.holds_unsent(false);
        Poll::Ready(Ok(()))
    }

    /// Sends what was gathered, down to the network.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_outbox(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Reads on after the last word, because closing a socket with bytes unread throws the answer away
    /// on its way to the caller (RFC 9112, section 9.6). The sweep ends it.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut scrap = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut scrap);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl Drop for Wire {
    /// hyper drops a connection at the first error; the answers before it still belong to the caller.
    fn drop(&mut self) {
        let _sent = self.poll_send(&mut Context::from_waker(Waker::noop()));
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.watch.ordered() == Order::Expire {
            this.refuse(&refusal::too_slow(this.edge.clock()));
            // A caller who reads as slowly as they write does not get to hold us any longer.
            let _sent = this.poll_send(cx)?;
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        // hyper reads on when it has answered all it has: now is the time to send. A caller who does not
        // take the answers is not asked for more requests.
        if !this.outbox.is_empty() {
            ready!(this.poll_send(cx))?;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        let heard = &buffer.filled()[before..];
        if !heard.is_empty() {
            let lengths = if this.watch.is_http2() { 0 } else { this.lengths.count(heard) };
            this.watch.heard(lengths);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let gathers = !this.watch.is_http2() && buffer.len() <= OUTBOX_BYTES_MAX;
        if !gathers || this.outbox.len() > OUTBOX_BYTES_MAX {
            ready!(this.poll_outbox(cx))?;
        }
        if !gathers {
            let written = Pin::new(&mut this.stream).poll_write(cx, buffer);
            this.watch.stalled(written.is_pending());
            return written;
        }
        match refusal::instead_of(buffer, this.edge.clock()) {
            Some(refusal) => this.refuse(&refusal),
            None => this.outbox.extend_from_slice(buffer),
        }
        this.watch.holds_unsent(true);
        Poll::Ready(Ok(buffer.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Whole answers may wait for those that follow: hyper reads on, or goes to sleep, and both send.
        let waits = self.watch.gathers() && !self.watch.is_answering() && !self.watch.is_http2();
        if waits { Poll::Ready(Ok(())) } else { self.poll_send(cx) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        if self.watch.must_linger() {
            ready!(self.poll_linger(cx))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buffer),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
