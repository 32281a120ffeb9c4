//! HTTP/2, which hyper speaks for us, with the connection's watch looking on.

use std::{
    error::Error,
    future::poll_fn,
    io::{self, IoSlice},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    Order, Stream, Watch,
    frames::{Flooded, Frames},
};
use crate::{EdgeConfig, config::millis, http::EdgeService};

/// Frames that are read of a connection before the others of its thread have their turn.
const FRAMES_A_TURN: u32 = 128;

/// What is taken of one body before it is read on: enough for one of the usual size in one go. A connection has room for that
/// of every stream it may have, so that bodies which nobody reads, as those on their way to a slow server, keep no other
/// body of their connection waiting. So one connection makes us keep this times `streams-max`, 16 MiB as it comes, and only
/// of bodies that nobody reads: it cannot be less for those alone, because a stream is granted the same from its beginning.
const BODY_WINDOW_BYTES: u32 = 128 << 10;
/// RFC 9113, section 6.9.1.
const WINDOW_BYTES_MAX: u32 = (1 << 31) - 1;

/// How HTTP/2 is spoken.
#[derive(Debug, Clone)]
pub(crate) struct Http2(hyper::server::conn::http2::Builder<TokioExecutor>);

impl Http2 {
    pub(crate) fn new(config: &EdgeConfig) -> Self {
        let streams = config.streams_max.get().min(WINDOW_BYTES_MAX);
        let stream_bytes = BODY_WINDOW_BYTES.min(WINDOW_BYTES_MAX / streams);
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(config.streams_max.get())
            .max_header_list_size(config.header_bytes_max.get())
            .initial_stream_window_size(stream_bytes)
            .initial_connection_window_size(stream_bytes * streams)
            .max_send_buf_size(256 << 10)
            // Resets in a row are how a flood looks (CVE-2023-44487); honest callers cancel few.
            .max_pending_accept_reset_streams(20)
            .max_local_error_reset_streams(256)
            .keep_alive_interval(millis(config.idle_ms_max) / 2)
            .keep_alive_timeout(millis(config.handshake_ms_max));
        Self(builder)
    }

    /// Serves a connection until either side is done with it, and passes it the orders of its watch.
    pub(super) async fn serve(
        &self,
        stream: Stream,
        watch: Arc<Watch>,
        service: EdgeService,
    ) -> hyper::Result<()> {
        let frames = Frames::new(watch.now_ms());
        let watched = Watched { stream, watch: watch.clone(), frames };
        let mut connection = pin!(self.0.serve_connection(TokioIo::new(watched), service));
        let mut told = false;
        poll_fn(|cx| {
            if matches!(watch.ordered(), Order::Last | Order::Finish) && !told {
                told = true;
                connection.as_mut().graceful_shutdown();
            }
            watch.begin_turn();
            connection.as_mut().poll(cx)
        })
        .await
    }
}

/// Did the connection end because its caller flooded it: took back requests without end (CVE-2023-44487), or sent a header
/// section that does not stop (CVE-2024-27316)?
pub(super) fn is_flooded(error: &hyper::Error) -> bool {
    let error = error.source().and_then(<dyn Error>::downcast_ref::<h2::Error>);
    // What a caller says of us is no sign of anything.
    error.is_some_and(|error| error.is_library() && error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM))
}

/// A stream that tells the connection's watch when its caller does not read, or floods it.
#[derive(Debug)]
struct Watched {
    stream: Stream,
    watch: Arc<Watch>,
    frames: Frames,
}

impl Watched {
    fn tell_written(
        &mut self,
        written: Poll<io::Result<usize>>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => self.watch.stalled(true),
            Poll::Ready(Ok(bytes)) => self.watch.wrote(bytes),
            Poll::Ready(Err(_)) => {}
        }
        if let Poll::Ready(Ok(mut left)) = written {
            for buffer in buffers {
                let taken = left.min(buffer.len());
                self.frames.wrote(&buffer[..taken]);
                left -= taken;
            }
        }
        written
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.watch.read_in_turn() >= FRAMES_A_TURN {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let now_ms = self.watch.now_ms();
        match self.frames.read(&buffer.filled()[before..], now_ms) {
            Ok(frames) => self.watch.read_frames(frames),
            Err(Flooded) => {
                self.watch.flood();
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buffer);
        self.tell_written(written, &[IoSlice::new(buffer)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.tell_written(written, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch.stalled(flushed.is_pending());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
