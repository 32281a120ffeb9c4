//! The bytes of a connection on their way to and from hyper: watched, and now and then corrected.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
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
    /// A refusal of ours that must be sent before anything else.
    outbox: Bytes,
}

impl Wire {
    pub(super) fn new(stream: Stream, watch: Arc<Watch>, edge: Edge) -> Self {
        Self { stream, watch, edge, lengths: Lengths::default(), outbox: Bytes::new() }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.edge.traffic().count_unread(refusal.status);
        self.outbox = refusal.bytes.into();
    }

    fn poll_outbox(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outbox.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.outbox))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outbox.advance(sent);
        }
        Poll::Ready(Ok(()))
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

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.watch.ordered() == Order::Expire {
            this.refuse(refusal::too_slow(this.edge.clock()));
            // A caller who reads as slowly as they write does not get to hold us any longer.
            let _sent = this.poll_outbox(cx)?;
            let _flushed = Pin::new(&mut this.stream).poll_flush(cx)?;
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
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
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.poll_outbox(cx))?;
        if !this.watch.is_http2()
            && let Some(refusal) = refusal::instead_of(buffer, this.edge.clock())
        {
            this.refuse(refusal);
            return Poll::Ready(Ok(buffer.len()));
        }
        let written = Pin::new(&mut this.stream).poll_write(cx, buffer);
        this.watch.stalled(written.is_pending());
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_outbox(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_outbox(cx))?;
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
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
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
