//! One connection, from its first byte to its last.

mod lengths;
mod refusal;
mod watch;
mod wire;

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;

pub(crate) use refusal::too_many_connections;
use watch::Order;
pub(crate) use watch::{Busy, Entry, Watch, Watches};
use wire::{Stream, Wire};

use crate::{
    EdgeConfig,
    config::{millis, size},
    http::{EdgeService, Peer},
    server::Port,
};

/// Begins every HTTP/2 connection that has prior knowledge (RFC 9113, section 3.4), and no HTTP/1 one.
const PREFACE: &[u8] = b"PRI";

/// How the two versions are spoken.
#[derive(Debug, Clone)]
pub(crate) struct Speakers {
    http1: hyper::server::conn::http1::Builder,
    http2: hyper::server::conn::http2::Builder<TokioExecutor>,
}

impl Speakers {
    pub(crate) fn new(config: &EdgeConfig) -> Self {
        let mut http1 = hyper::server::conn::http1::Builder::new();
        http1
            // The wire gathers answers itself. hyper's `pipeline_flush` holds every answer back while bytes
            // are unparsed: it loses the refusal of a malformed request, and the answers before it.
            .pipeline_flush(false)
            .writev(false)
            .max_header_size(size(config.header_bytes_max))
            // The sweep keeps this time: hyper's own would set a timer for each request.
            .header_read_timeout(None);
        if config.header_fields_max != EdgeConfig::default().header_fields_max {
            // Only then: hyper parses its default number without an allocation.
            http1.max_headers(size(config.header_fields_max));
        }
        let mut http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(config.streams_max.get())
            .max_header_list_size(config.header_bytes_max.get())
            // Enough for a body of the usual size in one go; a slow reader cannot make us keep more.
            .initial_stream_window_size(256 << 10)
            .initial_connection_window_size(1 << 20)
            .max_send_buf_size(256 << 10)
            // Resets in a row are how a flood looks (CVE-2023-44487); honest callers cancel few.
            .max_pending_accept_reset_streams(20)
            .max_local_error_reset_streams(256)
            .keep_alive_interval(millis(config.idle_ms_max) / 2)
            .keep_alive_timeout(millis(config.handshake_ms_max));
        Self { http1, http2 }
    }
}

/// Which version a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
}

/// Serves a connection until either side is done with it. Whatever goes wrong ends it and nothing else.
pub(crate) async fn serve(socket: TcpStream, port: Arc<Port>, entry: Entry) {
    let watch = entry.watch().clone();
    let peer = Peer(socket.peer_addr().ok().map(|address| address.ip()));
    let time = millis(port.edge.config().handshake_ms_max);
    let mut opening = pin!(tokio::time::timeout(time, open(socket, &port)));
    let opened = poll_fn(|cx| match watch.listen(cx) {
        Order::Go => opening.as_mut().poll(cx).map(Some),
        // Nothing was asked yet, so there is nothing to finish.
        Order::Finish | Order::Expire | Order::Cut => Poll::Ready(None),
    });
    let Some(Ok(Ok((stream, version)))) = opened.await else {
        tracing::debug!("a connection ended before its first request");
        return;
    };
    watch.speaks_http2(version == Version::Http2);
    let wire = TokioIo::new(Wire::new(stream, watch.clone(), port.edge.clone()));
    let service = EdgeService::new(port.clone(), watch.clone(), peer);
    let ended = match version {
        Version::Http1 => {
            let connection = pin!(port.speakers.http1.serve_connection(wire, service));
            drive(connection, |connection| connection.graceful_shutdown(), &watch).await
        }
        Version::Http2 => {
            let connection = pin!(port.speakers.http2.serve_connection(wire, service));
            drive(connection, |connection| connection.graceful_shutdown(), &watch).await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %error, "a connection ended early");
    }
}

/// Runs a connection and passes it the orders of its watch.
async fn drive<C: Future<Output = hyper::Result<()>>>(
    mut connection: Pin<&mut C>,
    finish: impl Fn(Pin<&mut C>),
    watch: &Watch,
) -> hyper::Result<()> {
    let mut told = false;
    poll_fn(|cx| {
        let order = watch.listen(cx);
        if order == Order::Finish && !told {
            told = true;
            finish(connection.as_mut());
        }
        watch.gather(true);
        let mut polled = connection.as_mut().poll(cx);
        if polled.is_pending() && watch.has_unsent() {
            // It has done all it could and sleeps: what it gathered must not sleep with it.
            watch.gather(false);
            polled = connection.as_mut().poll(cx);
        }
        if order.ends_now() { Poll::Ready(Ok(())) } else { polled }
    })
    .await
}

/// Shakes hands if the port speaks TLS, and finds out which version of HTTP the caller speaks.
async fn open(socket: TcpStream, port: &Port) -> std::io::Result<(Stream, Version)> {
    if let Some(tls) = &port.tls {
        let stream = tls.accept(socket).await?;
        let agreed = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let version = if agreed { Version::Http2 } else { Version::Http1 };
        return Ok((Stream::Tls(Box::new(stream)), version));
    }
    let mut first = [0; PREFACE.len()];
    loop {
        let seen = socket.peek(&mut first).await?;
        if seen == PREFACE.len() && first == PREFACE {
            return Ok((Stream::Plain(socket), Version::Http2));
        }
        if seen == 0 || first[..seen] != PREFACE[..seen] {
            return Ok((Stream::Plain(socket), Version::Http1));
        }
        // One or two letters of the preface: the rest is on its way, and peeking does not wait for it.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
